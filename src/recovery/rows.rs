//! Saved rows without the program that has saved them: read by their schema, as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use serde_reflection::{ContainerFormat, Format, Registry, VariantFormat};
use tidegate_operators::batched::SavedForm;
use tidegate_operators::ship::KEY_GROUPS;

use super::manifest::OperatorState;
use super::schema::{RowFormat, Schema};
use super::state_file;
use super::store::Store;
use crate::batch::BatchId;
use crate::error::RecoveryError;

/// Reads encoded rows; `None` if the schema says nothing about them.
pub(super) fn read(schema: &Schema, encoded: &[u8]) -> Option<Result<Vec<Value>, String>> {
    let RowFormat { row, types } = schema.row_format()?;
    let rows = Format::Seq(Box::new(row));
    let mut postcard = postcard::Deserializer::from_bytes(encoded);
    let read = Shape { types: &types, format: &rows }.deserialize(&mut postcard);
    Some(match read {
        Ok(Value::Array(rows)) => Ok(rows),
        Ok(other) => Ok(vec![other]),
        Err(error) => Err(error.to_string()),
    })
}

/// All rows that an operator has saved, oldest first; `None` if what they are made of is not known.
pub(super) fn of(
    store: &Store,
    state: &OperatorState,
) -> Result<Option<Vec<Value>>, RecoveryError> {
    let mut saved = Vec::new();
    for file in &state.files {
        let content = file.read(store)?;
        let mut is_known = true;
        state_file::open(&content, &(0..=KEY_GROUPS - 1), |encoded| {
            match read(&state.schema, encoded) {
                None => is_known = false,
                Some(rows) => saved.extend(rows?),
            }
            Ok(())
        })
        .map_err(|what| store.damaged(&file.path, what))?;
        if !is_known {
            return Ok(None);
        }
    }
    Ok(Some(saved))
}

/// What rows, oldest first, say together of the state through a batch.
pub(super) fn held(rows: Vec<Value>, form: SavedForm, through: BatchId) -> Vec<Value> {
    // JSON's values have no order of their own.
    let mut held: BTreeMap<String, (Value, i64)> = BTreeMap::new();
    let number = |value: &Value| value.as_i64();
    for row in rows {
        let (variant, parts) = parts(&row);
        match (form, parts) {
            (SavedForm::Rows, _) => {
                let key = format!("{:020}", held.len());
                held.insert(key, (row, 1));
            }
            (SavedForm::Latest, [key, .., value]) => {
                let key = format!("{variant}{key}");
                match value {
                    Value::Null => drop(held.remove(&key)),
                    _ => drop(held.insert(key, (row, 1))),
                }
            }
            (SavedForm::Panes, [enter, exit, content]) => {
                if number(exit).is_none_or(|exit| exit as u64 > through) {
                    held.insert(
                        format!("{enter:>20}{exit:>20}{content}{:020}", held.len()),
                        (row, 1),
                    );
                }
            }
            (SavedForm::Differences, [identity @ .., difference]) => {
                let key = format!("{variant}{identity:?}");
                let sum =
                    held.get(&key).map_or(0, |(_, sum)| *sum) + number(difference).unwrap_or(1);
                held.insert(key, (with_last(&row, sum), sum));
            }
            // What stands for itself: `{"ClosedThrough": 5}`.
            _ => drop(held.insert(variant.to_owned(), (row, 1))),
        }
    }
    held.into_values().filter(|(_, times)| *times != 0).map(|(row, _)| row).collect()
}

/// The name of the variant, if it is one, and the parts of a row that is a tuple.
fn parts(row: &Value) -> (&str, &[Value]) {
    match row {
        Value::Array(parts) => ("", parts),
        Value::Object(map) => match map.iter().next() {
            Some((name, Value::Array(parts))) if map.len() == 1 => (name, parts),
            Some((name, _)) => (name, &[]),
            None => ("", &[]),
        },
        _ => ("", &[]),
    }
}

/// The row with another last part.
fn with_last(row: &Value, last: i64) -> Value {
    let mut row = row.clone();
    let parts = match &mut row {
        Value::Object(map) => map.values_mut().next().and_then(Value::as_array_mut),
        other => other.as_array_mut(),
    };
    if let Some(part) = parts.and_then(|parts| parts.last_mut()) {
        *part = json!(last);
    }
    row
}

