//! What all sinks of databases have in common: which table, and how.

use std::marker::PhantomData;
use std::time::Duration;

use super::connection::{Connection, Database};
use super::layout::{Layout, TableName};
use super::progress::Progress;
use super::session::Session;
use super::writer::{Encode, SqlWriter, check};
use crate::error::SinkError;

/// A table of a database; `F` says what becomes of rows: [`Append`](super::Append) or
/// [`Upsert`](super::Upsert).
///
/// Made by `Postgres::upsert`, `MySql::append` and their like.
#[derive(Clone)]
pub struct SqlSink<DB, F> {
    pub(super) database: DB,
    pub(super) table: TableName,
    pub(super) columns: Option<Vec<String>>,
    pub(super) key: Vec<String>,
    id: Option<String>,
    pub(super) shards: usize,
    patience: Duration,
    form: PhantomData<fn(F)>,
}

impl<DB, F> SqlSink<DB, F> {
    pub(super) fn new(database: DB, table: &str) -> Self {
        SqlSink {
            database,
            table: TableName::new(table),
            columns: None,
            key: Vec::new(),
            id: None,
            shards: 1,
            patience: Duration::from_secs(300),
            form: PhantomData,
        }
    }

    /// Names the columns that the fields of a row are written to, in order; all columns of the
    /// table, unless they are named.
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Sets by what name this sink notes its batches in `tidegate_progress`; the table's, unless set.
    /// Sinks that write to one table need names of their own.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Sets over how many connections a batch is written; one, unless set. Each commits on its own,
    /// and with checkpoints their number must stay.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Sets for how long a server may be away before the job ends; five minutes, unless set. Zero
    /// means that the first failure ends it.
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }
}

impl<DB: Database, F> SqlSink<DB, F> {
    pub(super) fn label(&self) -> String {
        let TableName { schema, table } = &self.table;
        let schema = schema.as_ref().map_or(String::new(), |schema| format!("{schema}."));
        format!("{}:{schema}{table}", DB::KIND)
    }

    /// Opens a shard, having looked at the table.
    pub(super) fn open_shard<D>(
        &self,
        shard: usize,
        before: &[&str],
        encode: Encode<D>,
    ) -> Result<SqlWriter<DB, D>, SinkError> {
        let mut session = Session::new(self.database.clone(), self.patience);
        let what = format!("look at {}", self.table.quoted('`'));
        let found = session.attempt(&what, |connection| connection.describe(&self.table))?;
        let named = self.columns.as_deref();
        let layout = Layout::find(&self.table, before, named, &self.key, &found)
            .map_err(|why| SinkError::Invalid(format!("{why} (at {})", self.database.place())))?;
        let what = format!("write to {}", self.table.quoted('`'));
        session.attempt(&what, |connection| check(connection, &layout))?;
        let id = self.id.clone().unwrap_or_else(|| {
            let schema = self.table.schema.iter().map(|schema| format!("{schema}."));
            schema.chain([self.table.table.clone()]).collect()
        });
        let (shard, shards) = (shard as i64, self.shards as i64);
        let progress = Progress { id, shard, shards, generation: 0 };
        Ok(SqlWriter::new(session, layout, encode, progress))
    }
}
