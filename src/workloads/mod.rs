//! Named programs, shared by the command line, the benchmarks and the tests.

mod clickstream;
mod windowed_wordcount;
mod wordcount;

pub use clickstream::{PageViews, clickstream};
pub use windowed_wordcount::windowed_wordcount;
pub use wordcount::{wordcount, words};
