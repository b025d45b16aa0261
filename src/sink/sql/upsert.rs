//! A database's table that equals a table.

use tidegate_operators::{Record, Tick, stable_hash};

use super::SqlSink;
use super::cells::{self, Value};
use super::connection::Database;
use super::layout::Layout;
use super::writer::Work;
use crate::error::SinkError;
use crate::sink::newest::{Newest, newest};
use crate::sink::{Delivery, Sink, Writer};
use crate::table::Change;

/// Rows replace those with their keys, and go when they go.
#[derive(Clone, Copy, Debug)]
pub enum Upsert {}

impl<DB> SqlSink<DB, Upsert> {
    /// Names the columns that tell all rows of the table apart. The database must have a unique
    /// index on them, best as the primary key.
    pub fn key<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.key = columns.into_iter().map(Into::into).collect();
        self
    }
}

impl<DB: Database, D: Record> Sink<Change<D>> for SqlSink<DB, Upsert> {
    fn name(&self) -> String {
        self.label()
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn shards(&self) -> usize {
        self.shards
    }

    /// By key, so that what came meets what went.
    fn shard_of(&self, change: &Change<D>) -> usize {
        let mut values = Vec::new();
        // A row that can't be taken apart is an error where it is written.
        if cells::append(&change.row, &mut values).is_err() {
            return 0;
        }
        let columns = self.columns.iter().flatten().zip(&values);
        let key = columns.filter(|(column, _)| self.key.contains(column)).map(|(_, value)| value);
        let key: Vec<&Value> = key.collect();
        (stable_hash(&key) % self.shards as u64) as usize
    }

    fn open(&mut self, shard: usize) -> Result<Box<dyn Writer<Change<D>>>, SinkError> {
        if self.key.is_empty() {
            return Err(SinkError::Invalid(
                "rows replace one another by a key: name its columns with `key`".into(),
            ));
        }
        if self.shards > 1 && self.columns.is_none() {
            return Err(SinkError::Invalid(
                "rows are dealt to several shards by key: name the columns with `columns`".into(),
            ));
        }
        Ok(Box::new(self.open_shard::<Change<D>>(shard, &[], encode)?))
    }
}

/// Keeps what becomes of each key: the row that came, or else that one went.
fn encode<D: Record>(
    layout: &Layout,
    _tick: &Tick,
    changes: &[Change<D>],
) -> Result<Work, SinkError> {
    let mut work = Work::default();
    for change in changes {
        work.push(layout, &[], &change.row)?;
    }
    let width = layout.columns.len();
    let mut keys = Vec::with_capacity(changes.len());
    for (change, row) in changes.iter().zip(work.values.chunks_exact(width)) {
        let key: Vec<&Value> = layout.key.iter().map(|index| &row[*index]).collect();
        if key.contains(&&Value::Null) {
            return Err(SinkError::Invalid(format!("a key is NULL: {:?}", change.row)));
        }
        keys.push(key);
    }
    let newest = newest(&keys, |change| changes[change].diff).map_err(|second| {
        SinkError::Invalid(format!(
            "there are two rows with one key, of which one is {:?}: take more columns into the key",
            changes[second].row
        ))
    })?;
    let (came, gone): (Vec<Newest>, _) = newest.into_iter().partition(|newest| newest.came);
    let numbers = |newest: Vec<Newest>| newest.into_iter().map(|newest| newest.change).collect();
    (work.gone, work.came) = (numbers(gone), numbers(came));
    Ok(work)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Column, TableName};
    use super::*;

    fn layout() -> Layout {
        let column = |name: &str| Column {
            name: name.into(),
            kind: "text".into(),
            needed: false,
            loose: None,
        };
        let columns = ["word", "count"].map(column).into();
        Layout { table: TableName::new("counts"), columns, key: vec![0] }
    }

    fn encoded(changes: &[(isize, Option<&str>, i64)]) -> Result<Work, SinkError> {
        let changes: Vec<Change<(Option<String>, i64)>> = changes
            .iter()
            .map(|(diff, word, count)| Change {
                diff: *diff,
                row: (word.map(str::to_owned), *count),
            })
            .collect();
        encode(&layout(), &Tick::default(), &changes)
    }

    #[test]
    fn what_came_replaces_what_went() {
        let a = Some("a");
        let work =
            encoded(&[(-1, a, 1), (1, a, 2), (-1, Some("b"), 1), (1, Some("c"), 1)]).unwrap();
        assert_eq!((work.gone, work.came), (vec![2], vec![1, 3]));
        assert_eq!(work.values.len(), 8);
    }

    #[test]
    fn a_key_has_one_row_and_is_no_null() {
        for changes in
            [[(1, Some("a"), 1), (1, Some("a"), 2)], [(1, Some("b"), 1), (2, Some("a"), 1)]]
        {
            let error = encoded(&changes).expect_err("two rows").to_string();
            assert!(error.contains("more columns"), "{error}");
        }
        assert!(encoded(&[(1, None, 1)]).expect_err("no key").to_string().contains("NULL"));
    }
}
