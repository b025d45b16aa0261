//! PostgreSQL, from version 12 on.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::time::Duration;

use postgres::config::Host;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Statement};

use super::cells::Value;
use super::connection::{Connection, Database, Fault};
use super::layout::{Column, Description, Layout, TableName};
use super::{Append, SqlSink, Upsert};

/// PostgreSQL.
///
/// The rows of a batch travel as arrays, thousands in a statement, each value as text, which the
/// server makes the column's type of: `numeric`, `timestamptz`, `jsonb` and `uuid` take it as well.
/// A text with a NUL byte needs a column of type `bytea`.
#[derive(Clone)]
pub struct Postgres {
    url: String,
}

impl Postgres {
    /// Keeps a table equal to a [`Table`](crate::Table): takes its changes. The URL is
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// ```
    /// use tidegate::Change;
    /// use tidegate::sink::Sink;
    /// use tidegate::sink::sql::Postgres;
    ///
    /// let counts = Postgres::upsert("postgres://me:secret@localhost/shop", "counts")
    ///     .key(["word"])
    ///     .columns(["word", "count"]);
    /// assert_eq!(Sink::<Change<(String, i64)>>::name(&counts), "postgres:counts");
    /// ```
    pub fn upsert(url: &str, table: &str) -> SqlSink<Self, Upsert> {
        SqlSink::new(Postgres { url: url.to_owned() }, table)
    }

    /// Inserts each row, with `batch` and `time_ms`.
    pub fn append(url: &str, table: &str) -> SqlSink<Self, Append> {
        SqlSink::new(Postgres { url: url.to_owned() }, table)
    }
}

/// So many rows go in one statement.
const ROWS_MAX: usize = 10_000;

/// What a client that has stopped may hold up for at most this long, and what it waits for.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '60s'";

impl Database for Postgres {
    type Connection = PostgresConnection;

    const KIND: &'static str = "postgres";

    fn place(&self) -> String {
        let Ok(config) = self.url.parse::<Config>() else { return "PostgreSQL".to_owned() };
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        format!("postgres://{host}:{port}/{}", config.get_dbname().unwrap_or_default())
    }

    fn connect(&self) -> Result<PostgresConnection, Fault> {
        let mut config: Config = self.url.parse().map_err(|error: postgres::Error| {
            let why = error.source().map_or(String::new(), |source| format!(": {source}"));
            Fault::Invalid(format!(
                "the database's URL can't be understood{why}: use \
                 `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"
            ))
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        // A server that has gone without a word is noticed after a minute.
        config
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(60));
        if config.get_application_name().is_none() {
            config.application_name("tidegate");
        }
        let mut client = config.connect(NoTls).map_err(fault)?;
        client.batch_execute(SESSION).map_err(fault)?;
        Ok(PostgresConnection { client, statements: HashMap::new() })
    }
}

pub struct PostgresConnection {
    client: Client,
    /// Those that have been prepared, by their text.
    statements: HashMap<String, Statement>,
}

/// A statement's or a connection's error.
fn fault(error: postgres::Error) -> Fault {
    let first: Option<&(dyn Error + 'static)> = Some(&error);
    let mut causes =
        std::iter::successors(first, |cause: &&(dyn Error + 'static)| (**cause).source());
    let passing = match error.code() {
        Some(code) => is_passing(code.code()),
        None => error.is_closed() || causes.any(|cause| cause.is::<io::Error>()),
    };
    // The error of the server says it all.
    let source: Box<dyn Error + Send + Sync> = match error.as_db_error() {
        Some(said) => Box::new(said.clone()),
        None => Box::new(error),
    };
    match passing {
        true => Fault::Passing(source),
        false => Fault::Lasting(source),
    }
}

/// Whether a state that the server names is one that passes: connections, conflicts, resources and
/// the system itself; a server that starts, stops or is a replica yet; locks.
fn is_passing(state: &str) -> bool {
    let classes = ["08", "40", "53", "58"];
    let states = ["25006", "25P03", "55P03", "57P01", "57P02", "57P03", "57P05"];
    classes.iter().any(|class| state.starts_with(class)) || states.contains(&state)
}

/// A statement with its parameters numbered.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    let numbers = (1..).zip(parts);
    numbers.fold(first, |text, (number, part)| format!("{text}${number}{part}"))
}

/// A value as the server reads it.
fn text<'a>(value: &'a Value, column: &Column) -> Result<Option<Cow<'a, str>>, Fault> {
    let is_binary = column.kind == "bytea";
    let name = &column.name;
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::Integer(value) => Cow::Owned(value.to_string()),
        Value::Float(value) => Cow::Owned(format!("{:?}", value.0)),
        Value::Text(value) if is_binary => Cow::Owned(hex(value.as_bytes())),
        Value::Text(value) if value.contains('\0') => {
            return Err(Fault::Invalid(format!(
                "a text for column `{name}` has a NUL byte, which PostgreSQL keeps in columns of type \
                 `bytea` only: {value:?}"
            )));
        }
        Value::Text(value) => Cow::Borrowed(value),
        Value::Bytes(value) if is_binary => Cow::Owned(hex(value)),
        Value::Bytes(_) => {
            return Err(Fault::Invalid(format!(
                "bytes can't be written to column `{name}` of type `{}`: make it `bytea`",
                column.kind
            )));
        }
    }))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Columns of arrays as a table `u`, and the columns of it in their types.
