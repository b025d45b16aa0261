//! SQLite.

use std::path::{Path, PathBuf};

use rusqlite::types::Value as Stored;
use rusqlite::{Error, ErrorCode, OpenFlags, params_from_iter};

use super::cells::Value;
use super::connection::{Connection, Database, Fault};
use super::layout::{Column, Description, Layout, TableName};
use super::{Append, SqlSink, Upsert};

/// A file of SQLite, which must be there, with the table.
///
/// Its journal is used as the file says: with `PRAGMA journal_mode = WAL`, set once, batches are
/// faster, and readers and writers don't wait for each other.
#[derive(Clone)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// Keeps a table equal to a [`Table`](crate::Table): takes its changes.
    ///
    /// ```
    /// use tidegate::sink::sql::Sqlite;
    /// use tidegate::source::Queue;
    /// use tidegate::{Config, Local};
    ///
    /// let place = tempfile::tempdir()?;
    /// let file = place.path().join("counts.db");
    /// let database = rusqlite::Connection::open(&file)?;
    /// database.execute_batch("CREATE TABLE counts (word TEXT PRIMARY KEY, count INTEGER)")?;
    ///
    /// let words = Queue::new(1);
    /// let input = words.clone();
    /// let mut local = Local::start(Config::new("count"), move |ctx| {
    ///     let counts = ctx.source(input.clone()).running().count_by_value();
    ///     counts.changes().sink(Sqlite::upsert(&file, "counts").key(["word"]));
    /// })?;
    /// words.push(["tide".to_owned(), "gate".to_owned(), "tide".to_owned()]);
    /// local.tick();
    /// local.stop()?;
    ///
    /// let query = "SELECT count FROM counts WHERE word = 'tide'";
    /// assert_eq!(database.query_row(query, [], |row| row.get::<_, i64>(0))?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upsert(path: impl AsRef<Path>, table: &str) -> SqlSink<Self, Upsert> {
        SqlSink::new(Sqlite { path: path.as_ref().to_owned() }, table)
    }

    /// Inserts each row, with `batch` and `time_ms`.
    pub fn append(path: impl AsRef<Path>, table: &str) -> SqlSink<Self, Append> {
        SqlSink::new(Sqlite { path: path.as_ref().to_owned() }, table)
    }
}

impl Database for Sqlite {
    type Connection = SqliteConnection;

    const KIND: &'static str = "sqlite";

    fn place(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn connect(&self) -> Result<SqliteConnection, Fault> {
        if !self.path.is_file() {
            return Err(Fault::Invalid(format!(
                "there is no file `{}`: create it, with the table",
                self.path.display()
            )));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags).map_err(fault)?;
        // A batch that is committed must survive a power cut.
        connection.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
        Ok(SqliteConnection { connection })
    }
}

pub struct SqliteConnection {
    connection: rusqlite::Connection,
}

/// What went wrong: others' locks pass, and so may a disk that is full.
fn fault(error: Error) -> Fault {
    let passing = [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked, ErrorCode::DiskFull];
    match error.sqlite_error_code().is_some_and(|code| passing.contains(&code)) {
        true => Fault::Passing(Box::new(error)),
        false => Fault::Lasting(Box::new(error)),
    }
}

fn parameter(value: &Value) -> Result<Stored, Fault> {
    let beyond = |value: &dyn std::fmt::Display| {
        Fault::Invalid(format!("SQLite can't keep the number {value}"))
    };
    Ok(match value {
        Value::Null => Stored::Null,
        Value::Bool(value) => Stored::Integer((*value).into()),
        Value::Integer(value) => Stored::Integer(i64::try_from(*value).map_err(|_| beyond(value))?),
        // It would become NULL.
        Value::Float(value) if value.is_nan() => return Err(beyond(value)),
        Value::Float(value) => Stored::Real(value.0),
        Value::Text(value) => Stored::Text(value.clone()),
        Value::Bytes(value) => Stored::Blob(value.clone()),
    })
}

fn removal(layout: &Layout) -> String {
    let key = Layout::list(layout.key_columns(), '"', |name| format!("{name} = ?"));
    format!("DELETE FROM {} WHERE {}", layout.table.quoted('"'), key.join(" AND "))
}

fn insertion(layout: &Layout) -> String {
    format!(
        "INSERT INTO {} ({}) VALUES ({}){}",
        layout.table.quoted('"'),
        layout.names('"'),
        vec!["?"; layout.columns.len()].join(", "),
        layout.on_conflict()
    )
}

impl SqliteConnection {
    fn for_each<'a, V: IntoIterator<Item = &'a Value>>(
        &self,
        sql: &str,
        rows: impl Iterator<Item = V>,
    ) -> Result<(), Fault> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        for row in rows {
            let values: Vec<Stored> =
                row.into_iter().map(parameter).collect::<Result<_, Fault>>()?;
            statement.execute(params_from_iter(values)).map_err(fault)?;
        }
        Ok(())
    }

