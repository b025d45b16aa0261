//! The processes of one run: started together, and ended together.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use tidegate::Secret;

use super::hosts::Hosts;
use crate::cli::parent::PARENT_VARIABLE;

/// After one process has failed, the others have this long to notice by themselves.
const GRACE: Duration = Duration::from_millis(1500);
/// A process that somebody has stopped is ended after this time.
const STOPPED_MAX: Duration = Duration::from_secs(4);
const GLANCE: Duration = Duration::from_millis(20);

/// What every process is given.
pub struct Brood<'a> {
    pub program: &'a Path,
    pub command: Vec<String>,
    pub workers: usize,
    pub secret: Option<&'a str>,
}

impl Brood<'_> {
    /// Lets them begin with a batch only once it is written down what is in it.
    pub fn plan_first(&mut self) {
        let flag = "--plan-first".to_owned();
        if !self.command.contains(&flag) {
            self.command.push(flag);
        }
    }
}

/// A process, and how it has ended.
struct Member {
    process: usize,
    child: Child,
    status: Option<ExitStatus>,
    /// Since when it is seen stopped.
    stopped: Option<Instant>,
    /// Whether it was ended for another's sake.
    is_victim: bool,
}

/// How a run has ended.
pub enum Ending {
    /// Every process has ended well.
    Well,
    /// A process has failed.
    Failed { process: usize, status: ExitStatus },
}

pub struct Family {
    members: Vec<Member>,
    /// Whether the first process has the terminal, and with it the terminal's Ctrl-C.
    at_terminal: bool,
}

impl Family {
    pub fn start(brood: &Brood<'_>, hosts: &Hosts) -> std::io::Result<Self> {
        let at_terminal = std::io::stdin().is_terminal();
        let mut family = Family { members: Vec::new(), at_terminal };
        for process in hosts.own.clone() {
            let mut command = Command::new(brood.program);
            command
                .args(&brood.command)
                .args(["-n", &hosts.processes.to_string(), "-p", &process.to_string()])
                .args(["-w", &brood.workers.to_string()])
                .arg("-H")
                .arg(hosts.path())
                .env(PARENT_VARIABLE, std::process::id().to_string());
            if let Some(secret) = brood.secret {
                command.env(Secret::VARIABLE, secret);
            }
            // Each process hears of a signal once, from here. Only the first, which may read the
            // terminal, stays with it, and has its Ctrl-C from there.
            if process > 0 || !at_terminal {
                command.process_group(0);
            }
            if process > 0 {
                command.stdin(Stdio::null());
            }
            let child = command.spawn()?;
            family.members.push(Member {
                process,
                child,
                status: None,
                stopped: None,
                is_victim: false,
            });
        }
        Ok(family)
    }

    /// Watches until all have ended, and passes signals on; `stopping` is set where there is one.
    pub fn watch(mut self, signals: &mut Signals, stopping: &mut bool) -> Ending {
        let mut failed_at: Option<Instant> = None;
        loop {
            for signal in signals.pending() {
                *stopping = true;
                self.signal(signal);
            }
            self.members.iter_mut().for_each(Member::look);
            if self.members.iter().all(|member| member.status.is_some()) {
                break;
            }
            let failed = self.first_failure().is_some();
            match failed_at {
                None if failed => failed_at = Some(Instant::now()),
                Some(since) if since.elapsed() > GRACE => self.kill(),
                _ => {}
            }
            std::thread::sleep(GLANCE);
        }
        match self.first_failure() {
            None => Ending::Well,
            Some((process, status)) => Ending::Failed { process, status },
        }
    }

    /// The process whose failure was not that of another: one that could not even start, if there
    /// is one, else one that somebody else has killed, else the first.
    fn first_failure(&self) -> Option<(usize, ExitStatus)> {
        let failures = || {
            let ended = self.members.iter();
            let ended = ended.filter(|member| !member.is_victim);
            ended.filter_map(|m| m.status.filter(|s| !s.success()).map(|s| (m.process, s)))
        };
        failures()
            .find(|(_, status)| status.code() == Some(2))
            .or_else(|| failures().find(|(_, status)| status.code().is_none()))
            .or_else(|| failures().next())
    }

    fn signal(&self, signal: i32) {
        let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
        for member in &self.members {
            let had_it = self.at_terminal && member.process == 0 && signal == Signal::INT;
            if member.status.is_some() || had_it {
                continue;
            }
            if let Some(pid) = member.pid() {
                // It may have ended this very moment.
                let _ = kill_process(pid, signal);
            }
        }
    }

    fn kill(&mut self) {
        for member in &mut self.members {
            if member.status.is_none() {
                member.is_victim = true;
                let _ = member.child.kill();
            }
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.kill();
        for member in &mut self.members {
            let _ = member.child.wait();
        }
    }
}

impl Member {
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Looks how it is; one that was stopped for too long is ended.
    fn look(&mut self) {
        if self.status.is_some() {
            return;
        }
        self.status = self.child.try_wait().ok().flatten();
        if !self.is_stopped() {
            self.stopped = None;
            return;
        }
        let since = *self.stopped.get_or_insert_with(Instant::now);
        if since.elapsed() > STOPPED_MAX {
            log::warn!("process {} was stopped: it is ended", self.process);
            let _ = self.child.kill();
        }
    }

    fn is_stopped(&self) -> bool {
        let Some(pid) = self.pid().filter(|_| self.status.is_none()) else { return false };
        // It stays for whoever waits for its end.
        let asked = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), asked).is_ok_and(|status| status.is_some())
    }
}
