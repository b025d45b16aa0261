//! A job of one process or of several, all of them in this one: they talk over sockets of this
//! host, each with its own workers.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::thread::JoinHandle;

use tidegate::{
    Cluster, Config, Context, Job, Local, ManualClock, RunError, Secret, Summary, Trigger,
};

use crate::support::free_addresses;

/// A running job; it is driven through its first process.
pub struct Driven {
    first: Local,
    others: Vec<Job>,
}

impl Driven {
    pub fn start(
        processes: usize,
        config: Config,
        program: impl Fn(Context<'_>) + Send + Sync + 'static,
    ) -> Result<Self, RunError> {
        if processes == 1 {
            return Ok(Driven { first: Local::start(config, program)?, others: Vec::new() });
        }
        let (addresses, program) = (free_addresses(processes), Arc::new(program));
        let of_process = |process| {
            let (secret, addresses) = (Secret::new("facts"), addresses.clone());
            let cluster = Cluster { process, addresses, secret, join_timeout: None };
            (config.clone().cluster(cluster), Arc::clone(&program))
        };
        // Each of them waits for the others.
        let others: Vec<JoinHandle<Result<Job, RunError>>> = (1..processes)
            .map(|process| {
                let (config, program) = of_process(process);
                let config = config.trigger(Trigger::Manual(ManualClock::new()));
                std::thread::spawn(move || tidegate::start(config, move |ctx| program(ctx)))
            })
            .collect();
        let (config, program) = of_process(0);
        let first = Local::start(config, move |ctx| program(ctx));
        let others: Vec<Result<Job, RunError>> =
            others.into_iter().map(|other| other.join().expect("it does not panic")).collect();
        Ok(Driven { first: first?, others: others.into_iter().collect::<Result<_, _>>()? })
    }

    /// Ends all processes.
    pub fn stop(self) -> Result<Summary, RunError> {
        let summary = self.first.stop()?;
        self.others.into_iter().try_for_each(|other| other.join().map(drop))?;
        Ok(summary)
    }
}

impl Deref for Driven {
    type Target = Local;

    fn deref(&self) -> &Local {
        &self.first
    }
}

impl DerefMut for Driven {
    fn deref_mut(&mut self) -> &mut Local {
        &mut self.first
    }
}
