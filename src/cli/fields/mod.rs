//! Fields of rows, as they are named on the command line.

mod pick;

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use tidegate::sink::kafka::{key_of, key_of_json};

/// Which fields of a row, in this order: by their names, or by their numbers from 1 where they have none.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields(Vec<Field>);

#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: String,
    number: Option<usize>,
}

impl FromStr for Fields {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.split(',').any(str::is_empty) {
            return Err(format!("`key={text}`: use `key=FIELD` or `key=FIELD,FIELD`"));
        }
        let field = |name: &str| Field { name: name.to_owned(), number: name.parse().ok() };
        Ok(Fields(text.split(',').map(field).collect()))
    }
}

impl Fields {
    /// The key that a row has: its field, or a list of them.
    pub fn key_of(&self, row: &impl Serialize) -> Result<Vec<u8>, String> {
        match (pick::pick(row, &self.0), &self.0[..]) {
            (Some(mut found), [_]) => key_of_json(found.swap_remove(0)),
            (Some(found), _) => Ok([b"[", &*found.join(&b','), b"]"].concat()),
            (None, fields) => by_looking(row, fields),
        }
    }
}

/// The same of any row, and what is wrong with one.
fn by_looking(row: &impl Serialize, fields: &[Field]) -> Result<Vec<u8>, String> {
    let row = serde_json::to_value(row).map_err(|error| error.to_string())?;
    let found: Result<Vec<&Value>, String> = fields.iter().map(|field| find(&row, field)).collect();
    match &found?[..] {
        [only] => key_of(only),
        several => key_of(&several),
    }
}

/// A field of a row.
fn find<'a>(row: &'a Value, Field { name, number }: &Field) -> Result<&'a Value, String> {
    let (found, there) = match row {
        Value::Object(fields) => {
            (fields.get(name), fields.keys().cloned().collect::<Vec<_>>().join(", "))
        }
        Value::Array(fields) => {
            let index = number.and_then(|number| number.checked_sub(1));
            (index.and_then(|index| fields.get(index)), format!("1 to {}", fields.len()))
        }
        _ => (None, "none, for it is a single value".to_owned()),
    };
    found.ok_or_else(|| format!("there is no field `{name}` for its key; there is {there}"))
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

    #[derive(Serialize)]
    struct Page {
        title: &'static str,
        #[serde(flatten)]
        rest: Option<BTreeMap<&'static str, u32>>,
    }

    #[derive(Serialize)]
    struct Visit(Option<(&'static str, u32)>);

    #[derive(Serialize)]
    struct User {
        name: &'static str,
        age: u32,
    }

    #[test]
    fn a_field_is_the_same_however_it_is_found() {
        let quoted = "a \"tide\"\n";
        let page = Page { title: quoted, rest: Some(BTreeMap::from([("visits", 3)])) };
        let user = User { name: quoted, age: 40 };
        for (fields, expected) in [("1", quoted), ("2", "7"), ("2,1", r#"[7,"a \"tide\"\n"]"#)] {
            assert_eq!(key(fields, &(quoted, 7)), Ok(expected.into()));
            assert_eq!(key(fields, &Visit(Some((quoted, 7)))), Ok(expected.into()));
            let fields: Fields = fields.parse().expect("fields");
            assert_eq!(by_looking(&(quoted, 7), &fields.0), Ok(expected.as_bytes().to_vec()));
        }
        assert_eq!(key("title", &page), Ok(quoted.into()));
        assert_eq!(key("visits", &page), Ok("3".into()));
        assert_eq!(key("name", &user), Ok(quoted.into()));
        assert_eq!(key("age,age", &user), Ok("[40,40]".into()));
        assert_eq!(key("1", &vec![Some("tide"), None]), Ok("tide".into()));
        assert_eq!(key("2", &vec![Some("tide"), None]), Ok("null".into()));
        let error = key("size", &user).expect_err("no size");
        assert!(error.contains("age, name"), "{error}");
        assert!(key("1", &Visit(None)).expect_err("a single value").contains("single"));
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