fn unnested<'a>(columns: impl Iterator<Item = &'a Column>) -> (String, Vec<String>) {
    let kinds: Vec<&str> = columns.map(|column| &*column.kind).collect();
    let list =
        |each: &dyn Fn(usize) -> String| (0..kinds.len()).map(each).collect::<Vec<_>>().join(", ");
    let arrays = list(&|index| format!("${}::text[]", index + 1));
    let names = list(&|index| format!("c{index}"));
    let typed = kinds.iter().enumerate();
    let typed = typed.map(|(index, kind)| format!("u.c{index}::{kind}")).collect();
    (format!("unnest({arrays}) AS u({names})"), typed)
}

impl PostgresConnection {
    fn prepared(&mut self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(fault)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs a statement on some columns of rows.
    fn on_arrays(
        &mut self,
        sql: &str,
        layout: &Layout,
        columns: &[usize],
        rows: &[&[Value]],
    ) -> Result<(), Fault> {
        let array = |index: &usize| {
            rows.iter().map(|row| text(&row[*index], &layout.columns[*index])).collect()
        };
        let arrays: Vec<Vec<Option<Cow<'_, str>>>> =
            columns.iter().map(array).collect::<Result<_, Fault>>()?;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        let statement = self.prepared(sql)?;
        self.client.execute(&statement, &parameters).map(|_| ()).map_err(fault)
    }

    fn remove_some(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        let (arrays, typed) = unnested(layout.key_columns());
        let named = typed.iter().enumerate().map(|(index, typed)| format!("{typed} AS c{index}"));
        let named = named.collect::<Vec<_>>().join(", ");
        let keys = Layout::list(layout.key_columns(), '"', |name| format!("t.{name}"));
        let same = keys.iter().enumerate().map(|(index, key)| format!("{key} = gone.c{index}"));
        let same = same.collect::<Vec<_>>().join(" AND ");
        let sql = format!(
            "DELETE FROM {} AS t USING (SELECT {named} FROM {arrays}) AS gone WHERE {same}",
            layout.table.quoted('"')
        );
        self.on_arrays(&sql, layout, &layout.key, rows)
    }

    fn put_some(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        let (arrays, typed) = unnested(layout.columns.iter());
        let sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM {arrays}{}",
            layout.table.quoted('"'),
            layout.names('"'),
            typed.join(", "),
            layout.on_conflict()
        );
        let all: Vec<usize> = (0..layout.columns.len()).collect();
        self.on_arrays(&sql, layout, &all, rows)
    }
}

impl Connection for PostgresConnection {
    const NAME_TYPE: &'static str = "text";
    const TABLE_OPTIONS: &'static str = "";
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";

