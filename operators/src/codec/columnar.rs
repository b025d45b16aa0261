//! Columns as a wire format: all values of a field side by side.

use std::panic::{AssertUnwindSafe, catch_unwind};

use columnar::bytes::indexed::{self, DecodedStore};
use columnar::{Borrow, BorrowedOf, Columnar, FromBytes, Index, Len};

use super::{Codec, DecodeError};
use crate::Record;

/// Rows field by field, with the `columnar` crate that timely is built on: for rows of numbers, text and
/// what is made of these (`#[derive(Columnar)]` for one's own).
///
/// Writing and reading go over each column by itself, without looking at each number's size; in return
/// a number takes as many bytes as in memory. What was received is checked: slices that are not in the
/// bytes, and text that is no UTF-8, are errors. What can't be checked is how long a list in a row
/// (`Vec<u32>`) says it is: a peer that lies there ends the process. Both sides must have the same byte
/// order.
///
/// ```
/// use std::sync::Arc;
/// use tidegate_operators::codec::{Codec, Codecs, ColumnarCodec};
///
/// let mut codecs = Codecs::default();
/// codecs.register::<(String, i64)>(Arc::new(ColumnarCodec));
///
/// let codec = codecs.get::<(String, i64)>();
/// let (rows, mut bytes) = (vec![("tide".to_string(), 3), ("gate".to_string(), 4)], Vec::new());
/// codec.encode(&rows, &mut bytes);
/// assert_eq!(codec.decode(&bytes).unwrap(), rows);
/// assert!(codec.decode(&bytes[8..]).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ColumnarCodec;

impl<D: Record + Columnar> Codec<D> for ColumnarCodec {
    fn name(&self) -> &'static str {
        "columnar"
    }

    fn encode(&self, rows: &[D], out: &mut Vec<u8>) {
        // Of rows without any content nothing would be there to be counted, or to be checked.
        const { assert!(size_of::<D>() > 0, "rows that have a content") };
        let (columns, mut words) = (D::as_columns(rows), Vec::new());
        indexed::encode(&mut words, &columns.borrow());
        out.reserve(words.len() * 8);
        out.extend(words.into_iter().flat_map(u64::to_ne_bytes));
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<D>, DecodeError> {
        let refuse = |reason: &str| DecodeError::of::<D>(Codec::<D>::name(self), reason);
        let (words, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(refuse(&format!("{} bytes behind the last word", rest.len())));
        }
        let words: Vec<u64> = words.iter().copied().map(u64::from_ne_bytes).collect();
        indexed::validate::<BorrowedOf<'_, D>>(&words).map_err(|reason| refuse(&reason))?;
        let columns = BorrowedOf::<'_, D>::from_store(&DecodedStore::new(&words), &mut 0);
        // No row takes less than a bit.
        if columns.len() > bytes.len() * 8 {
            return Err(refuse(&format!("{} rows in {} bytes", columns.len(), bytes.len())));
        }
        // What is in the columns, `columnar` checks as it reads it, and panics.
        let rows = AssertUnwindSafe(|| {
            (0..columns.len()).map(|row| D::into_owned(columns.get(row))).collect()
        });
        catch_unwind(rows).map_err(|_| refuse("a row's bounds or text are none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, (String, Option<i64>), (bool, i16));

    fn rows() -> Vec<Row> {
        let row = |n: u64| {
            let text = "é".repeat(n as usize % 5);
            (n, (text, n.is_multiple_of(3).then_some(-(n as i64))), (n > 50, n as i16))
        };
        (0..100).map(row).collect()
    }

    #[test]
    fn rows_come_back() {
        for rows in [rows(), Vec::new()] {
            let mut bytes = Vec::new();
            ColumnarCodec.encode(&rows, &mut bytes);
            assert_eq!(Codec::<Row>::decode(&ColumnarCodec, &bytes).unwrap(), rows);
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_other_rows() {
        let mut whole = Vec::new();
        ColumnarCodec.encode(&rows(), &mut whole);
        let decode = |bytes: &[u8]| Codec::<Row>::decode(&ColumnarCodec, bytes);
        let mut refused = 0;
        for place in 0..whole.len() {
            refused += usize::from(decode(&whole[..place]).is_err());
            let mut bytes = whole.clone();
            bytes[place] ^= 0x80;
            refused += usize::from(decode(&bytes).is_err());
        }
        assert!(refused > whole.len(), "{refused} of {}", 2 * whole.len());
    }
}
