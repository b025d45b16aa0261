//! MySQL and MariaDB.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error, Opts, OptsBuilder, Params};

use super::cells::Value;
use super::connection::{Connection, Database, Fault};
use super::layout::{Column, Description, Layout, TableName};
use super::{Append, SqlSink, Upsert};

/// MySQL and MariaDB.
///
/// Rows travel hundreds in a statement. The table's engine must be InnoDB. A key that is text must
/// have a collation that tells all texts apart, also by the spaces at their ends:
/// `utf8mb4_nopad_bin` (MariaDB) or `utf8mb4_0900_bin` (MySQL), or be `VARBINARY`; and there may be no
/// other unique index, since MySQL would replace rows by that one, too.
#[derive(Clone)]
pub struct MySql {
    url: String,
}

impl MySql {
    /// Keeps a table equal to a [`Table`](crate::Table): takes its changes. The URL is
    /// `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// ```
    /// use tidegate::Change;
    /// use tidegate::sink::Sink;
    /// use tidegate::sink::sql::MySql;
    ///
    /// let counts = MySql::upsert("mysql://me:secret@localhost/shop", "counts").key(["word"]);
    /// assert_eq!(Sink::<Change<(String, i64)>>::name(&counts), "mysql:counts");
    /// ```
    pub fn upsert(url: &str, table: &str) -> SqlSink<Self, Upsert> {
        SqlSink::new(MySql { url: url.to_owned() }, table)
    }

    /// Inserts each row, with `batch` and `time_ms`.
    pub fn append(url: &str, table: &str) -> SqlSink<Self, Append> {
        SqlSink::new(MySql { url: url.to_owned() }, table)
    }
}

/// Numbers of rows for which statements are prepared.
const GRADES: [usize; 6] = [1024, 256, 64, 16, 4, 1];

/// Parameters that a statement may have.
const PARAMETERS_MAX: usize = 65_535;

/// Bytes of values that go in one statement, unless one row has more: servers have a limit.
const BYTES_MAX: usize = 1 << 20;

impl Database for MySql {
    type Connection = MySqlConnection;

    const KIND: &'static str = "mysql";

    fn place(&self) -> String {
        let Ok(opts) = Opts::from_url(&self.url) else { return "MySQL".to_owned() };
        let (host, port) = (opts.get_ip_or_hostname(), opts.get_tcp_port());
        format!("mysql://{host}:{port}/{}", opts.get_db_name().unwrap_or_default())
    }

