//! A user's process by key: state of several kinds, which may expire, and timers.

mod due;
mod key_state;
mod life;
mod list_state;
mod map_state;
mod operator;
#[cfg(test)]
mod tests;
mod turn;
mod value_state;

pub use key_state::KeyState;
pub use list_state::ListState;
pub use map_state::MapState;
pub use operator::ProcessByKey;
pub use turn::{Process, Timer, Turn};
pub use value_state::ValueState;
