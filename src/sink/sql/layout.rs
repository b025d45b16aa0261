//! What is written where: a table's columns, compared with what the sink is to write.

/// A table's name, with its schema if that is given: `schema.table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    pub schema: Option<String>,
    pub table: String,
}

impl TableName {
    pub(super) fn new(name: &str) -> Self {
        match name.split_once('.') {
            Some((schema, table)) => {
                TableName { schema: Some(schema.to_owned()), table: table.to_owned() }
            }
            None => TableName { schema: None, table: name.to_owned() },
        }
    }

    /// As it stands in a statement.
    pub(super) fn quoted(&self, mark: char) -> String {
        let table = quoted(&self.table, mark);
        match &self.schema {
            Some(schema) => format!("{}.{table}", quoted(schema, mark)),
            None => table,
        }
    }
}

/// A name as it stands in a statement.
fn quoted(name: &str, mark: char) -> String {
    let doubled = name.replace(mark, &format!("{mark}{mark}"));
    format!("{mark}{doubled}{mark}")
}

/// A table as the database has it.
#[derive(Debug, Default)]
pub struct Description {
    /// Those that can be written, in their order; none, if there is no such table.
    pub columns: Vec<Column>,
    /// The columns of each unique index on plain columns.
    pub unique: Vec<Vec<String>>,
    /// Whether a row replaces another that agrees with it in *any* unique index.
    pub replaces_by_any: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// Its type, as statements name it.
    pub kind: String,
    /// Whether a row must have a value here: there is no NULL, and no default.
    pub needed: bool,
    /// Why two values that differ may be one key here, and the remedy.
    pub loose: Option<String>,
}

/// What a sink writes to its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub table: TableName,
    pub columns: Vec<Column>,
    /// Which of the columns are the key; none, where rows are only appended.
    pub key: Vec<usize>,
}