    fn connect(&self) -> Result<MySqlConnection, Fault> {
        let opts = Opts::from_url(&self.url).map_err(|error| {
            Fault::Invalid(format!(
                "the database's URL can't be understood: {error}: use \
                 `mysql://USER:PASSWORD@HOST:PORT/DATABASE`"
            ))
        })?;
        // What can't be kept as it is must be an error, whatever the server's own mode.
        let session = [
            "SET SESSION sql_mode = \
             'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        ];
        // A server that has gone without a word is noticed after a minute.
        let opts = OptsBuilder::from_opts(opts)
            .tcp_connect_timeout(Some(Duration::from_secs(10)))
            .tcp_keepalive_time_ms(Some(30_000))
            .tcp_keepalive_probe_interval_secs(Some(10))
            .tcp_keepalive_probe_count(Some(3))
            .tcp_user_timeout_ms(Some(60_000))
            .prefer_socket(false)
            .init(session.to_vec());
        let mut conn = Conn::new(opts).map_err(fault)?;
        // What a client that has stopped may hold up; MySQL does not have this.
        match conn.query_drop("SET SESSION idle_transaction_timeout = 60") {
            Err(Error::MySqlError(error)) if error.code == UNKNOWN_VARIABLE => {}
            outcome => outcome.map_err(fault)?,
        }
        Ok(MySqlConnection { conn })
    }
}

const UNKNOWN_VARIABLE: u16 = 1193;

pub struct MySqlConnection {
    conn: Conn,
}

/// A statement's or a connection's error.
fn fault(error: Error) -> Fault {
    let passing = match &error {
        Error::IoError(_) => true,
        // Others say that a packet is too large, or none at all.
        Error::CodecError(error) => std::error::Error::source(error).is_some(),
        Error::DriverError(error) => matches!(
            error,
            DriverError::ConnectTimeout
                | DriverError::CouldNotConnect(Some(_))
                | DriverError::PacketOutOfSync
                | DriverError::UnexpectedPacket
                | DriverError::Timeout
        ),
        Error::MySqlError(error) => is_passing(error.code),
        _ => false,
    };
    // What the server or the system says stands for itself.
    let source: Box<dyn std::error::Error + Send + Sync> = match error {
        Error::MySqlError(said) => Box::new(said),
        Error::IoError(said) => Box::new(said),
        other => Box::new(other),
    };
    match passing {
        true => Fault::Passing(source),
        false => Fault::Lasting(source),
    }
}

/// Whether an error that the server names is one that passes.
fn is_passing(code: u16) -> bool {
    let full = [1021, 1040, 1041, 1114, 1135, 1203, 1226];
    let in_the_way = [1020, 1205, 1213, 3572];
    let away = [1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031];
    let read_only = [1290, 1792, 1836];
    [&full[..], &in_the_way, &away, &read_only].concat().contains(&code)
}

/// A value as a parameter.
fn parameter(value: &Value) -> Result<mysql::Value, Fault> {
    Ok(match value {
        Value::Null => mysql::Value::NULL,
        Value::Bool(value) => mysql::Value::Int((*value).into()),
        Value::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(value), _) => mysql::Value::Int(value),
            (_, Ok(value)) => mysql::Value::UInt(value),
            _ => mysql::Value::Bytes(value.to_string().into_bytes()),
        },
        Value::Float(value) if !value.is_finite() => {
            return Err(Fault::Invalid(format!("MySQL can't keep the number {value}")));
        }
        Value::Float(value) => mysql::Value::Double(value.0),
        Value::Text(value) => mysql::Value::Bytes(value.clone().into_bytes()),
        Value::Bytes(value) => mysql::Value::Bytes(value.clone()),
    })
}

fn parameters<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<Params, Fault> {
    let values: Vec<mysql::Value> =
        values.into_iter().map(parameter).collect::<Result<_, Fault>>()?;
    Ok(match values.is_empty() {
        true => Params::Empty,
        false => Params::Positional(values),
    })
}

/// Rows in parts for which there are statements.
fn graded<'a>(
    rows: &'a [&'a [Value]],
    parameters_a_row: usize,
) -> impl Iterator<Item = &'a [&'a [Value]]> {
    let mut left = rows;
    std::iter::from_fn(move || {
        let most = GRADES[0].min(PARAMETERS_MAX / parameters_a_row.max(1));
        let mut bytes = 0;
        let light = |row: &&&[Value]| {
            bytes += row.iter().map(size).sum::<usize>();
            bytes <= BYTES_MAX
        };
        let fitting = left.iter().take(most).take_while(light).count();
        // One row goes in any case.
        let grade = GRADES.iter().find(|grade| **grade <= fitting.max(1));
        let (part, rest) = left.split_at_checked(*grade?)?;
        left = rest;
        Some(part)
    })
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 8,
    }
}

/// So many times the same text, in a list.
fn repeated(text: &str, times: usize, between: &str) -> String {
    vec![text; times].join(between)
}

fn removal(layout: &Layout, rows: usize) -> String {
    let key = Layout::list(layout.key_columns(), '`', |name| format!("{name} = ?")).join(" AND ");
    let table = layout.table.quoted('`');
    format!("DELETE FROM {table} WHERE {}", repeated(&format!("({key})"), rows, " OR "))
}

