//! A user's process by key: state of several kinds, which may expire, and timers.

mod cells;
mod due;
mod operator;
mod turn;

pub use cells::{KeyState, ListState, MapState, ValueState};
pub use operator::ProcessByKey;
pub use turn::{Process, Timer, Turn};
