//! Abomonation as a wire format between the processes of a job: rows are written as they lie in
//! memory, and read by casting the bytes back.
//!
//! # Unsound on hostile bytes
//!
//! **For benchmarks on networks where every byte can be trusted, and for nothing else.** The
//! `abomonation` crate is unsound ([RUSTSEC-2021-0120]): bytes that no honest peer wrote become
//! invalid values (a `bool` of 2, text that is no UTF-8, a variant that does not exist), which is
//! undefined behaviour and as good as letting the sender run code. Even with honest peers the
//! padding between fields is sent, which is uninitialised memory: formally undefined behaviour as
//! well, and a leak of whatever lay there. This codec can't mend that; what it can check, it checks:
//! that both sides agree on a row's size and alignment, that no length exceeds the bytes that are
//! there, that none are left over, and that values are aligned where they lie.
//!
//! It is never used for anything that is read back from disk, since it has no format that would
//! outlive the program: both sides must be *the same build* on the same kind of machine.
//!
//! # Use
//!
//! Register it for the row types that travel; all others keep serde:
//!
//! ```
//! use std::sync::Arc;
//! use tidegate_abomonation::AbomonationCodec;
//! use tidegate_operators::codec::Codecs;
//!
//! let mut codecs = Codecs::default();
//! codecs.register::<(String, i64)>(Arc::new(AbomonationCodec));
//!
//! let codec = codecs.get::<(String, i64)>();
//! let rows = vec![("tide".to_string(), 3), ("gate".to_string(), 4)];
//! let mut bytes = Vec::new();
//! codec.encode(&rows, &mut bytes);
//! assert_eq!(codec.decode(&bytes).unwrap(), rows);
//! assert!(codec.decode(&bytes[..bytes.len() - 1]).is_err());
//! ```
//!
//! What travels of an aggregate by key are not the stream's own rows but tallies, `(key, records,
//! accumulator)`: for a count by word, register `(String, i64, ())` or whatever its accumulator is.
//!
//! [RUSTSEC-2021-0120]: https://rustsec.org/advisories/RUSTSEC-2021-0120.html

mod aligned;
mod flat;

use tidegate_operators::Record;
use tidegate_operators::codec::{Codec, DecodeError};

pub use abomonation;
pub use flat::Flat;

use aligned::AlignedBytes;

/// Rows as they lie in memory. See the [crate's documentation](crate) for what it may be used for.
///
/// On the wire: the number of rows, a row's size and alignment (eight bytes each, little-endian),
/// the rows as they lie in memory, and then what they own beside themselves, row by row.
#[derive(Clone, Copy, Debug, Default)]
pub struct AbomonationCodec;

const HEADER: usize = 24;

