//! What the rows of an operator's state are made of: saved with them, so that a program whose types
//! have changed is told so, and so that rows can be read without the program.

use std::any::type_name;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_reflection::{
    ContainerFormat, Error, Format, FormatHolder, Registry, Samples, Tracer, TracerConfig,
};
use tidegate_operators::Record;

/// A type of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// What Rust calls it.
    pub name: String,
    /// Its format, unless its serialisation is too peculiar to be found out: that of a row, and
    /// those of the structs and enums in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
}

/// The format of a row, and those of the structs and enums in it by name.
#[derive(Serialize, Deserialize)]
pub(super) struct RowFormat {
    pub(super) row: Format,
    pub(super) types: Registry,
}

/// Types of enums are tried so often, until all variants have been seen.
const TRIES_MAX: usize = 1_000;

impl Schema {
    /// The schema of a type.
    pub(crate) fn of<S: Record>() -> Self {
        let format = trace::<S>().and_then(|format| serde_json::to_value(format).ok());
        Schema { name: type_name::<S>().to_owned(), format }
    }

    /// The format, if it is known.
    pub(super) fn row_format(&self) -> Option<RowFormat> {
        RowFormat::deserialize(self.format.as_ref()?).ok()
    }

    /// What is different, for people; nothing, if rows of one can be read as rows of the other.
    pub(crate) fn difference(&self, now: &Schema) -> Option<String> {
        // Names of types are all that there is to go by, where no format is known.
        let is_same = match &self.format {
            Some(_) => self.format == now.format,
            None => self.name == now.name && now.format.is_none(),
        };
        if is_same {
            return None;
        }
        let (before, after) = (self.row_format(), now.row_format());
        let pairs = before.iter().zip(&after).flat_map(|(before, after)| {
            let types = before.types.iter();
            types.filter_map(|(name, then)| Some((name, then, after.types.get(name)?)))
        });
        let mut changed = pairs.filter(|(_, then, now)| then != now);
        Some(match changed.next() {
            Some((name, then, now)) => {
                format!("`{name}` was {}, and is {}", parts(then), parts(now))
            }
            None => format!("rows of `{}` were saved, and are `{}`", self.name, now.name),
        })
    }
}

fn trace<S: Record>() -> Option<RowFormat> {
    let mut enums = BTreeSet::<String>::new();
    for _ in 0..TRIES_MAX {
        let samples = Samples::new();
        let mut tracer = Tracer::new(TracerConfig::default().is_human_readable(false));
        let mut found = None;
        for _ in 0..TRIES_MAX {
            let (format, _) = tracer.trace_type_once::<S>(&samples).ok()?;
            let seen = enums.iter().filter(|name| tracer.check_incomplete_enum(name).is_some());
            if seen.count() == 0 {
                found = Some(format);
                break;
            }
        }
        let mut format = found?;
        match tracer.registry() {
            Ok(types) => {
                format.normalize().ok()?;
                // An enum within a list or an option of a struct is visited once only.
                if types.values().any(has_unseen_variants) {
                    return None;
                }
                return Some(RowFormat { row: format, types });
            }
            Err(Error::MissingVariants(names)) => enums.extend(names),
            Err(_) => return None,
        }
    }
    None
}

/// Variants have such numbers until all of them have been seen.
fn has_unseen_variants(container: &ContainerFormat) -> bool {
    let ContainerFormat::Enum(variants) = container else { return false };
    variants.keys().any(|number| *number > u32::MAX / 2)
}

/// `{ items: U64, total: F64 }`
fn parts(container: &ContainerFormat) -> String {
    match container {
        ContainerFormat::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{}: {:?}", field.name, field.value));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        ContainerFormat::Enum(variants) => {
            let names = variants.values().map(|variant| variant.name.clone());
            format!("one of {}", names.collect::<Vec<_>>().join(", "))
        }
        ContainerFormat::UnitStruct => "empty".into(),
        ContainerFormat::NewTypeStruct(inner) => format!("({inner:?})"),
        ContainerFormat::TupleStruct(parts) => format!("{parts:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! record {
        ($($item:item)*) => {
            $(#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            $item)*
        };
    }

    mod before {
        use super::*;
        record! {
            pub enum Kind { Book, Toy { age: u8 }, Other(String) }
            pub struct Cart { pub items: Vec<u8>, pub total: i64 }
            pub struct Shelf { pub items: Vec<Kind> }
        }
    }

    mod after {
        use super::*;
        record! {
            pub enum Kind { Book, Toy { age: u8 }, Other(String) }
            pub struct Cart { pub items: Vec<u8>, pub total: i64, pub coupon: Option<String> }
        }
    }

    #[test]
    fn a_changed_type_is_told_by_its_fields() {
        let before = Schema::of::<(String, Option<before::Cart>)>();
        let after = Schema::of::<(String, Option<after::Cart>)>();
        assert_eq!(before.row_format().unwrap().types.len(), 1, "{before:?}");
        let text = before.difference(&after).unwrap();
        assert!(text.contains("`Cart` was { items") && text.contains("coupon"), "{text}");
        assert_eq!(before.difference(&Schema::of::<(String, Option<before::Cart>)>()), None);
        // Where the type lives does not matter.
        let (here, there) = (Schema::of::<before::Kind>(), Schema::of::<after::Kind>());
        assert_eq!(here.difference(&there), None);
        // Where not all variants are seen, the type's name has to do.
        let shelf = Schema::of::<(u64, before::Shelf)>();
        assert_eq!((shelf.format.clone(), shelf.difference(&shelf)), (None, None));
        assert!(shelf.difference(&before).is_some() && before.difference(&shelf).is_some());
        assert!(Schema::of::<(u32, i64)>().difference(&Schema::of::<(u64, i64)>()).is_some());
    }

    #[test]
    fn a_schema_is_saved_with_its_state() {
        let schema = Schema::of::<(String, Option<before::Cart>)>();
        let text = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), schema);
    }
}
