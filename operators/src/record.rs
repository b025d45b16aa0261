//! What a row must be able to do to travel through a dataflow.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

/// A row: it can be copied, put in order, shown, sent to another worker and written down.
///
/// Every type with these abilities is a record; nothing needs to be implemented by hand.
/// Floats have no total order: wrap them in [`OrderedFloat`](ordered_float::OrderedFloat).
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tidegate_operators::Record;
///
/// #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
/// struct Click {
///     user: u64,
///     page: String,
/// }
///
/// fn is_record<D: Record>() -> bool {
///     true
/// }
/// assert!(is_record::<Click>());
/// assert!(is_record::<(String, Vec<i64>)>());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a row of a Tidegate dataflow",
    label = "not a record",
    note = "a record is `Clone + Ord + Debug + Serialize + Deserialize + Send + 'static`: derive \
            `Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize`",
    note = "floats have no total order: use `ordered_float::OrderedFloat<f64>`"
)]
pub trait Record: Clone + Ord + Debug + Serialize + DeserializeOwned + Send + 'static {}

impl<D> Record for D where D: Clone + Ord + Debug + Serialize + DeserializeOwned + Send + 'static {}
