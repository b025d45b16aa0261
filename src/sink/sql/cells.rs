//! Rows as values of columns.

use ordered_float::OrderedFloat;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};
use serde_json::value::Serializer as Json;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(OrderedFloat<f64>),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Integer(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

/// Appends the values of a row.
pub(super) fn append(row: &impl Serialize, to: &mut Vec<Value>) -> Result<(), serde_json::Error> {
    row.serialize(&mut Cells { values: to })
}

/// Takes a row apart.
struct Cells<'a> {
    values: &'a mut Vec<Value>,
}

impl Cells<'_> {
    fn push(&mut self, value: Value) -> Result<(), serde_json::Error> {
        self.values.push(value);
        Ok(())
    }

    fn push_json(&mut self, json: &serde_json::Value) -> Result<(), serde_json::Error> {
        self.push(Value::Text(json.to_string()))
    }
}

/// What has no columns of its own: it becomes JSON when it ends.
struct Nested<'a, 'b, J> {
    json: J,
    cells: &'a mut Cells<'b>,
}

impl<'a, 'b> Serializer for &'a mut Cells<'b> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Nested<'a, 'b, <Json as Serializer>::SerializeSeq>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Nested<'a, 'b, <Json as Serializer>::SerializeTupleVariant>;
    type SerializeMap = Nested<'a, 'b, <Json as Serializer>::SerializeMap>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Nested<'a, 'b, <Json as Serializer>::SerializeStructVariant>;

    fn serialize_bool(self, value: bool) -> Result<(), Self::Error> {
        self.push(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_i32(self, value: i32) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_i128(self, value: i128) -> Result<(), Self::Error> {
        self.push(Value::Integer(value))
    }

    fn serialize_u8(self, value: u8) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Result<(), Self::Error> {
        self.push(Value::Integer(value.into()))
    }

    fn serialize_u128(self, value: u128) -> Result<(), Self::Error> {
        let value = i128::try_from(value).map_err(serde::ser::Error::custom)?;
        self.push(Value::Integer(value))
    }

    fn serialize_f32(self, value: f32) -> Result<(), Self::Error> {
        self.push(Value::Float(OrderedFloat(value.into())))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Self::Error> {
        self.push(Value::Float(OrderedFloat(value)))
    }

    fn serialize_char(self, value: char) -> Result<(), Self::Error> {
        self.push(Value::Text(value.into()))
    }

    fn serialize_str(self, value: &str) -> Result<(), Self::Error> {
        self.push(value.into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Self::Error> {
        self.push(Value::Bytes(value.to_vec()))
    }

    fn serialize_none(self) -> Result<(), Self::Error> {
        self.push(Value::Null)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Self::Error> {
        self.push(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Self::Error> {
        self.push(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Self::Error> {
        self.push(variant.into())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.push_json(&Json.serialize_newtype_variant(name, index, variant, value)?)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, Self::Error> {
        Ok(Nested { json: Json.serialize_seq(length)?, cells: self })
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, Self::Error> {
        let json = Json.serialize_tuple_variant(name, index, variant, length)?;
        Ok(Nested { json, cells: self })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, Self::Error> {
        Ok(Nested { json: Json.serialize_map(length)?, cells: self })
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, Self::Error> {
        let json = Json.serialize_struct_variant(name, index, variant, length)?;
        Ok(Nested { json, cells: self })
    }
}

impl SerializeTuple for &mut Cells<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Self::Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl SerializeTupleStruct for &mut Cells<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Self::Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl SerializeStruct for &mut Cells<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<J> SerializeSeq for Nested<'_, '_, J>
where
    J: SerializeSeq<Ok = serde_json::Value, Error = serde_json::Error>,
{
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Self::Error> {
        self.json.serialize_element(value)
    }

    fn end(self) -> Result<(), Self::Error> {
        self.cells.push_json(&self.json.end()?)
    }
}

impl<J> SerializeTupleVariant for Nested<'_, '_, J>
where
    J: SerializeTupleVariant<Ok = serde_json::Value, Error = serde_json::Error>,
{
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Self::Error> {
        self.json.serialize_field(value)
    }

    fn end(self) -> Result<(), Self::Error> {
        self.cells.push_json(&self.json.end()?)
    }
}

impl<J> SerializeMap for Nested<'_, '_, J>
where
    J: SerializeMap<Ok = serde_json::Value, Error = serde_json::Error>,
{
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Self::Error> {
        self.json.serialize_key(key)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Self::Error> {
        self.json.serialize_value(value)
    }

    fn end(self) -> Result<(), Self::Error> {
        self.cells.push_json(&self.json.end()?)
    }
}

impl<J> SerializeStructVariant for Nested<'_, '_, J>
where
    J: SerializeStructVariant<Ok = serde_json::Value, Error = serde_json::Error>,
{
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.json.serialize_field(name, value)
    }

    fn end(self) -> Result<(), Self::Error> {
        self.cells.push_json(&self.json.end()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::{Value, append};

    #[derive(Serialize)]
    enum Kind {
        Plain,
        With(u8),
    }

    #[derive(Serialize)]
    struct Row<'a> {
        pair: (bool, Option<&'a str>),
        nothing: Option<u64>,
        ratio: f64,
        kinds: (Kind, Kind),
        list: Vec<(u32, f64)>,
        map: BTreeMap<&'a str, i8>,
    }

    #[test]
    fn fields_are_columns_and_what_has_none_is_json() {
        let row = Row {
            pair: (true, Some("tide")),
            nothing: None,
            ratio: 0.5,
            kinds: (Kind::Plain, Kind::With(7)),
            list: vec![(1, 2.0)],
            map: [("a", -1)].into(),
        };
        let mut values = Vec::new();
        append(&row, &mut values).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let expected = [
            Value::Bool(true),
            text("tide"),
            Value::Null,
            Value::Float(0.5.into()),
            text("Plain"),
            text(r#"{"With":7}"#),
            text("[[1,2.0]]"),
            text(r#"{"a":-1}"#),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn whole_numbers_keep_their_size() {
        let mut values = Vec::new();
        append(&(u64::MAX, i64::MIN, 'x'), &mut values).unwrap();
        let [largest, least] = [u64::MAX.into(), i64::MIN.into()].map(Value::Integer);
        assert_eq!(values, [largest, least, Value::Text("x".into())]);
        assert!(append(&u128::MAX, &mut values).is_err());
    }
}
