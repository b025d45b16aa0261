//! The keyed operators: each a [`BatchOperator`](crate::batched::BatchOperator) to be attached
//! behind [`combine`](crate::combine::combine) or [`ship`](crate::ship::ship), which bring all of
//! a key to one worker.

mod accumulate;
mod arranged;
mod cogroup;
mod count_window;
mod distinct;
mod enrich;
mod fold;
mod group;
mod map_with_state;
mod multisets;
#[cfg(test)]
pub(crate) mod oracle;
mod recency;
mod slide;
mod slide_merge;
mod slide_rows;
mod state;
mod top_k;
mod update_state;
mod upsert;

pub use accumulate::{Accumulate, Departed};
pub use arranged::{Summed, accumulate_arranged, reduce_arranged};
pub use cogroup::{CoGroup, Side};
pub use count_window::CountWindow;
pub use distinct::Distinct;
pub use enrich::Enrich;
pub use fold::{FoldByKey, FoldInOrder, FoldTotal};
pub use group::GroupByKey;
pub use map_with_state::{MapWithState, Mapped, ReplayMapWithState, StateSpec, Visit};
pub use multisets::Multisets;
pub use slide::Slide;
pub use slide_merge::SlideMerge;
pub use slide_rows::SlideRows;
pub use state::State;
pub use top_k::TopK;
pub use update_state::{ReplayState, Update, UpdateState};
pub use upsert::Upsert;
