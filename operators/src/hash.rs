//! A hash that never changes: the same on every machine, in every process and version.
//!
//! Key groups, Kafka partitions and checkpoint files are laid out by it, so it can't be
//! `std::hash::Hash`, whose input (lengths as `usize`, native byte order, discriminants) is not
//! specified. Instead a value is *serialised into* the hasher: serde's data model is what is
//! hashed. For an integer or a string this compiles to the same few instructions as an ordinary
//! hasher; all integer widths of one value hash alike, so a key may be widened later.
//!
//! Integers are mixed by a folded multiply (the product's halves, xored), strings and byte
//! strings by XXH3-64.

use std::fmt;

use serde::ser::{self, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const MULTIPLIER: u64 = 0xD6E8_FEB8_6659_FD93;
const FINISH: u64 = 0xA076_1D64_78BD_642F;

/// The stable 64-bit hash of a value.
///
/// # Panics
///
/// If the value's `Serialize` implementation itself reports an error.
///
/// ```
/// use tidegate_operators::stable_hash;
///
/// assert_eq!(stable_hash(&7u8), stable_hash(&7i64));
/// assert_ne!(stable_hash(&("a", 1)), stable_hash(&("a", 2)));
/// assert_ne!(stable_hash(&("ab", "c")), stable_hash(&("a", "bc")));
/// // Written down in data that outlives the program: this number must never change.
/// assert_eq!(stable_hash(&"page-17"), 238_747_026_628_968_739);
/// ```
#[inline]
pub fn stable_hash<D: Serialize + ?Sized>(value: &D) -> u64 {
    let mut hasher = StableHasher { state: SEED };
    match value.serialize(&mut hasher) {
        Ok(()) => fold(hasher.state, FINISH),
        Err(Refused(reason)) => panic!("a key can't be hashed: its Serialize says: {reason}"),
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

struct StableHasher {
    state: u64,
}

impl StableHasher {
    #[inline(always)]
    fn mix(&mut self, word: u64) {
        self.state = fold(self.state ^ word, MULTIPLIER);
    }

    #[inline(always)]
    fn mix_bytes(&mut self, bytes: &[u8]) {
        self.state = xxh3_64_with_seed(bytes, self.state);
    }
}

/// The only way serialising into a hasher can fail: the value's own implementation refuses.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Refused(message.to_string())
    }
}

macro_rules! mix_as_word {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        #[inline(always)]
        fn $name(self, value: $type) -> Result<(), Refused> {
            self.mix(value as u64);
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for &'a mut StableHasher {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Counted<'a>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Counted<'a>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    mix_as_word!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_char: char,
    );

    #[inline]
    fn serialize_i128(self, value: i128) -> Result<(), Refused> {
        self.serialize_u128(value as u128)
    }

    #[inline]
    fn serialize_u128(self, value: u128) -> Result<(), Refused> {
        self.mix(value as u64);
        self.mix((value >> 64) as u64);
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.serialize_f64(f64::from(value))
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        // Values that compare equal must hash equal: one zero, one NaN.
        let value = if value == 0.0 {
            0.0
        } else if value.is_nan() {
            f64::NAN
        } else {
            value
        };
        self.mix(value.to_bits());
        Ok(())
    }

    #[inline(always)]
    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.mix_bytes(value.as_bytes());
        Ok(())
    }

    #[inline(always)]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        self.mix_bytes(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Refused> {
        self.mix(0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.mix(1);
        value.serialize(self)
    }

    #[inline(always)]
    fn serialize_unit(self) -> Result<(), Refused> {
        self.mix(2);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Refused> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Result<(), Refused> {
        self.mix(u64::from(index));
        Ok(())
    }

    #[inline(always)]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.mix(u64::from(index));
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Result<Counted<'a>, Refused> {
        Ok(Counted { hasher: self, length: 0 })
    }

    #[inline(always)]
    fn serialize_tuple(self, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        self.mix(u64::from(index));
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, _len: Option<usize>) -> Result<Counted<'a>, Refused> {
        Ok(Counted { hasher: self, length: 0 })
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        self.mix(u64::from(index));
        Ok(self)
    }
}

/// Sequences and maps: the number of elements is mixed in at the end, so that nesting counts.
struct Counted<'a> {
    hasher: &'a mut StableHasher,
    length: u64,
}

impl ser::SerializeSeq for Counted<'_> {
    type Ok = ();
    type Error = Refused;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.length += 1;
        value.serialize(&mut *self.hasher)
    }

    #[inline]
    fn end(self) -> Result<(), Refused> {
        self.hasher.mix(self.length);
        Ok(())
    }
}

impl ser::SerializeMap for Counted<'_> {
    type Ok = ();
    type Error = Refused;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.length += 1;
        key.serialize(&mut *self.hasher)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut *self.hasher)
    }

    #[inline]
    fn end(self) -> Result<(), Refused> {
        self.hasher.mix(self.length);
        Ok(())
    }
}

/// Compounds of known shape: the fields, one after the other.
macro_rules! in_sequence {
    ($($trait:ident::$method:ident($($name:ident)?)),* $(,)?) => {$(
        impl ser::$trait for &mut StableHasher {
            type Ok = ();
            type Error = Refused;

            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Result<(), Refused> {
                $(let _ = $name;)?
                value.serialize(&mut **self)
            }

            #[inline(always)]
            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )*};
}

in_sequence!(
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(key),
    SerializeStructVariant::serialize_field(key),
);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    #[test]
    fn nesting_is_part_of_the_hash() {
        let flat: Vec<Vec<u8>> = vec![vec![1, 2], vec![3]];
        let other: Vec<Vec<u8>> = vec![vec![1], vec![2, 3]];
        assert_ne!(stable_hash(&flat), stable_hash(&other));
        assert_ne!(stable_hash(&Some(0u8)), stable_hash(&None::<u8>));
        assert_ne!(stable_hash(&BTreeMap::from([(1, 2)])), stable_hash(&BTreeMap::from([(2, 1)])));
    }

    #[test]
    fn zeroes_and_nans_that_compare_equal_hash_equal() {
        assert_eq!(stable_hash(&0.0f64), stable_hash(&-0.0f64));
        assert_eq!(stable_hash(&f64::NAN), stable_hash(&-f64::NAN));
        assert_ne!(stable_hash(&1.5f64), stable_hash(&2.5f64));
    }

    #[test]
    fn sequential_keys_spread_over_low_middle_and_high_bits() {
        for shift in [0, 20, 32, 54] {
            let mut counts = [0u32; 1024];
            for key in 0..102_400u64 {
                counts[(stable_hash(&key) >> shift) as usize & 1023] += 1;
            }
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(least > Some(&50), "bits from {shift}: emptiest bucket has {least:?} of 100");
            assert!(most < Some(&160), "bits from {shift}: fullest bucket has {most:?} of 100");
        }
    }

    #[test]
    fn no_collisions_among_a_million_small_keys() {
        let hashes: HashSet<u64> = (0..1_000_000u64).map(|key| stable_hash(&key)).collect();
        assert_eq!(hashes.len(), 1_000_000);
    }
}
