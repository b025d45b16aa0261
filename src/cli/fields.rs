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
        let row = serde_json::to_value(row).map_err(|error| error.to_string())?;
        let fields: Result<Vec<Value>, String> =
            self.0.iter().map(|field| take(&row, field)).collect();
        match &fields?[..] {
            [only] => key_of(only),
            several => key_of(&several),
        }
    }
}

/// A field of a row.
fn take(row: &Value, field: &str) -> Result<Value, String> {
    let found = match row {
        Value::Object(fields) => fields.get(field),
        Value::Array(fields) => {
            let number = field.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            number.and_then(|number| fields.get(number))
        }
        _ => None,
    };
    found.cloned().ok_or_else(|| {
        let there = match row {
            Value::Object(fields) => fields.keys().cloned().collect::<Vec<_>>().join(", "),
            Value::Array(fields) => format!("1 to {}", fields.len()),
            _ => "none, for it is a single value".to_owned(),
        };
        format!("there is no field `{field}` for its key; there is {there}")
    })
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