/// A value of some format. Postcard writes neither names nor lengths of structs, and variants as
/// numbers: so structs are read as tuples, and an enum as a number and what follows it.
#[derive(Clone, Copy)]
struct Shape<'a> {
    types: &'a Registry,
    format: &'a Format,
}

impl<'a> Shape<'a> {
    fn of(self, format: &'a Format) -> Self {
        Shape { format, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<Value, D::Error> {
        let unknown = |what: &str| serde::de::Error::custom(format!("nothing is known of {what}"));
        match self.format {
            Format::Variable(_) => Err(unknown("a part of the row")),
            Format::TypeName(name) => match self.types.get(name) {
                None => Err(unknown(name)),
                Some(ContainerFormat::UnitStruct) => Ok(Value::Null),
                Some(ContainerFormat::NewTypeStruct(inner)) => self.of(inner).deserialize(de),
                Some(ContainerFormat::TupleStruct(parts)) => tuple(self, parts, de),
                Some(ContainerFormat::Struct(fields)) => {
                    let formats: Vec<Format> = fields.iter().map(|f| f.value.clone()).collect();
                    let values = tuple(self, &formats, de)?;
                    Ok(named(fields.iter().map(|field| &field.name), values))
                }
                Some(ContainerFormat::Enum(_)) => de.deserialize_enum("", &[], Variant(self, name)),
            },
            Format::Unit => de.deserialize_unit(Any(self)),
            Format::Bool => de.deserialize_bool(Any(self)),
            Format::I8 => de.deserialize_i8(Any(self)),
            Format::I16 => de.deserialize_i16(Any(self)),
            Format::I32 => de.deserialize_i32(Any(self)),
            Format::I64 => de.deserialize_i64(Any(self)),
            Format::I128 => de.deserialize_i128(Any(self)),
            Format::U8 => de.deserialize_u8(Any(self)),
            Format::U16 => de.deserialize_u16(Any(self)),
            Format::U32 => de.deserialize_u32(Any(self)),
            Format::U64 => de.deserialize_u64(Any(self)),
            Format::U128 => de.deserialize_u128(Any(self)),
            Format::F32 => de.deserialize_f32(Any(self)),
            Format::F64 => de.deserialize_f64(Any(self)),
            Format::Char => de.deserialize_char(Any(self)),
            Format::Str => de.deserialize_str(Any(self)),
            Format::Bytes => de.deserialize_bytes(Any(self)),
            Format::Option(inner) => de.deserialize_option(Any(self.of(inner))),
            Format::Seq(inner) => de.deserialize_seq(Any(self.of(inner))),
            Format::Map { .. } => de.deserialize_map(Any(self)),
            Format::Tuple(parts) => tuple(self, parts, de),
            Format::TupleArray { content, size } => {
                de.deserialize_tuple(*size, Any(self.of(content)))
            }
        }
    }
}

fn named<'a>(names: impl Iterator<Item = &'a String>, values: Value) -> Value {
    let Value::Array(values) = values else { return values };
    Value::Object(names.cloned().zip(values).collect())
}

fn tuple<'de, D: Deserializer<'de>>(
    shape: Shape<'_>,
    parts: &[Format],
    de: D,
) -> Result<Value, D::Error> {
    de.deserialize_tuple(parts.len(), Tuple(shape, parts))
}

struct Tuple<'a>(Shape<'a>, &'a [Format]);

impl<'de> Visitor<'de> for Tuple<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.1.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        for format in self.1 {
            let shape = Shape { types: self.0.types, format };
            values.extend(seq.next_element_seed(shape)?);
        }
        Ok(Value::Array(values))
    }
}

/// An enum of this name.
struct Variant<'a>(Shape<'a>, &'a str);

