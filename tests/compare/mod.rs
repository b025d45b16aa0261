//! Recordings, replays, and comparisons of one program with itself.
//!
//! Catches a replay that is not what was recorded: other rows, other batches, other times, on any
//! number of workers; damage that goes unnoticed; a difference between modes that is not found, or
//! is told of the wrong batch; a page that needs more than itself. Can't catch a figure that is
//! wrong: only what it is a figure of.

mod modes;
mod pages;
mod recordings;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [recordings::trials(), modes::trials(), pages::trials()].into_iter().flatten().collect()
}
