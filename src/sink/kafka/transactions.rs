//! Each batch a transaction, with a mark in it.
//!
//! Why a batch is there once: nobody writes under a transactional id before having read its last
//! mark, and beginning under it (`init_transactions`) ends whatever others have open and shuts them
//! out. So as long as transactions go through, the mark that was read is the last; and when one does
//! not, be it unknown whether it was committed, the producer is dropped and everything begins anew
//! with the mark. Marks say by which start of the job they were written: a process that wakes after
//! another has begun in its place finds the other's, and ends.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};

use super::progress::{Mark, Progress};
use super::target::{MINUTE, Target, drain, failed};
use super::{KafkaMessage, Outlet};
use crate::engine::control::lock;
use crate::error::SinkError;
use crate::kafka::{Connection, is_passing};

pub(super) struct Transactions {
    target: Target,
    progress: Progress,
    id: String,
    /// What the next mark says.
    mark: Mark,
    /// One that has begun, and has read the mark.
    producer: Option<BaseProducer<Connection>>,
    connection: Connection,
    /// The messages of the batch at hand: they may have to be sent again.
    messages: Vec<KafkaMessage>,
}

/// Why an attempt failed.
enum Trouble {
    /// It may go better next time.
    Passing(KafkaError),
    Final(SinkError),
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        Trouble::Passing(error)
    }
}

impl From<SinkError> for Trouble {
    fn from(error: SinkError) -> Self {
        Trouble::Final(error)
    }
}

/// An answer of the broker is waited for so long; then the producer is dropped.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

impl Transactions {
    /// Shuts out whoever wrote before, and finds out how far they came.
    pub(super) fn begin(
        target: Target,
        progress: Progress,
        id: String,
        generation: u64,
        shards: u64,
    ) -> Result<Self, SinkError> {
        let run = getrandom::u64().map_err(|error| {
            SinkError::Invalid(format!("the system gives no random numbers: {error}"))
        })?;
        let mut transactions = Transactions {
            target,
            progress,
            id,
            mark: Mark { generation, run, batch: 0, shards },
            producer: None,
            connection: Connection::default(),
            messages: Vec::new(),
        };
        transactions.until_done(Self::join)?;
        Ok(transactions)
    }

    /// The last batch that is written.
    pub(super) fn through(&self) -> u64 {
        self.mark.batch
    }

    /// Tries again for as long as the broker is away; what else goes wrong may do so for a minute.
    fn until_done(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<(), Trouble>,
    ) -> Result<(), SinkError> {
        let begun = Instant::now();
        let mut strange_since: Option<Instant> = None;
        loop {
            let error = match attempt(self) {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Passing(error)) => error,
            };
            let error = match self.producer.take() {
                Some(producer) => first_error(&producer).unwrap_or(error),
                None => error,
            };
            match is_away(&error) {
                true => strange_since = None,
                false => {
                    strange_since.get_or_insert_with(Instant::now);
                }
            }
            let is_over = self.target.fail_fast && begun.elapsed() > MINUTE
                || strange_since.is_some_and(|since| since.elapsed() > MINUTE);
            if is_over || is_final(&error) {
                let what = format!("can't write to `{}` as `{}`", self.target.topic, self.id);
                return Err(failed(what, error));
            }
            log::debug!("{}: the transaction begins anew: {error}", self.id);
            std::thread::sleep(PAUSE);
        }
    }

    /// Makes sure that there is a producer that nobody else has shut out, as far as is known.
    fn join(&mut self) -> Result<(), Trouble> {
        if self.producer.is_some() {
            return Ok(());
        }
        let options = [("transactional.id", &*self.id), ("transaction.timeout.ms", "60000")];
        let producer = self.target.producer(&options, self.connection.anew())?;
        producer.init_transactions(PATIENCE)?;
        let found = self.progress.last(&self.target, &self.id, &self.connection)??;
        let is_own = found.is_some_and(|found| found.run == self.mark.run);
        let newer = |found: &Mark| !is_own && found.generation >= self.mark.generation;
        if let Some(other) = found.filter(newer) {
            return Err(Trouble::Final(SinkError::Invalid(format!(
                "start {} of a job has written to `{}` as `{}` through batch {}, and this is start {}: \
                 the job runs elsewhere, so end one of the two; or these are not its checkpoints, so \
                 bring them back, or write under another name (`transactional_id`, \
                 `transactional.id=`)",
                other.generation, self.target.topic, self.id, other.batch, self.mark.generation
            ))));
        }
        let shards = self.mark.shards;
        if let Some(other) = found.filter(|found| found.shards != shards) {
            return Err(Trouble::Final(SinkError::Invalid(format!(
                "`{}` was written in {} shards as `{}` before, and is now to be written in {shards}: keep \
                 their number, or write under another name (`transactional_id`, `transactional.id=`)",
                self.target.topic, other.shards, self.id
            ))));
        }
        self.mark.batch = found.map_or(0, |found| found.batch);
        if !is_own {
            // From here on, whoever has a lower generation finds this one's mark.
            producer.begin_transaction()?;
            self.progress.send(&producer, &self.id, self.mark)?;
            producer.commit_transaction(PATIENCE)?;
        }
        self.connection.found(&self.id);
        self.producer = Some(producer);
        Ok(())
    }

    /// Writes the batch at hand, if it is not written already.
    fn write(&mut self, batch: u64) -> Result<(), Trouble> {
        self.join()?;
        if batch <= self.mark.batch {
            // The transaction that seemed to fail was committed.
            return Ok(());
        }
        let producer = self.producer.as_ref().expect("this start has joined");
        let mark = Mark { batch, ..self.mark };
        self.transact(producer, mark)?;
        self.mark = mark;
        if self.connection.is_missing() {
            // A commit that was sent twice may arrive late, and must not hit the next transaction.
            self.producer = None;
        }
        Ok(())
    }

    fn transact(&self, producer: &BaseProducer<Connection>, mark: Mark) -> KafkaResult<()> {
        producer.begin_transaction()?;
        for message in &self.messages {
            self.target.send(producer, message)?;
        }
        self.progress.send(producer, &self.id, mark)?;
        // However large the batch: messages have a time of their own.
        drain(producer);
        producer.commit_transaction(PATIENCE)
    }
}

impl Outlet for Transactions {
    fn send(&mut self, message: KafkaMessage) -> Result<(), SinkError> {
        self.messages.push(message);
        Ok(())
    }

    /// A batch without messages needs no mark: run again, it has none again.
    fn commit(&mut self, batch: u64) -> Result<(), SinkError> {
        if self.messages.is_empty() {
            return Ok(());
        }
        self.until_done(|transactions| transactions.write(batch))?;
        self.messages.clear();
        Ok(())
    }
}

/// Why the first message was not delivered: what comes after says less.
fn first_error(producer: &BaseProducer<Connection>) -> Option<KafkaError> {
    lock(&producer.context().first_error).take()
}

/// Whether it only takes time.
fn is_away(error: &KafkaError) -> bool {
    is_passing(error) || error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut)
}

/// Whether no time mends it.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidTransactionTimeout
                | RDKafkaErrorCode::UnsupportedFeature
        )
    )
}