fn insertion(layout: &Layout, rows: usize) -> String {
    let row = format!("({})", repeated("?", layout.columns.len(), ", "));
    let rows = repeated(&row, rows, ", ");
    let (table, names) = (layout.table.quoted('`'), layout.names('`'));
    let replaced = match layout.key.is_empty() {
        true => String::new(),
        false => {
            // Where all columns are the key, there is nothing to replace.
            let mut set =
                Layout::list(layout.others(), '`', |name| format!("{name} = VALUES({name})"));
            if set.is_empty() {
                set = Layout::list(layout.key_columns(), '`', |name| format!("{name} = {name}"));
            }
            format!(" ON DUPLICATE KEY UPDATE {}", set.join(", "))
        }
    };
    format!("INSERT INTO {table} ({names}) VALUES {rows}{replaced}")
}

/// A collation that tells all texts apart.
fn is_exact(kind: &str, collation: Option<&str>) -> bool {
    match (kind, collation) {
        ("char", _) => false,
        (_, None) => true,
        ("enum" | "set", _) => true,
        (_, Some(collation)) => {
            collation.ends_with("_nopad_bin") || collation.ends_with("_0900_bin")
        }
    }
}

impl Connection for MySqlConnection {
    const NAME_TYPE: &'static str = "VARBINARY(255)";
    const TABLE_OPTIONS: &'static str = " ENGINE = InnoDB";
    const BEGIN: &'static str = "BEGIN";

    fn describe(&mut self, table: &TableName) -> Result<Description, Fault> {
        let place = (table.schema.as_deref(), &*table.table);
        let engine: Option<Option<String>> = self.conn.exec_first(ENGINE, place).map_err(fault)?;
        if let Some(Some(engine)) = engine
            && engine != "InnoDB"
        {
            let name = table.quoted('`');
            return Err(Fault::Invalid(format!(
                "table {name} has the engine {engine}, which knows no transactions: `ALTER TABLE \
                 {name} ENGINE = InnoDB`"
            )));
        }
        let columns: Vec<(String, String, bool, Option<String>)> =
            self.conn.exec(COLUMNS, place).map_err(fault)?;
        let columns = columns.into_iter().map(|(name, kind, needed, collation)| {
            let kind = kind.to_lowercase();
            let loose = (!is_exact(&kind, collation.as_deref())).then(|| {
                format!(
                    "its type `{kind}` with the collation `{}` takes texts that differ for the same: \
                     make it `VARBINARY`, or `VARCHAR` with the collation `utf8mb4_nopad_bin` \
                     (MySQL: `utf8mb4_0900_bin`)",
                    collation.unwrap_or_default()
                )
            });
            Column { name, kind, needed, loose }
        });
        let columns = columns.collect();
        let parts: Vec<(String, Option<String>)> = self.conn.exec(UNIQUE, place).map_err(fault)?;
        let mut unique: Vec<(String, Vec<String>)> = Vec::new();
        for (index, column) in parts {
            if unique.last().is_none_or(|(last, _)| *last != index) {
                unique.push((index, Vec::new()));
            }
            if let (Some((_, columns)), Some(column)) = (unique.last_mut(), column) {
                columns.push(column);
            }
        }
        let unique = unique.into_iter().map(|(_, columns)| columns).collect();
        Ok(Description { columns, unique, replaces_by_any: true })
    }

    /// Prepares them: the server looks at names and rights.
    fn check(&mut self, layout: &Layout) -> Result<(), Fault> {
        if !layout.key.is_empty() {
            self.conn.prep(removal(layout, 1)).map_err(fault)?;
        }
        self.conn.prep(insertion(layout, 1)).map(|_| ()).map_err(fault)
    }

    fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.conn.query_drop(sql).map_err(fault)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Fault> {
        self.conn.exec_drop(sql, parameters(values)?).map_err(fault)?;
        Ok(self.conn.affected_rows())
    }

