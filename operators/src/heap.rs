//! How many bytes a value keeps on the heap, told by its own `Serialize`.
//!
//! State is accounted in bytes per operator. A table knows the size of its slots; what a key or
//! an accumulator owns beyond its slot (the text of a `String`, the items of a `Vec`) is counted
//! here, by serialising the value into a counter. Numbers cost nothing: the whole call folds
//! away at compile time.

use std::fmt;

use serde::ser::{self, Serialize};

/// Bytes that `value` owns beyond `size_of` itself, as near as its serialised form tells:
/// the text of strings and the items of sequences and maps, without spare capacity.
///
/// ```
/// use tidegate_operators::heap_bytes;
///
/// assert_eq!(heap_bytes(&17u64), 0);
/// assert_eq!(heap_bytes(&(1u64, "page".to_string())), 4);
/// assert_eq!(heap_bytes(&vec![1u32, 2, 3]), 12);
/// ```
#[inline]
pub fn heap_bytes<D: Serialize + ?Sized>(value: &D) -> usize {
    let mut counter = Counter { bytes: 0, depth: 0 };
    // A value that refuses to be serialised is reported where it matters, not here.
    let _ = value.serialize(&mut counter);
    counter.bytes
}

struct Counter {
    bytes: usize,
    /// How many sequences deep: what is inside one lies on the heap itself.
    depth: usize,
}

impl Counter {
    /// A value of `inline` bytes where it stands, which owns `owned` bytes elsewhere.
    #[inline(always)]
    fn add(&mut self, inline: usize, owned: usize) {
        self.bytes += owned + if self.depth > 0 { inline } else { 0 };
    }
}

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Refused
    }
}

macro_rules! owns_nothing {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        #[inline(always)]
        fn $name(self, _value: $type) -> Result<(), Refused> {
            self.add(size_of::<$type>(), 0);
            Ok(())
        }
    )*};
}

impl ser::Serializer for &mut Counter {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    owns_nothing!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char,
    );

    #[inline(always)]
    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.add(size_of::<String>(), value.len());
        Ok(())
    }

    #[inline(always)]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        self.add(size_of::<Vec<u8>>(), value.len());
        Ok(())
    }

    #[inline(always)]
    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }

    #[inline(always)]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    #[inline(always)]
    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    #[inline(always)]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Refused> {
        Ok(())
    }

    #[inline(always)]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
    ) -> Result<(), Refused> {
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

    #[inline(always)]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    #[inline(always)]
    fn serialize_seq(self, _len: Option<usize>) -> Result<Self, Refused> {
        self.add(size_of::<Vec<u8>>(), 0);
        self.depth += 1;
        Ok(self)
    }

    #[inline(always)]
    fn serialize_tuple(self, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    #[inline(always)]
    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    #[inline(always)]
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }

    #[inline(always)]
    fn serialize_map(self, _len: Option<usize>) -> Result<Self, Refused> {
        self.add(size_of::<Vec<u8>>(), 0);
        self.depth += 1;
        Ok(self)
    }

    #[inline(always)]
    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    #[inline(always)]
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }
}

impl ser::SerializeSeq for &mut Counter {
    type Ok = ();
    type Error = Refused;

    #[inline(always)]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut **self)
    }

    #[inline(always)]
    fn end(self) -> Result<(), Refused> {
        self.depth -= 1;
        Ok(())
    }
}

impl ser::SerializeMap for &mut Counter {
    type Ok = ();
    type Error = Refused;

    #[inline(always)]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(&mut **self)
    }

    #[inline(always)]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut **self)
    }

    #[inline(always)]
    fn end(self) -> Result<(), Refused> {
        self.depth -= 1;
        Ok(())
    }
}

macro_rules! in_place {
    ($($trait:ident::$method:ident($($name:ident)?)),* $(,)?) => {$(
        impl ser::$trait for &mut Counter {
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

in_place!(
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(key),
    SerializeStructVariant::serialize_field(key),
);
