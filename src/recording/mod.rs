//! What a source gave a job, batch by batch, in one file: to run it again on other workers, with
//! another strategy, or through another version of the program.
//!
//! ```text
//! magic                  "tidegate recording\n"
//! frame                  header, as JSON: version, workload, source, interval, type of rows
//! frame                  batch: id, time, offsets [from, to) and rows of each partition
//! ...
//! frame                  end: the number of batches and rows
//!
//! frame                  length (u32) | crc32c of the payload (u32) | payload
//! ```
//!
//! Why it can be trusted: a batch is written when the plan says that it is complete, each frame has
//! a checksum, and all of them are looked at before anything is replayed. A recording without its
//! end was cut off; batches before that, or before a frame that is damaged, can still be asked for.

mod format;
mod range;
mod recorder;
mod replay;
mod tape;

pub use format::{Header, RecordedBatch, RecordedPartition};
pub use range::BatchRange;
pub use recorder::{Recorder, Written};
pub use replay::replay;
pub use tape::Recording;

pub(crate) use tape::Rows;