    /// All rows of a query on a table and its schema.
    fn look<T>(
        &self,
        sql: &str,
        (table, schema): (&str, &str),
        read: impl FnMut(&rusqlite::Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Fault> {
        let mut statement = self.connection.prepare(sql).map_err(fault)?;
        let rows = statement.query_map([table, schema], read).map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }
}

impl Connection for SqliteConnection {
    const NAME_TYPE: &'static str = "TEXT";
    const TABLE_OPTIONS: &'static str = "";
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    fn describe(&mut self, table: &TableName) -> Result<Description, Fault> {
        let schema = table.schema.as_deref().unwrap_or("main");
        let place = (&*table.table, schema);
        let mut keys = Vec::new();
        let mut columns = self.look(COLUMNS, place, |row| {
            let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
            if row.get::<_, i64>(3)? > 0 {
                keys.push((name.clone(), kind.eq_ignore_ascii_case("integer")));
            }
            Ok(Column { name, kind, needed: row.get(2)?, loose: None })
        })?;
        let mut unique = Vec::new();
        // Such a key is the row's own number, and has no index.
        if let [(name, true)] = &keys[..] {
            unique.push(vec![name.clone()]);
        }
        for index in self.look(UNIQUE, place, |row| row.get::<_, String>(0))? {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let parts: Vec<(Option<String>, String)> = self.look(INDEX, (&index, schema), read)?;
            for column in &mut columns {
                let loosely = parts.iter().find(|(name, collation)| {
                    name.as_ref() == Some(&column.name) && collation != "BINARY"
                });
                if let Some((_, collation)) = loosely {
                    column.loose = Some(format!(
                        "the collation `{collation}` takes texts that differ for the same: make it \
                         `BINARY`"
                    ));
                }
            }
            // An expression has no name.
            let names: Option<Vec<String>> = parts.into_iter().map(|(name, _)| name).collect();
            unique.extend(names);
        }
        Ok(Description { columns, unique, replaces_by_any: false })
    }

    fn check(&mut self, layout: &Layout) -> Result<(), Fault> {
        if !layout.key.is_empty() {
            self.connection.prepare_cached(&removal(layout)).map_err(fault)?;
        }
        self.connection.prepare_cached(&insertion(layout)).map(|_| ()).map_err(fault)
    }

    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.connection.execute_batch(sql).map_err(fault)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Fault> {
        let values: Vec<Stored> = values.iter().map(parameter).collect::<Result<_, Fault>>()?;
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        statement.execute(params_from_iter(values)).map(|rows| rows as u64).map_err(fault)
    }

    fn numbers(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Vec<i64>>, Fault> {
        let values: Vec<Stored> = values.iter().map(parameter).collect::<Result<_, Fault>>()?;
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        let columns = statement.column_count();
        let rows = statement
            .query_map(params_from_iter(values), |row| {
                (0..columns).map(|column| row.get(column)).collect()
            })
            .map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }

    fn remove(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let keys = rows.iter().map(|row| layout.key.iter().map(|index| &row[*index]));
        self.for_each(&removal(layout), keys)
    }

    fn put(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        self.for_each(&insertion(layout), rows.iter().copied())
    }
}

const COLUMNS: &str = "
    SELECT name, type, \"notnull\" AND dflt_value IS NULL AND NOT pk, pk
    FROM pragma_table_xinfo(?, ?) WHERE hidden = 0 ORDER BY cid";

const UNIQUE: &str =
    "SELECT name FROM pragma_index_list(?, ?) WHERE \"unique\" AND NOT partial ORDER BY seq";

const INDEX: &str = "SELECT name, coll FROM pragma_index_xinfo(?, ?) WHERE key ORDER BY seqno";
