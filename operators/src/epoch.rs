//! Time and difference, as this crate sees them.

use differential_dataflow::lattice::Lattice;
use timely::order::TotalOrder;
use timely::progress::Timestamp;

/// How often a row came (positive) or went (negative).
pub type Diff = isize;

/// A timestamp of which any two can be compared: what batches are numbered with.
///
/// The operators of this crate apply batches in their order, which is what lets them keep state
/// in a hash index instead of a sorted trace. They are therefore not for the inside of an
/// `iterate` scope, whose times are only partly ordered.
///
/// ```
/// use tidegate_operators::Epoch;
///
/// fn latest<T: Epoch>(times: &[T]) -> Option<&T> {
///     times.iter().max()
/// }
/// assert_eq!(latest(&[3u64, 7, 5]), Some(&7));
/// ```
pub trait Epoch: Timestamp + TotalOrder + Lattice + Copy {}

impl<T: Timestamp + TotalOrder + Lattice + Copy> Epoch for T {}