    fn numbers(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Vec<i64>>, Fault> {
        let rows: Vec<mysql::Row> = self.conn.exec(sql, parameters(values)?).map_err(fault)?;
        let number = |value| mysql::from_value_opt::<i64>(value).map_err(|e| fault(e.into()));
        rows.into_iter().map(|row| row.unwrap().into_iter().map(number).collect()).collect()
    }

    fn remove(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        graded(rows, layout.key.len()).try_for_each(|rows| {
            let keys = rows.iter().flat_map(|row| layout.key.iter().map(|index| &row[*index]));
            let statement = removal(layout, rows.len());
            self.conn.exec_drop(statement, parameters(keys)?).map_err(fault)
        })
    }

    fn put(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault> {
        graded(rows, layout.columns.len()).try_for_each(|rows| {
            let statement = insertion(layout, rows.len());
            let values = parameters(rows.iter().copied().flatten())?;
            self.conn.exec_drop(statement, values).map_err(fault)
        })
    }
}

const ENGINE: &str = "
    SELECT engine FROM information_schema.tables
    WHERE table_schema = coalesce(?, database()) AND table_name = ?";

const COLUMNS: &str = "
    SELECT column_name, data_type,
        is_nullable = 'NO' AND column_default IS NULL AND extra NOT LIKE '%auto_increment%',
        collation_name
    FROM information_schema.columns
    WHERE table_schema = coalesce(?, database()) AND table_name = ?
        AND extra NOT LIKE '%GENERATED%'
    ORDER BY ordinal_position";

/// Without a name, the part of an index is no whole column.
const UNIQUE: &str = "
    SELECT index_name, if(sub_part IS NULL, column_name, NULL) FROM information_schema.statistics
    WHERE table_schema = coalesce(?, database()) AND table_name = ? AND non_unique = 0
    ORDER BY index_name, seq_in_index";

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(key: Vec<usize>) -> Layout {
        let column = |name: &str| Column {
            name: name.into(),
            kind: "int".into(),
            needed: false,
            loose: None,
        };
        Layout { table: TableName::new("t"), columns: ["a", "b"].map(column).into(), key }
    }

    #[test]
    fn statements_have_a_place_for_each_value() {
        assert_eq!(removal(&layout(vec![0, 1]), 2).matches('?').count(), 4);
        let insert = "INSERT INTO `t` (`a`, `b`) VALUES (?, ?), (?, ?)";
        assert_eq!(insertion(&layout(vec![]), 2), insert);
        let upsert = format!("{insert} ON DUPLICATE KEY UPDATE `b` = VALUES(`b`)");
        assert_eq!(insertion(&layout(vec![0]), 2), upsert);
        assert!(insertion(&layout(vec![0, 1]), 1).ends_with("`a` = `a`, `b` = `b`"));
    }

    #[test]
    fn rows_go_in_parts_of_few_sizes() {
        let values = [Value::Null];
        let sizes = |rows: usize, parameters| -> Vec<usize> {
            graded(&vec![&values[..]; rows], parameters).map(<[_]>::len).collect()
        };
        assert_eq!(sizes(1_350, 2), [1024, 256, 64, 4, 1, 1]);
        assert!(sizes(0, 2).is_empty());
        assert_eq!(sizes(300, 200), [256, 16, 16, 4, 4, 4]);
        assert_eq!(sizes(300, 1_000), [64, 64, 64, 64, 16, 16, 4, 4, 4]);
        let large = [Value::Bytes(vec![0; BYTES_MAX / 3])];
        assert_eq!(graded(&[&large[..]; 5], 1).count(), 5, "each statement holds one");
    }

    #[test]
    fn collations_tell_texts_apart_or_do_not() {
        for (kind, collation, exact) in [
            ("varchar", Some("utf8mb4_general_ci"), false),
            ("varchar", Some("utf8mb4_bin"), false),
            ("varchar", Some("utf8mb4_nopad_bin"), true),
            ("varchar", Some("utf8mb4_0900_bin"), true),
            ("varbinary", None, true),
            ("bigint", None, true),
            ("char", Some("utf8mb4_nopad_bin"), false),
        ] {
            assert_eq!(is_exact(kind, collation), exact, "{kind} {collation:?}");
        }
    }

    #[test]
    fn a_place_has_no_password() {
        let mysql = MySql { url: "mysql://me:secret@db.example:77/shop".to_owned() };
        assert_eq!(mysql.place(), "mysql://db.example:77/shop");
    }
}