impl<D: Record + Flat> Codec<D> for AbomonationCodec {
    fn name(&self) -> &'static str {
        "abomonation"
    }

    fn encode(&self, rows: &[D], out: &mut Vec<u8>) {
        for word in [rows.len(), size_of::<D>(), align_of::<D>()] {
            out.extend((word as u64).to_le_bytes());
        }
        let length = size_of_val(rows);
        out.reserve(length);
        // SAFETY: the two don't overlap, since `out` is borrowed exclusively; `length` bytes of
        // `rows` can be read, and as many have just been reserved behind the end of `out`. Padding
        // makes some of them uninitialised: see the crate's documentation.
        unsafe {
            let end = out.as_mut_ptr().add(out.len());
            std::ptr::copy_nonoverlapping(rows.as_ptr().cast::<u8>(), end, length);
            out.set_len(out.len() + length);
        }
        for row in rows {
            // SAFETY: writing a value's owned bytes asks nothing of the caller; it is reading them
            // that does.
            let written = unsafe { row.entomb(out) };
            written.expect("writing to a vector can't fail");
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<D>, DecodeError> {
        let refuse = |reason: String| DecodeError::of::<D>(Codec::<D>::name(self), reason);
        let (header, body) = bytes
            .split_at_checked(HEADER)
            .ok_or_else(|| refuse(format!("{} bytes are no header", bytes.len())))?;
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&header[8 * index..8 * index + 8]);
            u64::from_le_bytes(word)
        };
        let (count, size, align) = (word(0), word(1), word(2));
        if (size, align) != (size_of::<D>() as u64, align_of::<D>() as u64) {
            return Err(refuse(format!(
                "rows of {size} bytes aligned to {align}, not of {} aligned to {}: both sides must \
                 be the same build",
                size_of::<D>(),
                align_of::<D>()
            )));
        }
        let length = count.checked_mul(size).filter(|length| *length <= body.len() as u64);
        let (Some(length), Ok(count)) = (length, usize::try_from(count)) else {
            return Err(refuse(format!("{count} rows don't fit in {} bytes", body.len())));
        };

        // The bytes are somewhere in a message: they are copied to where a row may lie.
        let mut buffer = AlignedBytes::new(body, align_of::<D>());
        let (values, mut rest) = buffer.as_mut_slice().split_at_mut(length as usize);
        let first = values.as_mut_ptr().cast::<D>();
        let mut rows = Vec::with_capacity(count);
        for index in 0..count {
            // SAFETY: `values` holds `count` rows and is aligned for them. That its bytes are valid
            // rows is what the peer is trusted with: see the crate's documentation. The row refers
            // to the buffer once it is exhumed, and is never dropped: only its clone leaves.
            let row = unsafe { &mut *first.add(index) };
            // SAFETY: as above; what a flat row owns has no alignment to violate.
            rest = unsafe { row.exhume(rest) }.ok_or_else(|| {
                refuse(format!("row {index} of {count} owns more bytes than there are"))
            })?;
            rows.push(row.clone());
        }
        if !rest.is_empty() {
            return Err(refuse(format!("{} bytes behind the last row", rest.len())));
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<D: Record + Flat>(rows: &[D]) -> Vec<u8> {
        let mut bytes = Vec::new();
        AbomonationCodec.encode(rows, &mut bytes);
        bytes
    }

    fn decode<D: Record + Flat>(bytes: &[u8]) -> Result<Vec<D>, DecodeError> {
        AbomonationCodec.decode(bytes)
    }

    fn comes_back<D: Record + Flat>(rows: &[D]) {
        let bytes = bytes_of(rows);
        // Wherever the bytes happen to lie.
        for shift in 0..16 {
            let mut shifted = vec![0xAB; shift];
            shifted.extend(&bytes);
            assert_eq!(decode::<D>(&shifted[shift..]).expect("honest bytes"), rows);
        }
    }

    #[test]
    fn rows_come_back_whatever_they_are_and_wherever_their_bytes_lie() {
        comes_back::<u64>(&[]);
        comes_back(&[1u64, u64::MAX, 3]);
        comes_back(&[(1u8, -5i64, 'x'), (2, 7, 'ü')]);
        comes_back(&[(), (), ()]);
        comes_back(&[i128::MIN, 5]);
        let text = |n: usize| "tide gate ebb".repeat(n);
        comes_back(&[text(0), text(1), text(100)]);
        let row = |n: usize| ((n as u64, text(n)), n as i64, Some(vec![n as u8; n % 7]));
        comes_back(&(0..50).map(row).collect::<Vec<_>>());
        comes_back(&[None, Some((text(3), [1u16, 2, 3])), Some((text(0), [0; 3]))]);
    }

    /// Two workers of one process, each of which takes the other for one of another process.
    #[test]
    fn rows_are_shipped_by_the_registered_codec() {
        use std::sync::Arc;
        use tidegate_operators::codec::Codecs;
        use tidegate_operators::{Peers, interop, ship};
        use timely::dataflow::operators::ToStream;
        use timely::dataflow::operators::capture::{Capture, Extract};

        let shipped = timely::execute(timely::Config::process(2), |worker| {
            worker.dataflow::<u64, _, _>(|scope| {
                let mut codecs = Codecs::default();
                codecs.register::<(String, u64)>(Arc::new(AbomonationCodec));
                let (index, count) = (scope.index(), scope.peers());
                let peers = Peers::new(index, count, 1, codecs);
                let from = index as u64;
                let rows = (0..100).map(move |n| (format!("row {n}"), from)).to_stream(scope);
                let owners = peers.clone();
                let shipped = ship::ship(interop::chunked(rows), &peers, "rows", move |row| {
                    owners.owner_of_key(&row.0)
                });
                interop::rows(shipped).capture()
            })
        });
        let captured = shipped.expect("two workers").join().into_iter();
        let mut rows: Vec<(String, u64)> = captured
            .flat_map(|rows| rows.expect("no worker panics").extract())
            .flat_map(|(_, rows)| rows)
            .collect();
        rows.sort();
        let from = |worker| (0..100).map(move |n| (format!("row {n}"), worker));
        let mut expected: Vec<_> = from(0).chain(from(1)).collect();
        expected.sort();
        assert_eq!(rows, expected);
    }

    #[test]
    fn encoding_appends() {
        let mut bytes = vec![1, 2, 3];
        AbomonationCodec.encode(&[5u32], &mut bytes);
        assert_eq!(bytes[..3], [1, 2, 3]);
        assert_eq!(decode::<u32>(&bytes[3..]).expect("honest bytes"), [5]);
    }

    #[test]
    fn bytes_that_are_cut_short_anywhere_are_an_error() {
        let rows = vec![("tide".to_string(), 3i64), ("gate".to_string(), 4)];
        let bytes = bytes_of(&rows);
        for end in 0..bytes.len() {
            let error = decode::<(String, i64)>(&bytes[..end]).expect_err("cut short").to_string();
            assert!(error.contains("abomonation"), "{error}");
        }
    }

    #[test]
    fn bytes_left_over_are_an_error() {
        let mut bytes = bytes_of(&[1u32]);
        bytes.push(0);
        let error = decode::<u32>(&bytes).expect_err("a byte too many").to_string();
        assert!(error.contains("1 bytes behind the last row"), "{error}");
    }

    #[test]
    fn rows_of_another_size_or_alignment_are_an_error() {
        let bytes = bytes_of(&[[1u8; 8]]);
        let error = decode::<u64>(&bytes).expect_err("another alignment").to_string();
        assert!(error.contains("same build"), "{error}");
        assert!(decode::<u32>(&bytes).is_err());
    }

    #[test]
    fn impossible_counts_are_an_error() {
        for count in [2, u64::MAX / 8, u64::MAX] {
            let mut bytes = bytes_of(&[1u64]);
            bytes[..8].copy_from_slice(&count.to_le_bytes());
            assert!(decode::<u64>(&bytes).is_err(), "{count}");
        }
    }
}
