//! Rows that are only added.

use tidegate_operators::{Record, Tick};

use super::SqlSink;
use super::cells::Value;
use super::connection::Database;
use super::layout::Layout;
use super::writer::Work;
use crate::error::SinkError;
use crate::sink::{Delivery, Sink, Writer};

/// Each row is inserted, beside its batch.
#[derive(Clone, Copy, Debug)]
pub enum Append {}

/// The columns that say of which batch a row is.
const OF_BATCH: [&str; 2] = ["batch", "time_ms"];

impl<DB: Database, D: Record> Sink<D> for SqlSink<DB, Append> {
    fn name(&self) -> String {
        self.label()
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn shards(&self) -> usize {
        self.shards
    }

    fn open(&mut self, shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        Ok(Box::new(self.open_shard::<D>(shard, &OF_BATCH, encode)?))
    }
}

fn encode<D: Record>(layout: &Layout, tick: &Tick, rows: &[D]) -> Result<Work, SinkError> {
    let mut work = Work { came: (0..rows.len()).collect(), ..Work::default() };
    let of_batch = [Value::Integer(tick.id.into()), Value::from(tick.time_ms)];
    for row in rows {
        work.push(layout, &of_batch, row)?;
    }
    Ok(work)
}
