//! Writes the batches of a shard, each in a transaction.

use std::marker::PhantomData;

use serde::Serialize;
use tidegate_operators::Tick;

use super::cells::{self, Value};
use super::connection::{Connection, Database, Fault};
use super::layout::Layout;
use super::progress::Progress;
use super::session::Session;
use crate::error::SinkError;
use crate::sink::{Claim, Writer};

/// How rows become work for a database.
pub(super) type Encode<D> = fn(&Layout, &Tick, &[D]) -> Result<Work, SinkError>;

/// What a batch does to a table.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The values of all rows, one after the other.
    pub(super) values: Vec<Value>,
    /// Which of the rows are deleted, by their keys, ...
    pub(super) gone: Vec<usize>,
    /// ... and which are inserted then.
    pub(super) came: Vec<usize>,
}

impl Work {
    /// The rows of these numbers.
    pub(super) fn rows(&self, numbers: &[usize], width: usize) -> Vec<&[Value]> {
        numbers.iter().map(|number| &self.values[number * width..][..width]).collect()
    }

    /// Appends a row behind values of the sink's own.
    pub(super) fn push(
        &mut self,
        layout: &Layout,
        before: &[Value],
        row: &impl Serialize,
    ) -> Result<(), SinkError> {
        self.values.extend_from_slice(before);
        let begin = self.values.len();
        cells::append(row, &mut self.values)
            .map_err(|source| SinkError::Format { format: "columns", source: Box::new(source) })?;
        let (given, wanted) = (self.values.len() - begin, &layout.columns[before.len()..]);
        if given == wanted.len() {
            return Ok(());
        }
        let names = Layout::list(wanted, '`', str::to_owned).join(", ");
        Err(SinkError::Invalid(format!(
            "a row gives {given} columns, but {} are to be written: {names}; name those that it \
             gives with `columns`",
            wanted.len()
        )))
    }
}

pub(super) struct SqlWriter<DB: Database, D> {
    session: Session<DB>,
    layout: Layout,
    encode: Encode<D>,
    /// What the batch does that is not committed yet.
    work: Work,
    /// What is noted of each batch ...
    progress: Progress,
    /// ... if the job is saved.
    is_saved: bool,
    rows: PhantomData<fn(D)>,
}

impl<DB: Database, D> SqlWriter<DB, D> {
    pub(super) fn new(
        session: Session<DB>,
        layout: Layout,
        encode: Encode<D>,
        progress: Progress,
    ) -> Self {
        SqlWriter {
            session,
            layout,
            encode,
            work: Work::default(),
            progress,
            is_saved: false,
            rows: PhantomData,
        }
    }
}

impl<DB: Database, D> Writer<D> for SqlWriter<DB, D> {
    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        self.work = (self.encode)(&self.layout, tick, rows)?;
        Ok(())
    }

    /// A batch without rows leaves no mark: running it again does nothing either.
    fn commit(&mut self, tick: &Tick) -> Result<(), SinkError> {
        let work = std::mem::take(&mut self.work);
        if work.gone.is_empty() && work.came.is_empty() {
            return Ok(());
        }
        let (layout, progress, is_saved) = (&self.layout, &self.progress, self.is_saved);
        let width = layout.columns.len();
        let (gone, came) = (work.rows(&work.gone, width), work.rows(&work.came, width));
        let what = format!("write to {}", layout.table.quoted('`'));
        self.session.attempt(&what, |connection| {
            connection.run(DB::Connection::BEGIN)?;
            // First, since it holds up whoever else writes here, and says what became of a commit
            // that got no answer.
            if is_saved && !progress.advance(connection, tick.id)? {
                return connection.run("ROLLBACK");
            }
            connection.remove(layout, &gone)?;
            connection.put(layout, &came)?;
            connection.run("COMMIT")
        })
    }

    fn recover(&mut self, claim: &Claim<'_>) -> Result<Option<u64>, SinkError> {
        self.progress.generation = claim.generation as i64;
        let (progress, what) = (&self.progress, "claim a line of `tidegate_progress`");
        let mut is_again = false;
        let batch = self.session.attempt(what, |connection| {
            progress.claim(connection, std::mem::replace(&mut is_again, true))
        })?;
        self.is_saved = true;
        Ok(Some(batch))
    }

    fn abort(&mut self) {
        self.work = Work::default();
    }
}

/// Has a layout's statements checked, and takes back whatever that has begun.
pub(super) fn check<C: Connection>(connection: &mut C, layout: &Layout) -> Result<(), Fault> {
    connection.run(C::BEGIN)?;
    connection.check(layout)?;
    connection.run("ROLLBACK")
}
