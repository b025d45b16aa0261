//! Down to timely, and up again.

use tidegate_operators::{Record, interop};

use super::DStream;
use crate::batch::{ChunkStream, RowStream};

impl<'s, D: Record> DStream<'s, D> {
    /// The timely stream of this stream's rows, in no particular order. Come up again with
    /// [`Context::dstream`](crate::Context::dstream) or [`Context::table`](crate::Context::table).
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate_operators::interop;
    /// use timely::dataflow::operators::vec::Map;
    ///
    /// let loud = batches(vec![vec!["tide"]], |words| {
    ///     let ctx = words.context();
    ///     let rows = words.into_rows().map(|word| word.to_uppercase());
    ///     ctx.dstream(interop::chunked(rows))
    /// });
    /// assert_eq!(loud, [["TIDE"]]);
    /// ```
    pub fn into_rows(self) -> RowStream<'s, D> {
        interop::rows(self.chunks)
    }

    /// The timely stream of this stream's chunks: rows with the tags that put them in order.
    pub fn into_chunks(self) -> ChunkStream<'s, D> {
        self.tagged().chunks
    }

    /// The context in which this stream was made.
    pub fn context(&self) -> crate::Context<'s> {
        self.ctx
    }
}
