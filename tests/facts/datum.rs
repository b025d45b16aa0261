//! Records of any shape, as the facts have them.

use serde::{Deserialize, Serialize};

/// A value of a fact: what JSON has, put in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Datum {
    Missing,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Datum>),
}

impl Datum {
    pub fn of(value: &serde_json::Value) -> Datum {
        use serde_json::Value;
        match value {
            Value::Null => Datum::Missing,
            Value::Bool(value) => Datum::Bool(*value),
            Value::Number(number) => {
                let whole = number.as_i64().or_else(|| {
                    number.as_f64().filter(|float| float.fract() == 0.0).map(|float| float as i64)
                });
                Datum::Number(whole.unwrap_or_else(|| panic!("{number} is no whole number")))
            }
            Value::String(text) => Datum::Text(text.clone()),
            Value::Array(items) => Datum::List(items.iter().map(Datum::of).collect()),
            Value::Object(_) => panic!("a record can't be an object: {value}"),
        }
    }

    pub fn number(&self) -> i64 {
        match self {
            Datum::Number(number) => *number,
            other => panic!("{other:?} is no number"),
        }
    }

    pub fn items(self) -> Vec<Datum> {
        match self {
            Datum::List(items) => items,
            other => panic!("{other:?} is no list"),
        }
    }

    pub fn pair(self) -> (Datum, Datum) {
        let mut items = self.items();
        assert_eq!(items.len(), 2, "{items:?} is no pair");
        let second = items.pop().expect("there are two");
        (items.pop().expect("there is one left"), second)
    }
}

impl From<i64> for Datum {
    fn from(number: i64) -> Datum {
        Datum::Number(number)
    }
}

impl<A: Into<Datum>, B: Into<Datum>> From<(A, B)> for Datum {
    fn from((first, second): (A, B)) -> Datum {
        Datum::List(vec![first.into(), second.into()])
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Datum {
        Datum::Text(text)
    }
}

impl<A: Into<Datum>> From<Option<A>> for Datum {
    fn from(value: Option<A>) -> Datum {
        value.map_or(Datum::Missing, A::into)
    }
}

impl<A: Into<Datum>> From<Vec<A>> for Datum {
    fn from(items: Vec<A>) -> Datum {
        Datum::List(items.into_iter().map(A::into).collect())
    }
}
