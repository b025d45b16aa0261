//! Tables that are read from outside the job.

use tidegate_operators::batched::{Batch, BatchOperator, Output, Route, Tap};
use tidegate_operators::{Chunks, Record};

use super::{Change, Table};
use crate::batch::BatchId;
use crate::dstream::DStream;
use crate::engine::build::Phase;
use crate::queryable::{Attended, Queryable};

impl<'s, K: Record + Sync, V: Record + Sync> Table<'s, (K, V)> {
    /// Lets `reader` read this table while the job runs, at each of its last batches, and follow
    /// its changes. A batch is complete when it can be read.
    ///
    /// ```
    /// use tidegate::source::Generator;
    /// use tidegate::{Config, Queryable, Trigger};
    ///
    /// let counts = Queryable::of_last(1);
    /// let table = counts.clone();
    /// let config = Config::new("count").workers(2).trigger(Trigger::AvailableNow);
    /// let summary = tidegate::run(config, move |ctx| {
    ///     let keys = ctx.source(Generator::uniform_keys(10, 7).records(1_000));
    ///     keys.running().count_by_value().queryable(&table);
    /// })
    /// .unwrap();
    /// let rows = counts.rows(summary.batches).unwrap();
    /// assert_eq!(rows.iter().map(|(_key, count)| count).sum::<i64>(), 1_000);
    /// ```
    pub fn queryable(self, reader: &Queryable<K, V>) {
        let (ctx, changes) = (self.ctx, self.changes());
        let is_run = matches!(ctx.build().phase, Phase::Real(_));
        let operator = RestoredFirst {
            restored: Vec::new(),
            slide: changes.slide,
            _attended: is_run.then(|| reader.attended()),
        };
        let chunks = ctx.attach_per_batch("Restored first", changes.chunks.clone(), operator);
        DStream { chunks, ..changes }.sink(reader.clone());
    }
}

/// Adds the contents with which a table is restored to its first batch, for a sink that has
/// nothing from an earlier run.
struct RestoredFirst<K, V> {
    restored: Vec<Chunks<Change<(K, V)>>>,
    slide: u64,
    /// While the job runs: an operator is dropped with it.
    _attended: Option<Attended<K, V>>,
}

impl<K: Record + Sync, V: Record + Sync> BatchOperator<BatchId> for RestoredFirst<K, V> {
    type Input = Chunks<Change<(K, V)>>;
    type Output = Chunks<Change<(K, V)>>;
    /// Derived from what makes the table: rebuilt, not saved.
    type Saved = ();

    fn close(
        &mut self,
        batch: Batch<BatchId>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        // Restored contents come at a time without a tick.
        if batch.tick.is_some_and(|tick| tick.covers_multiple_of(self.slide)) {
            self.restored.drain(..).chain(input).for_each(|chunks| output.give(chunks));
        } else {
            self.restored.extend(input);
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Tick;

    #[test]
    fn restored_contents_wait_for_the_first_batch_with_an_output() {
        let mut operator = RestoredFirst { restored: Vec::new(), slide: 2, _attended: None };
        let mut close = |id: BatchId, rows: &[char]| {
            let tick = Tick { id, previous: id.saturating_sub(1), ..Tick::default() };
            let batch = Batch { time: id, tick: (id > 0).then_some(tick) };
            let changes = rows.iter().map(|row| Change { diff: 1, row: (*row, ()) }).collect();
            let mut given = Vec::new();
            let mut give =
                |chunks: &mut Chunks<Change<(char, ())>>| given.push(std::mem::take(chunks));
            let input = vec![Chunks::loose(changes)];
            operator.close(batch, input, &mut Output::new(&mut give), &mut Tap::new(false));
            let rows = given.into_iter().flat_map(Chunks::into_rows);
            rows.map(|change| change.row.0).collect::<String>()
        };
        assert_eq!(close(0, &['a', 'b']), "");
        assert_eq!(close(1, &[]), "");
        assert_eq!(close(2, &['c']), "abc");
        assert_eq!(close(4, &['d']), "d");
    }
}
