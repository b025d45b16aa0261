//! How far a sink's shard has come, noted in the database itself, in the same transaction as the
//! rows.

use super::cells::Value;
use super::connection::{Connection, Fault};

/// Where it is noted.
const TABLE: &str = "tidegate_progress";

/// The place of a shard in the table, and who writes there.
pub(super) struct Progress {
    /// The sink's own name in the table.
    pub(super) id: String,
    pub(super) shard: i64,
    pub(super) shards: i64,
    pub(super) generation: i64,
}

/// A line of the table.
struct Line {
    generation: i64,
    batch: i64,
}

impl Progress {
    /// Keeps earlier starts from writing, and gives the last batch that any of them has written.
    /// Tried again, it may find that it has been here before.
    pub(super) fn claim(
        &self,
        connection: &mut impl Connection,
        is_again: bool,
    ) -> Result<u64, Fault> {
        // A right to create tables is needed only where this one is missing.
        let shards = format!("SELECT shards FROM {TABLE} WHERE sink = ?");
        let parameters = [Value::from(&*self.id)];
        let others = match connection.numbers(&shards, &parameters) {
            Err(Fault::Lasting(_)) => {
                create(connection)?;
                connection.numbers(&shards, &parameters)?
            }
            found => found?,
        };
        if let Some(other) = others.iter().map(|row| row[0]).find(|other| *other != self.shards) {
            return Err(Fault::Invalid(format!(
                "`{}` was written in {other} shards before, and is now to be written in {}: keep \
                 their number, or begin anew with another id and an empty table",
                self.id, self.shards
            )));
        }
        let ([sink, shard], generation) = (self.place(), Value::from(self.generation));
        match self.line(connection)? {
            None => {
                let insert = format!(
                    "INSERT INTO {TABLE} (sink, shard, shards, generation, batch) \
                     VALUES (?, ?, ?, ?, 0)"
                );
                connection.execute(&insert, &[sink, shard, self.shards.into(), generation])?;
            }
            Some(line) if line.generation == self.generation && !is_again => {
                return Err(Fault::Invalid(format!(
                    "another sink of this job writes as `{}`, too: give each an id of its own",
                    self.id
                )));
            }
            Some(_) => {
                let fence = format!(
                    "UPDATE {TABLE} SET generation = ? \
                     WHERE sink = ? AND shard = ? AND generation <= ?"
                );
                connection.execute(&fence, &[generation.clone(), sink, shard, generation])?;
            }
        }
        match self.line(connection)? {
            Some(line) if line.generation == self.generation => Ok(line.batch as u64),
            line => Err(self.refused(line)),
        }
    }

    /// Notes a batch in the transaction that is open; `false`, if it has been written before.
    pub(super) fn advance(
        &self,
        connection: &mut impl Connection,
        batch: u64,
    ) -> Result<bool, Fault> {
        let batch = batch as i64;
        let note = format!(
            "UPDATE {TABLE} SET generation = ?, batch = ? \
             WHERE sink = ? AND shard = ? AND generation <= ? AND batch < ?"
        );
        let ([sink, shard], generation) = (self.place(), Value::from(self.generation));
        let parameters = [generation.clone(), batch.into(), sink, shard, generation, batch.into()];
        if connection.execute(&note, &parameters)? == 1 {
            return Ok(true);
        }
        match self.line(connection)? {
            Some(line) if line.generation <= self.generation && line.batch >= batch => Ok(false),
            line => Err(self.refused(line)),
        }
    }

    fn place(&self) -> [Value; 2] {
        [Value::from(&*self.id), Value::from(self.shard)]
    }

    fn line(&self, connection: &mut impl Connection) -> Result<Option<Line>, Fault> {
        let query = format!("SELECT generation, batch FROM {TABLE} WHERE sink = ? AND shard = ?");
        let rows = connection.numbers(&query, &self.place())?;
        Ok(rows.first().map(|row| Line { generation: row[0], batch: row[1] }))
    }

    fn refused(&self, line: Option<Line>) -> Fault {
        let (id, generation) = (&self.id, self.generation);
        Fault::Invalid(match line {
            Some(line) => format!(
                "start {generation} of this job may not write `{id}` any more, since start {} does: \
                 only one may run; if the checkpoints are other ones, begin anew with another id and \
                 an empty table",
                line.generation
            ),
            None => format!("the line of `{id}` has gone from {TABLE}: bring it back"),
        })
    }
}

fn create<C: Connection>(connection: &mut C) -> Result<(), Fault> {
    connection.run(&format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (sink {} NOT NULL, shard BIGINT NOT NULL, \
         shards BIGINT NOT NULL, generation BIGINT NOT NULL, batch BIGINT NOT NULL, \
         PRIMARY KEY (sink, shard)){}",
        C::NAME_TYPE,
        C::TABLE_OPTIONS
    ))
}
