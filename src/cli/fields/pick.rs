//! Some fields of a row, as JSON, without the others: what a key costs for each row that changes.

use serde::Serialize;
use serde::ser::{
    Error as _, Impossible, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct,
    Serializer,
};
use serde_json::Error;

use super::Field;

/// The JSON of each of these fields; `None` if one is not there, or the row is no list and no struct.
pub(super) fn pick(row: &impl Serialize, fields: &[Field]) -> Option<Vec<Vec<u8>>> {
    let mut picker = Picker { fields, found: vec![Vec::new(); fields.len()], number: 0 };
    row.serialize(&mut picker).ok()?;
    // There is no JSON without a byte.
    picker.found.iter().all(|json| !json.is_empty()).then_some(picker.found)
}

struct Picker<'a> {
    fields: &'a [Field],
    found: Vec<Vec<u8>>,
    /// The elements of a list so far.
    number: usize,
}

impl Picker<'_> {
    fn see<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        is_it: impl Fn(&Field) -> bool,
    ) -> Result<(), Error> {
        let wanted = self.fields.iter().zip(&mut self.found).filter(|(field, _)| is_it(field));
        for (_, json) in wanted {
            serde_json::to_writer(json, value)?;
        }
        Ok(())
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.number += 1;
        let number = self.number;
        self.see(value, |field| field.number == Some(number))
    }
}

fn not_here<T>() -> Result<T, Error> {
    Err(Error::custom("no list and no struct"))
}

/// What has no fields that could be picked.
macro_rules! refuse {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<(), Error> {
            not_here()
        })*
    };
}

impl Serializer for &mut Picker<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        not_here()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        not_here()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        not_here()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        not_here()
    }

    refuse! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }
}

/// What lists have in common.
macro_rules! elements {
    ($($list:ident::$method:ident),*) => {
        $(impl $list for &mut Picker<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

impl SerializeStruct for &mut Picker<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.see(value, |field| field.name == name)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}
