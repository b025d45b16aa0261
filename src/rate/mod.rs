//! Rate control: how many records a batch takes, so that it is done before the next one is due.
//!
//! A [`RateEstimator`] says what rate the job can bear, from what each batch took and how long;
//! [`RateControl`] deals that rate out to a source's partitions by how far each is behind, and
//! caps it. Worker 0 keeps an estimator for each source; the limits go to all workers with the
//! tick. They decide where one batch ends and the next begins, which the plan records, and nothing
//! else.

mod control;
mod controller;
mod limits;
mod pid;

pub use control::{Backlog, RateControl};
pub use pid::{BatchTiming, Pid, PidEstimator, RateEstimator};

pub(crate) use controller::{Controller, Lag};
pub(crate) use limits::{LimitedTick, Limits};
