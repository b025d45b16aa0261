//! Fields of rows, as they are named on the command line.

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use tidegate::sink::kafka::key_of;

/// Which fields of a row, in this order: by their names, or by their numbers from 1 where they have none.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields(Vec<String>);

impl FromStr for Fields {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<String> = text.split(',').map(str::to_owned).collect();
        match fields.iter().any(String::is_empty) {
            true => Err(format!("`key={text}`: use `key=FIELD` or `key=FIELD,FIELD`")),
            false => Ok(Fields(fields)),
        }
    }
}

impl Fields {
    /// The key that a row has: its field, or a list of them.
    pub fn key_of(&self, row: &impl Serialize) -> Result<Vec<u8>, String> {
        let mut row = serde_json::to_value(row).map_err(|error| error.to_string())?;
        match &self.0[..] {
            [only] => match find(&mut row, only)?.take() {
                Value::String(text) => Ok(text.into_bytes()),
                other => key_of(&other),
            },
            several => {
                let fields: Result<Vec<Value>, String> =
                    several.iter().map(|field| find(&mut row, field).cloned()).collect();
                key_of(&fields?)
            }
        }
    }
}

/// A field of a row.
fn find<'a>(row: &'a mut Value, field: &str) -> Result<&'a mut Value, String> {
    let there = match row {
        Value::Object(fields) => {
            if fields.contains_key(field) {
                return Ok(&mut fields[field]);
            }
            fields.keys().cloned().collect::<Vec<_>>().join(", ")
        }
        Value::Array(fields) => match field.parse() {
            Ok(number) if (1..=fields.len()).contains(&number) => {
                return Ok(&mut fields[number - 1]);
            }
            _ => format!("1 to {}", fields.len()),
        },
        _ => "none, for it is a single value".to_owned(),
    };
    Err(format!("there is no field `{field}` for its key; there is {there}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(fields: &str, row: &impl Serialize) -> Result<String, String> {
        let fields: Fields = fields.parse()?;
        fields.key_of(row).map(|key| String::from_utf8(key).expect("text"))
    }

    #[test]
    fn a_key_is_a_field_or_several() {
        let row = (("tide", 7), "gate", 3);
        assert_eq!(key("2", &row), Ok("gate".into()));
        assert_eq!(key("3", &row), Ok("3".into()));
        assert_eq!(key("1", &row), Ok(r#"["tide",7]"#.into()));
        assert_eq!(key("3,2", &row), Ok(r#"[3,"gate"]"#.into()));
        assert_eq!(key("word", &BTreeMap::from([("word", "tide")])), Ok("tide".into()));
    }

    #[test]
    fn a_field_that_is_not_there_is_named_with_those_that_are() {
        for (fields, there) in [("0", "1 to 2"), ("3", "1 to 2"), ("word", "1 to 2")] {
            let error = key(fields, &("tide", 1)).expect_err(fields);
            assert!(error.contains(fields) && error.contains(there), "{error}");
        }
        let error = key("word", &BTreeMap::from([("page", 1), ("user", 2)])).expect_err("no word");
        assert!(error.contains("page, user"), "{error}");
        assert!(key("1", &7).expect_err("a single value").contains("single"));
    }
}