impl Layout {
    /// Columns as statements list them.
    pub(super) fn list<'a>(
        columns: impl IntoIterator<Item = &'a Column>,
        mark: char,
        each: impl Fn(&str) -> String,
    ) -> Vec<String> {
        columns.into_iter().map(|column| each(&quoted(&column.name, mark))).collect()
    }

    /// The names of the columns.
    pub(super) fn names(&self, mark: char) -> String {
        Layout::list(&self.columns, mark, str::to_owned).join(", ")
    }

    /// The columns of the key.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|index| &self.columns[*index])
    }

    /// The columns that are not the key.
    pub(super) fn others(&self) -> impl Iterator<Item = &Column> {
        let columns = self.columns.iter().enumerate();
        columns.filter(|(index, _)| !self.key.contains(index)).map(|(_, column)| column)
    }

    /// What becomes of a row whose key is there, as PostgreSQL and SQLite have it said.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn on_conflict(&self) -> String {
        if self.key.is_empty() {
            return String::new();
        }
        let key = Layout::list(self.key_columns(), '"', str::to_owned).join(", ");
        let set = Layout::list(self.others(), '"', |name| format!("{name} = EXCLUDED.{name}"));
        match set.is_empty() {
            // All columns are the key: there is nothing to replace.
            true => format!(" ON CONFLICT ({key}) DO NOTHING"),
            false => format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", ")),
        }
    }

    /// Compares what is to be written with the table as it is: `before` are columns of the sink's
    /// own, `named` those that the rows give, all others if `None`.
    pub(super) fn find(
        table: &TableName,
        before: &[&str],
        named: Option<&[String]>,
        key: &[String],
        found: &Description,
    ) -> Result<Self, String> {
        let name = table.quoted('`');
        let list = |names: &[&str]| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let there: Vec<&str> = found.columns.iter().map(|column| &*column.name).collect();
        if there.is_empty() {
            return Err(format!("there is no table {name} that can be seen: create it first"));
        }
        let all = there.iter().copied().filter(|name| !before.contains(name));
        let of_rows: Vec<&str> = match named {
            Some(named) => named.iter().map(String::as_str).collect(),
            None => all.collect(),
        };
        let wanted: Vec<&str> = before.iter().copied().chain(of_rows).collect();
        let mut columns = Vec::new();
        for (index, wanted_name) in wanted.iter().enumerate() {
            if wanted[..index].contains(wanted_name) {
                return Err(format!("column `{wanted_name}` is named twice"));
            }
            let column = found.columns.iter().find(|column| column.name == *wanted_name);
            columns.push(column.cloned().ok_or_else(|| {
                format!("table {name} has no column `{wanted_name}`: it has {}", list(&there))
            })?);
        }
        let forgotten =
            found.columns.iter().find(|column| column.needed && !wanted.contains(&&*column.name));
        if let Some(column) = forgotten {
            return Err(format!(
                "column `{0}` of table {name} has neither NULL nor a default: write it, too, or \
                 give `{0}` a default",
                column.name
            ));
        }
        let mut places = Vec::new();
        for key_name in key {
            let place = wanted.iter().position(|wanted| wanted == key_name).ok_or_else(|| {
                format!("the key `{key_name}` is not among the columns written: {}", list(&wanted))
            })?;
            if let Some(why) = &columns[place].loose {
                return Err(format!("column `{key_name}` of table {name} can't be a key: {why}"));
            }
            places.push(place);
        }
        if !key.is_empty() {
            let is_key = |unique: &Vec<String>| {
                unique.len() == key.len() && unique.iter().all(|column| key.contains(column))
            };
            let keys: Vec<&str> = key.iter().map(String::as_str).collect();
            if !found.unique.iter().any(is_key) {
                return Err(format!(
                    "table {name} has no unique index on {}: make it the primary key",
                    list(&keys)
                ));
            }
            if let (true, Some(other)) =
                (found.replaces_by_any, found.unique.iter().find(|unique| !is_key(unique)))
            {
                return Err(format!(
                    "table {name} has another unique index, by which rows would be replaced, too: \
                     drop the one on `{}`",
                    other.join("`, `")
                ));
            }
        }
        Ok(Layout { table: table.clone(), columns, key: places })
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Description, Layout, TableName};

    fn column(name: &str) -> Column {
        Column { name: name.into(), kind: "text".into(), needed: false, loose: None }
    }

    fn table() -> Description {
        Description {
            columns: ["word", "count", "batch"].map(column).into(),
            unique: vec![vec!["word".into()]],
            replaces_by_any: true,
        }
    }

    fn find(named: Option<&[&str]>, key: &[&str], found: &Description) -> Result<Layout, String> {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let named = named.map(owned);
        Layout::find(&TableName::new("out.counts"), &[], named.as_deref(), &owned(key), found)
    }

    #[test]
    fn columns_are_those_named_or_all() {
        let layout = find(Some(&["count", "word"]), &["word"], &table()).unwrap();
        assert_eq!((layout.columns.len(), layout.key), (2, vec![1]));
        let layout = find(None, &[], &table()).unwrap();
        assert_eq!(layout.names('"'), r#""word", "count", "batch""#);
        assert_eq!(layout.table.quoted('"'), r#""out"."counts""#);
    }

    #[test]
    fn what_does_not_fit_the_table_is_refused_with_a_remedy() {
        let mut needy = table();
        needy.columns[1].needed = true;
        let mut loose = table();
        loose.columns[0].loose = Some("use another collation".into());
        let mut more = table();
        more.unique.push(vec!["count".into()]);
        let word: &[&str] = &["word"];
        for (named, key, found, remedy) in [
            (None, word, Description::default(), "create it"),
            (Some(&["word", "n"][..]), word, table(), "it has `word`, `count`"),
            (Some(&["word", "word"]), word, table(), "twice"),
            (Some(&["count"]), word, table(), "not among the columns"),
            (None, &["count"], table(), "no unique index on `count`"),
            (Some(&["word"]), word, needy, "give `count` a default"),
            (None, word, loose, "another collation"),
            (None, word, more, "drop the one on `count`"),
        ] {
            let error = find(named, key, &found).expect_err(remedy);
            assert!(error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn marks_in_names_are_doubled() {
        assert_eq!(TableName::new("a`b").quoted('`'), "`a``b`");
    }
}
