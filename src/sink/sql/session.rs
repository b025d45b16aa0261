//! A connection that comes back.

use std::time::{Duration, Instant};

use super::connection::{Database, Fault};
use crate::error::SinkError;

/// A connection to a database, made anew when it is lost.
pub(super) struct Session<DB: Database> {
    database: DB,
    connection: Option<DB::Connection>,
    /// For how long it is tried again.
    patience: Duration,
}

/// How long is waited before something is tried again: from the least to the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(2));

impl<DB: Database> Session<DB> {
    pub(super) fn new(database: DB, patience: Duration) -> Self {
        Session { database, connection: None, patience }
    }

    /// Does something, again and again as long as that helps and patience lasts. What an attempt has
    /// not committed is undone before the next; what became of a commit without an answer, the next
    /// attempt has to find out.
    pub(super) fn attempt<T>(
        &mut self,
        what: &str,
        mut body: impl FnMut(&mut DB::Connection) -> Result<T, Fault>,
    ) -> Result<T, SinkError> {
        let cannot = |what: &str, place: &str, source| SinkError::Client {
            message: format!("can't {what} at {place}"),
            source,
        };
        let mut pause = PAUSES.0;
        let mut since: Option<Instant> = None;
        loop {
            let outcome = match &mut self.connection {
                Some(connection) => body(connection),
                None => match self.database.connect() {
                    Ok(connection) => body(self.connection.insert(connection)),
                    Err(Fault::Lasting(source)) => {
                        return Err(cannot("connect", &self.database.place(), source));
                    }
                    Err(fault) => Err(fault),
                },
            };
            let fault = match outcome {
                Ok(done) => {
                    if let Some(since) = since {
                        let waited = since.elapsed().as_secs_f64();
                        log::info!("{} is back after {waited:.1} s", self.database.place());
                    }
                    return Ok(done);
                }
                Err(fault) => fault,
            };
            // What it has begun is undone with it.
            self.connection = None;
            let source = match fault {
                Fault::Passing(source) => source,
                Fault::Lasting(source) => {
                    return Err(cannot(what, &self.database.place(), source));
                }
                Fault::Invalid(why) => return Err(SinkError::Invalid(why)),
            };
            let begun = *since.get_or_insert_with(|| {
                log::warn!("can't {what} at {} yet: {source}", self.database.place());
                Instant::now()
            });
            if begun.elapsed() >= self.patience {
                return Err(SinkError::Client {
                    message: format!(
                        "can't {what} at {}, tried for {} s: see that the server runs and can be \
                         reached, and start the job again",
                        self.database.place(),
                        begun.elapsed().as_secs()
                    ),
                    source,
                });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
