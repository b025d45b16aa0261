//! Models that learn from a stream.

use tidegate_operators::learn::{self, Learner};
use tidegate_operators::{Chunks, Record};

use super::{DStream, RowOrder};
use crate::batch::{ChunkStream, chunkwise};
use crate::context::Context;
use crate::recovery::SavedRows;

/// What [`DStream::learn`] gives: the model after each batch.
pub struct Learned<'s, M> {
    ctx: Context<'s>,
    /// On every worker.
    models: ChunkStream<'s, M>,
}

impl<'s, D: Record> DStream<'s, D> {
    /// Makes a model a better one with the rows of each batch, beginning with `model`.
    ///
    /// The model is the same on all workers; where the learner's sums are exact it is also the
    /// same, to the last bit, on any number of workers and processes. It stays where it is in
    /// memory, whatever the [`Strategy`](crate::Strategy): to recompute it would be to go through
    /// all batches again.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Learner;
    ///
    /// /// Half of what it was, and half of the mean of the batch.
    /// struct Smoothed;
    /// impl Learner<i64> for Smoothed {
    ///     type Model = i64;
    ///     type Evidence = (i64, i64);
    ///     fn gather(&self, _: &i64, _round: u64, rows: &[i64]) -> (i64, i64) {
    ///         (rows.len() as i64, rows.iter().sum())
    ///     }
    ///     fn merge(&self, (rows, sum): &mut (i64, i64), (more, other): (i64, i64)) {
    ///         (*rows, *sum) = (*rows + more, *sum + other);
    ///     }
    ///     fn improve(&self, model: &mut i64, _round: u64, (rows, sum): (i64, i64)) -> bool {
    ///         *model = if rows > 0 { (*model + sum / rows) / 2 } else { *model };
    ///         false
    ///     }
    /// }
    ///
    /// let above = batches(vec![vec!["8", "8"], vec!["2", "6"], vec![]], |words| {
    ///     let numbers = words.flat_map(|word: String| word.parse::<i64>());
    ///     let smoothed = numbers.clone().learn(Smoothed, 0);
    ///     smoothed.beside(numbers, |number, level| number > *level)
    /// });
    /// // The level is 4 after each of the first two batches, and stays there.
    /// assert_eq!(above, [vec![true, true], vec![false, true], vec![]]);
    /// ```
    pub fn learn<L: Learner<D>>(self, learner: L, model: L::Model) -> Learned<'s, L::Model> {
        let ctx = self.ctx;
        let rows = SavedRows::of_one_thing();
        let (named, attachment) = ctx.named_attachment("learn", &self.options, rows);
        let learned = learn::learn(self.chunks, ctx.peers(), learner, model, attachment);
        Learned { ctx, models: ctx.settle(named, learned) }
    }
}

impl<'s, M: Record> Learned<'s, M> {
    /// The model after each batch, empty ones included.
    pub fn latest_model(&self) -> DStream<'s, M> {
        let peers = self.ctx.peers();
        let is_owner = peers.owner_of_key(&()) == peers.index();
        let models =
            chunkwise(
                self.models.clone(),
                "Latest",
                move |models| {
                    if is_owner { models } else { Chunks::new() }
                },
            );
        DStream::from_source(self.ctx, models).ordered_alone()
    }

    /// What `logic` makes of each row and the model as of the row's own batch: the one that has
    /// learned from that batch, too.
    pub fn beside<D: Record, E: Record>(
        &self,
        rows: DStream<'s, D>,
        logic: impl FnMut(D, &M) -> E + 'static,
    ) -> DStream<'s, E> {
        rows.map_beside(self.models.clone(), logic)
    }
}

impl<'s, M: Record> DStream<'s, M> {
    /// The same rows, which are all on one worker.
    fn ordered_alone(self) -> Self {
        self.ordered(self.chunks.clone(), RowOrder::in_one_place())
    }
}