impl<'de> Visitor<'de> for Variant<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a variant of {}", self.1)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        use serde::de::{Error, VariantAccess};
        let number = std::marker::PhantomData::<VariantNumber>;
        let (VariantNumber(number), content) = data.variant_seed(number)?;
        let variant = match self.0.types.get(self.1) {
            Some(ContainerFormat::Enum(variants)) => variants.get(&number),
            _ => None,
        };
        let variant = variant
            .ok_or_else(|| A::Error::custom(format!("`{}` has no variant {number}", self.1)))?;
        let name = &variant.name;
        let shape = |format| Shape { types: self.0.types, format };
        Ok(match &variant.value {
            VariantFormat::Variable(_) => return Err(A::Error::custom("an unknown variant")),
            VariantFormat::Unit => {
                content.unit_variant()?;
                Value::String(name.clone())
            }
            VariantFormat::NewType(inner) => {
                json!({ name: content.newtype_variant_seed(shape(inner))? })
            }
            VariantFormat::Tuple(parts) => {
                json!({ name: content.tuple_variant(parts.len(), Tuple(self.0, parts))? })
            }
            VariantFormat::Struct(fields) => {
                let formats: Vec<Format> = fields.iter().map(|f| f.value.clone()).collect();
                let values = content.tuple_variant(formats.len(), Tuple(self.0, &formats))?;
                json!({ name: named(fields.iter().map(|field| &field.name), values) })
            }
        })
    }
}

/// The number by which postcard knows a variant.
struct VariantNumber(u32);

impl<'de> serde::Deserialize<'de> for VariantNumber {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        u32::deserialize(de).map(VariantNumber)
    }
}

/// Whatever comes; parts of sequences, options and maps are of the format.
struct Any<'a>(Shape<'a>);

/// Visits that need nothing but JSON's own idea of a value.
macro_rules! plain {
    ($($visit:ident: $type:ty),* $(,)?) => {
        $(fn $visit<E>(self, value: $type) -> Result<Value, E> {
            Ok(json!(value))
        })*
    };
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {:?}", self.0.format)
    }

    plain! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_f32: f32,
        visit_f64: f64, visit_char: char, visit_str: &str, visit_bytes: &[u8],
    }

    // JSON's numbers end at 64 bits.
    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| json!(value.to_string()), |small| json!(small)))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or_else(|_| json!(value.to_string()), |small| json!(small)))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, de: D) -> Result<Value, D::Error> {
        self.0.deserialize(de)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self.0)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Format::Map { key, value } = self.0.format else { return Ok(Value::Null) };
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key_seed(self.0.of(key))? {
            pairs.push((key, map.next_value_seed(self.0.of(value))?));
        }
        // JSON's maps have names for keys; others are shown as pairs.
        let names: Option<Map<String, Value>> = pairs
            .iter()
            .map(|(key, value)| Some((key.as_str()?.to_owned(), value.clone())))
            .collect();
        Ok(names.map_or_else(|| json!(pairs), Value::Object))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;
    use tidegate_operators::codec::{Codec, SerdeCodec};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    enum Kind {
        Book,
        Toy { age: u8 },
        Other(String),
        Pair(i64, Option<char>),
    }

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    struct Cart {
        by_day: BTreeMap<u16, bool>,
        by_name: BTreeMap<String, i128>,
        place: [u8; 2],
    }

    #[test]
    fn rows_are_read_without_their_type() {
        let cart = Cart {
            by_day: BTreeMap::from([(3, true), (300, false)]),
            by_name: BTreeMap::from([("big".into(), i128::MAX), ("small".into(), -1)]),
            place: [1, 2],
        };
        let rows = vec![
            (Kind::Book, Some(cart)),
            (Kind::Toy { age: 7 }, None),
            (Kind::Other("kite".into()), None),
            (Kind::Pair(-3, Some('x')), None),
            (Kind::Pair(4, None), None),
        ];
        let mut encoded = Vec::new();
        SerdeCodec.encode(&rows, &mut encoded);
        let schema = Schema::of::<(Kind, Option<Cart>)>();
        let read = read(&schema, &encoded).unwrap().unwrap();
        let expected = json!([
            ["Book", {
                "by_day": [[3, true], [300, false]],
                "by_name": {"big": i128::MAX.to_string(), "small": -1},
                "place": [1, 2],
            }],
            [{"Toy": {"age": 7}}, null],
            [{"Other": "kite"}, null],
            [{"Pair": [-3, "x"]}, null],
            [{"Pair": [4, null]}, null],
        ]);
        assert_eq!(Value::Array(read), expected);
    }
}