    fn describe(&mut self, table: &TableName) -> Result<Description, Fault> {
        let name = table.quoted('"');
        let rows = self.client.query(COLUMNS, &[&name]).map_err(fault)?;
        let columns = rows.iter().map(|row| Column {
            name: row.get(0),
            kind: row.get(1),
            needed: row.get(2),
            loose: row.get::<_, bool>(3).then(|| {
                "its type or collation takes texts that differ for the same: make it `text`, with a \
                 deterministic collation"
                    .to_owned()
            }),
        });
        let unique = self.client.query(UNIQUE, &[&name]).map_err(fault)?;
        Ok(Description {
            columns: columns.collect(),
            unique: unique.iter().map(|row| row.get(0)).collect(),
            replaces_by_any: false,
        })
    }

    /// Runs them on no rows: the server looks at names, types, rights and the unique index.
    fn check(&mut self, layout: &Layout) -> Result<(), Fault> {
        if !layout.key.is_empty() {
            self.remove_some(layout, &[])?;
        }
        self.put_some(layout, &[])
    }

    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.client.batch_execute(sql).map_err(fault)
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, Fault> {
        let parameters = parameters.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|p| &**p).collect();
        let statement = self.prepared(&numbered(sql))?;
        self.client.execute(&statement, &parameters).map_err(fault)
    }

    fn numbers(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Vec<i64>>, Fault> {
        let parameters = parameters.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|p| &**p).collect();
        let statement = self.prepared(&numbered(sql))?;
        let rows = self.client.query(&statement, &parameters).map_err(fault)?;
        let numbers = |row: &postgres::Row| (0..row.len()).map(|n| row.try_get(n)).collect();
        rows.iter().map(numbers).collect::<Result<_, _>>().map_err(fault)
    }

    fn remove(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        rows.chunks(ROWS_MAX).try_for_each(|rows| self.remove_some(layout, rows))
    }

    fn put(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        rows.chunks(ROWS_MAX).try_for_each(|rows| self.put_some(layout, rows))
    }
}

/// A parameter of a statement on numbers and names.
fn parameter(value: &Value) -> Result<Box<dyn ToSql + Sync>, Fault> {
    match value {
        Value::Integer(number) => i64::try_from(*number)
            .map(|number| Box::new(number) as Box<dyn ToSql + Sync>)
            .map_err(|error| Fault::Invalid(format!("`{number}` is no bigint: {error}"))),
        Value::Text(text) => Ok(Box::new(text.clone())),
        other => Err(Fault::Invalid(format!("`{other:?}` is neither a number nor a name"))),
    }
}

const COLUMNS: &str = "
    SELECT a.attname::text, format_type(a.atttypid, -1),
        a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
        t.typname IN ('bpchar', 'citext') OR NOT coalesce(c.collisdeterministic, true)
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated = '' AND a.attidentity <> 'a'
    ORDER BY a.attnum";

const UNIQUE: &str = "
    SELECT array_agg(a.attname::text)
    FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid
        AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
    WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indimmediate AND i.indisvalid
        AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indexrelid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_password() {
        for url in ["postgres://me:secret@db.example:77/shop", "postgresql://me:secret@h/x y"] {
            let postgres = Postgres { url: url.to_owned() };
            assert!(!postgres.place().contains("secret"), "{}", postgres.place());
        }
        let postgres = Postgres { url: "postgres://me:secret@db.example:77/shop".to_owned() };
        assert_eq!(postgres.place(), "postgres://db.example:77/shop");
    }

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(numbered("a = ? AND b < ?"), "a = $1 AND b < $2");
        assert_eq!(numbered("BEGIN"), "BEGIN");
    }

    #[test]
    fn values_are_text_and_bytes_are_hex() {
        let column =
            |kind: &str| Column { name: "c".into(), kind: kind.into(), needed: false, loose: None };
        let shown = |value: Value, kind: &str| {
            text(&value, &column(kind)).ok().flatten().map(Cow::into_owned)
        };
        assert_eq!(shown(Value::Float(1e300.into()), "numeric").unwrap(), "1e300");
        assert_eq!(shown(Value::Float(f64::NAN.into()), "float8").unwrap(), "NaN");
        assert_eq!(shown("\0\\".into(), "bytea").unwrap(), "\\x005c");
        assert_eq!(shown("\0".into(), "text"), None, "refused");
        assert_eq!(shown(Value::Bytes(vec![1]), "text"), None, "refused");
    }
}
