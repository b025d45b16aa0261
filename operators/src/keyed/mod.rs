//! The keyed operators: each a [`BatchOperator`](crate::batched::BatchOperator) to be attached
//! behind [`combine`](crate::combine::combine) or [`ship`](crate::ship::ship), which bring all of
//! a key to one worker.

mod accumulate;
mod all_rows;
mod arranged;
mod cogroup;
mod count_window;
mod distinct;
mod enrich;
mod fold;
mod group;
mod history;
mod latest;
mod map_with_state;
mod mapped;
mod multisets;
#[cfg(test)]
pub(crate) mod oracle;
mod process;
mod recency;
mod refold_partials;
mod refold_rows;
mod replay_map_with_state;
mod replay_state;
mod slide;
mod slide_merge;
mod slide_rows;
mod state;
mod state_spec;
mod top_k;
mod update_state;
mod upsert;
mod visits;

pub use accumulate::{Accumulate, Departed};
pub use all_rows::AllRows;
pub use arranged::{Held, Reduced, accumulate_arranged, reduce_arranged};
pub use cogroup::{CoGroup, Side};
pub use count_window::CountWindow;
pub use distinct::Distinct;
pub use enrich::Enrich;
pub use fold::{FoldByKey, FoldInOrder, FoldTotal};
pub use group::GroupByKey;
pub use map_with_state::MapWithState;
pub use mapped::Mapped;
pub use multisets::Multisets;
pub use process::{KeyState, ListState, MapState, Process, ProcessByKey, Timer, Turn, ValueState};
pub use refold_partials::RefoldPartials;
pub use refold_rows::RefoldRows;
pub use replay_map_with_state::ReplayMapWithState;
pub use replay_state::ReplayState;
pub use slide::Slide;
pub use slide_merge::SlideMerge;
pub use slide_rows::SlideRows;
pub use state::State;
pub use state_spec::StateSpec;
pub use top_k::TopK;
pub use update_state::{Update, UpdateState};
pub use upsert::Upsert;
pub use visits::Visit;
