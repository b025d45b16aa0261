//! Which rows can be read in place.

use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64,
};
use std::time::Duration;

use abomonation::Abomonation;

/// A row whose owned bytes may lie anywhere: numbers, text, bytes, and tuples, arrays and options
/// of these.
///
/// Abomonation puts what a value owns right behind what comes before it, at whatever address that
/// is, and makes a reference to it there; for a `Vec<u64>` behind a text of three letters that is a
/// misaligned reference, which is undefined behaviour with honest peers too. So rows must own
/// nothing whose alignment is more than 1.
///
/// # Safety
///
/// Implement it for a type of one's own only if everything that it owns beside itself (what its
/// [`Abomonation::entomb`] writes) has alignment 1, and if its `Abomonation` follows the pattern of
/// that crate: `exhume` sets every pointer of the value, and reads what `entomb` wrote.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tidegate_abomonation::{AbomonationCodec, Flat, abomonation::Abomonation};
/// use tidegate_operators::codec::Codec;
///
/// #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
/// struct Click {
///     user: u64,
///     page: String,
/// }
///
/// impl Abomonation for Click {
///     unsafe fn entomb<W: std::io::Write>(&self, write: &mut W) -> std::io::Result<()> {
///         // SAFETY: as the caller's.
///         unsafe { self.page.entomb(write) }
///     }
///     unsafe fn exhume<'b>(&mut self, bytes: &'b mut [u8]) -> Option<&'b mut [u8]> {
///         // SAFETY: as the caller's.
///         unsafe { self.page.exhume(bytes) }
///     }
/// }
///
/// // SAFETY: a click owns nothing but text.
/// unsafe impl Flat for Click {}
///
/// let (clicks, mut bytes) = (vec![Click { user: 7, page: "/tide".into() }], Vec::new());
/// AbomonationCodec.encode(&clicks, &mut bytes);
/// assert_eq!(Codec::<Click>::decode(&AbomonationCodec, &bytes).unwrap(), clicks);
/// ```
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` can't travel by abomonation",
    note = "numbers, `String`, `Vec<u8>`, and tuples, arrays and options of these can; all others \
            keep the default codec"
)]
pub unsafe trait Flat: Abomonation {}

macro_rules! flat {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: it owns nothing, or bytes.
        unsafe impl Flat for $type {}
    )*};
}

flat!(
    (),
    bool,
    char,
    Duration,
    String,
    Vec<u8>,
    Vec<i8>,
    Vec<bool>,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    NonZeroI8,
    NonZeroI16,
    NonZeroI32,
    NonZeroI64,
    NonZeroU8,
    NonZeroU16,
    NonZeroU32,
    NonZeroU64,
);

// SAFETY: it owns what its content owns.
unsafe impl<D: Flat> Flat for Option<D> {}

// SAFETY: they own what their content owns.
unsafe impl<D: Flat, const N: usize> Flat for [D; N] where [D; N]: Abomonation {}

macro_rules! flat_tuples {
    ($(($($name:ident),+)),* $(,)?) => {$(
        // SAFETY: it owns what its parts own.
        unsafe impl<$($name: Flat),+> Flat for ($($name,)+) {}
    )*};
}

flat_tuples!(
    (A),
    (A, B),
    (A, B, C),
    (A, B, C, D),
    (A, B, C, D, E),
    (A, B, C, D, E, F),
    (A, B, C, D, E, F, G),
    (A, B, C, D, E, F, G, H),
);
