//! `tidegate launch`: the processes of a job on this host, started and watched.

use std::io::IsTerminal;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::arguments::SECRET_VARIABLE;
use super::failure::Failure;
use super::parent::PARENT_VARIABLE;

/// Start the processes of a job on this host, and watch them
///
/// Each process is this program with the command that follows, and with the flags that make it one
/// of several: free ports, and a secret of their own. When one fails, the others are ended, and so
/// is this; when this is told to stop, all of them are.
#[derive(Args)]
#[command(after_help = "Example:
  tidegate launch -n 2 -w 2 run wordcount --source kafka://localhost:9092/lines")]
pub struct Launch {
    /// How many processes
    #[arg(short = 'n', long, default_value_t = 2, value_name = "N")]
    processes: usize,

    /// Worker threads in each process
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    workers: usize,

    /// What each process runs, as without `launch`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

/// After one process has failed, the others have this long to notice by themselves.
const GRACE: Duration = Duration::from_millis(1500);
const GLANCE: Duration = Duration::from_millis(20);

impl Launch {
    pub fn run(self) -> Result<(), Failure> {
        if self.processes == 0 {
            return Err(Failure::Usage("`--processes 0`: use 1 or more".into()));
        }
        let system =
            |what: &str, error: std::io::Error| Failure::Other(format!("can't {what}: {error}"));
        let program = std::env::current_exe().map_err(|e| system("find this program", e))?;
        let hosts = tempfile_of_hosts(self.processes).map_err(|e| system("find free ports", e))?;
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret)
            .map_err(|e| system("make a secret", std::io::Error::other(e)))?;
        let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut signals =
            Signals::new([SIGINT, SIGTERM]).map_err(|e| system("listen for signals", e))?;

        let at_terminal = std::io::stdin().is_terminal();
        let mut family = Family { children: Vec::new(), at_terminal };
        for process in 0..self.processes {
            let mut command = Command::new(&program);
            command
                .args(&self.command)
                .args(["-n", &self.processes.to_string(), "-p", &process.to_string()])
                .args(["-w", &self.workers.to_string()])
                .arg("-H")
                .arg(hosts.path())
                .env(SECRET_VARIABLE, &secret)
                .env(PARENT_VARIABLE, std::process::id().to_string());
            // Each process hears of a signal once, from here. Only the first, which may read the
            // terminal, stays with it, and has its Ctrl-C from there.
            if process > 0 || !at_terminal {
                command.process_group(0);
            }
            if process > 0 {
                command.stdin(std::process::Stdio::null());
            }
            let child = command.spawn().map_err(|e| system("start a process", e))?;
            family.children.push((child, None));
        }

        let mut failed_at: Option<Instant> = None;
        loop {
            for signal in signals.pending() {
                family.signal(signal);
            }
            family.look();
            if family.children.iter().all(|(_, status)| status.is_some()) {
                break;
            }
            let failed = family.first_failure().is_some();
            match failed_at {
                None if failed => failed_at = Some(Instant::now()),
                Some(since) if since.elapsed() > GRACE => family.kill(),
                _ => {}
            }
            std::thread::sleep(GLANCE);
        }
        match family.first_failure() {
            None => Ok(()),
            // Its own text has said why.
            Some((_, status)) if status.code() == Some(2) => {
                Err(Failure::Usage("the job did not start".into()))
            }
            Some((process, status)) => Err(Failure::Other(format!(
                "process {process} failed ({status}); the job has ended"
            ))),
        }
    }
}

struct Family {
    children: Vec<(Child, Option<ExitStatus>)>,
    /// Whether the first process has the terminal, and with it the terminal's Ctrl-C.
    at_terminal: bool,
}

impl Family {
    fn look(&mut self) {
        for (child, status) in &mut self.children {
            if status.is_none() {
                *status = child.try_wait().ok().flatten();
            }
        }
    }

    /// The process whose failure was not that of another: one that could not even start, if there
    /// is one, else one that was killed, else the first.
    fn first_failure(&self) -> Option<(usize, ExitStatus)> {
        let failures = || {
            let ended = self.children.iter().enumerate();
            ended.filter_map(|(i, (_, status))| status.filter(|s| !s.success()).map(|s| (i, s)))
        };
        failures()
            .find(|(_, status)| status.code() == Some(2))
            .or_else(|| failures().find(|(_, status)| status.code().is_none()))
            .or_else(|| failures().next())
    }

    fn signal(&self, signal: i32) {
        let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
        for (process, (child, status)) in self.children.iter().enumerate() {
            let had_it = self.at_terminal && process == 0 && signal == Signal::INT;
            if status.is_some() || had_it {
                continue;
            }
            if let Some(pid) = Pid::from_raw(child.id() as i32) {
                // It may have ended this very moment.
                let _ = kill_process(pid, signal);
            }
        }
    }

    fn kill(&mut self) {
        for (child, status) in &mut self.children {
            if status.is_none() {
                let _ = child.kill();
            }
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.kill();
        for (child, _) in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// A host file with free ports of this host, removed when it is dropped.
fn tempfile_of_hosts(processes: usize) -> std::io::Result<HostFile> {
    // All are held until all are found, so that none is found twice.
    let found: Vec<TcpListener> =
        (0..processes).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let mut text = String::new();
    for listener in &found {
        text.push_str(&format!("{}\n", listener.local_addr()?));
    }
    let path = std::env::temp_dir().join(format!("tidegate-hosts-{}", std::process::id()));
    std::fs::write(&path, text)?;
    Ok(HostFile { path })
}

struct HostFile {
    path: std::path::PathBuf,
}

impl HostFile {
    fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
