//! The engine: it builds a program's dataflow on every worker, cuts batches, and sees them
//! through until every sink has confirmed them.

pub(crate) mod build;
pub(crate) mod cluster;
mod conductor;
pub(crate) mod control;
mod dry;
pub(crate) mod handover;
mod job;
mod local;
mod manual;
mod opening;
mod pin;
pub(crate) mod registry;
mod rehearsal;
mod signals;
mod watchdog;
mod worker;

pub use job::{Job, Stopper, run, start};
pub use local::Local;
pub use manual::ManualClock;
pub use rehearsal::{OperatorReplay, Replayed, Restorable, check_restore, rehearse, verify_replay};

use std::any::Any;

/// The text of a panic, as far as it has one.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no text".to_owned(),
    }
}
