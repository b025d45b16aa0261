//! One server of each kind for all tests, each with a database of its own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use tempfile::TempDir;
use tidegate::error::SinkError;
use tidegate::operators::Tick;
use tidegate::sink::sql::{Append, MySql, Postgres, SqlSink, Sqlite, Upsert};
use tidegate::sink::{Sink, Writer};
use tidegate::{Change, DStream, Record};
use xtask::sql::{MARIADB_VARIABLE, POSTGRES_VARIABLE};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    MariaDb,
    Sqlite,
}

/// A test: its name, on what it is run, and what it does.
pub type Test = (&'static str, &'static [Kind], fn(Kind));

/// Those that are servers.
pub const SERVERS: &[Kind] = &[Kind::Postgres, Kind::MariaDb];

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Postgres, Kind::MariaDb, Kind::Sqlite];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mariadb",
            Kind::Sqlite => "sqlite",
        }
    }

    /// Why there is none, if so.
    pub fn missing(self) -> Option<String> {
        let variable = match self {
            Kind::Postgres => POSTGRES_VARIABLE,
            Kind::MariaDb => MARIADB_VARIABLE,
            Kind::Sqlite => return None,
        };
        match std::env::var_os(variable) {
            Some(_) => None,
            None => Some(format!(
                "no {}: {variable} is not set (`cargo xtask test` finds or fetches a server)",
                self.name()
            )),
        }
    }

    /// A type for a key that is text.
    pub fn text(self) -> &'static str {
        match self {
            Kind::MariaDb => {
                "VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL"
            }
            _ => "TEXT NOT NULL",
        }
    }
}

/// A server of either kind.
pub enum Server {
    Postgres(xtask::sql::Postgres),
    MariaDb(xtask::sql::MariaDb),
}

impl Server {
    pub fn start(kind: Kind) -> Self {
        match kind {
            Kind::Postgres => Server::Postgres(xtask::sql::Postgres::start().expect("a server")),
            Kind::MariaDb => Server::MariaDb(xtask::sql::MariaDb::start().expect("a server")),
            Kind::Sqlite => panic!("SQLite has no server"),
        }
    }

    pub fn address(&self) -> String {
        match self {
            Server::Postgres(server) => server.address(),
            Server::MariaDb(server) => server.address(),
        }
    }

    pub fn kill(&mut self) {
        match self {
            Server::Postgres(server) => server.kill(),
            Server::MariaDb(server) => server.kill(),
        }
    }

    pub fn resume(&mut self) {
        match self {
            Server::Postgres(server) => server.resume(),
            Server::MariaDb(server) => server.resume(),
        }
        .expect("the server comes back");
    }
}

static SHARED: Mutex<[Option<Server>; 2]> = Mutex::new([None, None]);

/// Stops the servers that tests have needed.
pub fn stop() {
    *SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = [None, None];
}

/// A row of the tests' tables: words and how often they came.
pub type Count = (String, i64);

/// A database of a test's own.
pub struct Place {
    pub kind: Kind,
    /// Its URL, or its file.
    pub url: String,
    _home: Option<TempDir>,
}

impl Place {
    /// A database on the server that the tests share, with the tables `counts` and `log`.
    pub fn new(kind: Kind) -> Self {
        let place = match kind {
            Kind::Sqlite => {
                let home = tempfile::tempdir().expect("a directory");
                let url = home.path().join("test.db").display().to_string();
                rusqlite::Connection::open(&url).expect("a file");
                Place { kind, url, _home: Some(home) }
            }
            _ => {
                let address = {
                    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    shared[kind as usize].get_or_insert_with(|| Server::start(kind)).address()
                };
                Place::at(kind, &address)
            }
        };
        place.with_tables()
    }

    /// A database on a server of the test's own.
    pub fn on(kind: Kind, server: &Server) -> Self {
        Place::at(kind, &server.address()).with_tables()
    }

    fn at(kind: Kind, address: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let (scheme, first) = match kind {
            Kind::Postgres => ("postgres", "postgres"),
            _ => ("mysql", "mysql"),
        };
        let url = |database: &str| format!("{scheme}://tide:gate@{address}/{database}");
        Place { kind, url: url(first), _home: None }.run(&format!("CREATE DATABASE {name}"));
        Place { kind, url: url(&name), _home: None }
    }

    fn with_tables(self) -> Self {
        let word = self.kind.text();
        self.run(&format!("CREATE TABLE counts (word {word} PRIMARY KEY, count BIGINT NOT NULL)"));
        self.run(&format!(
            "CREATE TABLE log (batch BIGINT, time_ms BIGINT, diff BIGINT, word {word}, count BIGINT)"
        ));
        self
    }

    /// The same database.
    pub fn again(&self) -> Self {
        Place { kind: self.kind, url: self.url.clone(), _home: None }
    }

    /// The same database at another address.
    pub fn through(&self, from: &str, to: &str) -> Self {
        Place { kind: self.kind, url: self.url.replace(from, to), _home: None }
    }

    /// Runs a statement; a server that is coming up is waited for.
    pub fn run(&self, sql: &str) {
        self.rows(sql);
    }

    /// The rows of a query, as texts.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let begun = Instant::now();
        loop {
            match self.try_rows(sql) {
                Ok(rows) => return rows,
                Err(error) if begun.elapsed() > Duration::from_secs(20) => {
                    panic!("{}: {sql}: {error}", self.url)
                }
                Err(error) if error.contains("syntax") => panic!("{sql}: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn try_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        match self.kind {
            Kind::Postgres => {
                let mut client = postgres::Client::connect(&self.url, postgres::NoTls)
                    .map_err(|error| format!("{error:?}"))?;
                let messages = client.simple_query(sql).map_err(|error| format!("{error:?}"))?;
                let rows = messages.iter().filter_map(|message| match message {
                    postgres::SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let text = |row: &postgres::SimpleQueryRow, column| {
                    row.get(column).map(|text: &str| text.to_owned())
                };
                Ok(rows.map(|row| (0..row.len()).map(|n| text(row, n)).collect()).collect())
            }
            Kind::MariaDb => {
                let opts = mysql::Opts::from_url(&self.url).expect("a URL");
                let mut conn = mysql::Conn::new(opts).map_err(|error| error.to_string())?;
                let rows: Vec<mysql::Row> = conn.query(sql).map_err(|error| error.to_string())?;
                let text = |value: mysql::Value| mysql::from_value::<Option<Vec<u8>>>(value);
                let text = |value| text(value).map(|b| String::from_utf8_lossy(&b).into_owned());
                Ok(rows
                    .into_iter()
                    .map(|row| row.unwrap().into_iter().map(text).collect())
                    .collect())
            }
            Kind::Sqlite => {
                let said = |error: rusqlite::Error| error.to_string();
                let connection = rusqlite::Connection::open(&self.url).map_err(said)?;
                let mut statement = connection.prepare(sql).map_err(said)?;
                let columns = statement.column_count();
                let text = |value: rusqlite::types::Value| match value {
                    rusqlite::types::Value::Null => None,
                    rusqlite::types::Value::Integer(number) => Some(number.to_string()),
                    rusqlite::types::Value::Real(number) => Some(number.to_string()),
                    rusqlite::types::Value::Text(text) => Some(text),
                    rusqlite::types::Value::Blob(b) => Some(String::from_utf8_lossy(&b).into()),
                };
                let row = |row: &rusqlite::Row<'_>| {
                    (0..columns).map(|column| row.get(column).map(text)).collect::<Result<_, _>>()
                };
                let mut rows = statement.query([]).map_err(said)?;
                let mut found = Vec::new();
                while let Some(next) = rows.next().map_err(said)? {
                    found.push(row(next).map_err(said)?);
                }
                Ok(found)
            }
        }
    }

    /// A number that a query gives.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        let number = rows[0][0].as_deref().unwrap_or("0");
        number.parse().unwrap_or_else(|_| panic!("{sql} gives {rows:?}"))
    }

    /// What is in `counts`, in order.
    pub fn counts(&self) -> Vec<Count> {
        let rows = self.rows("SELECT word, count FROM counts");
        let mut counts: Vec<Count> = rows
            .into_iter()
            .map(|row| match &row[..] {
                [Some(word), Some(count)] => (word.clone(), count.parse().expect("a number")),
                other => panic!("{other:?}"),
            })
            .collect();
        counts.sort();
        counts
    }

    /// A `--sink` for a table of this database.
    pub fn sink(&self, parameters: &str) -> String {
        match self.kind {
            Kind::Sqlite => format!("sqlite:{}?{parameters}", self.url),
            _ => format!("{}?{parameters}", self.url),
        }
    }

    /// Ends a stream in a table that it keeps equal.
    pub fn keep(&self, changes: DStream<'_, Change<Count>>, shards: usize) {
        fn set<DB>(sink: SqlSink<DB, Upsert>, shards: usize) -> SqlSink<DB, Upsert> {
            sink.key(["word"]).columns(["word", "count"]).shards(shards)
        }
        match self.kind {
            Kind::Postgres => changes.sink(set(Postgres::upsert(&self.url, "counts"), shards)),
            Kind::MariaDb => changes.sink(set(MySql::upsert(&self.url, "counts"), shards)),
            Kind::Sqlite => changes.sink(set(Sqlite::upsert(&self.url, "counts"), shards)),
        }
    }

    /// Ends a stream in a table that it adds to.
    pub fn log<D: Record>(&self, rows: DStream<'_, D>, table: &str, shards: usize) {
        fn set<DB>(sink: SqlSink<DB, Append>, shards: usize) -> SqlSink<DB, Append> {
            sink.shards(shards)
        }
        match self.kind {
            Kind::Postgres => rows.sink(set(Postgres::append(&self.url, table), shards)),
            Kind::MariaDb => rows.sink(set(MySql::append(&self.url, table), shards)),
            Kind::Sqlite => rows.sink(set(Sqlite::append(&self.url, table), shards)),
        }
    }

    /// A writer of a table that is kept equal.
    pub fn keeper(&self, shards: usize) -> Writing<Change<Count>> {
        fn open<DB>(
            sink: SqlSink<DB, Upsert>,
            shards: usize,
        ) -> Result<Box<dyn Writer<Change<Count>>>, SinkError>
        where
            SqlSink<DB, Upsert>: Sink<Change<Count>>,
        {
            sink.key(["word"]).columns(["word", "count"]).shards(shards).open(0)
        }
        let opened = match self.kind {
            Kind::Postgres => open(Postgres::upsert(&self.url, "counts"), shards),
            Kind::MariaDb => open(MySql::upsert(&self.url, "counts"), shards),
            Kind::Sqlite => open(Sqlite::upsert(&self.url, "counts"), shards),
        };
        Writing { writer: opened.expect("it can be opened") }
    }

    /// A writer of a table that is added to.
    pub fn adder<D: Record>(&self, table: &str) -> Result<Writing<D>, SinkError> {
        let patience = Duration::from_secs(20);
        let writer = match self.kind {
            Kind::Postgres => Postgres::append(&self.url, table).patience(patience).open(0),
            Kind::MariaDb => MySql::append(&self.url, table).patience(patience).open(0),
            Kind::Sqlite => Sqlite::append(&self.url, table).patience(patience).open(0),
        };
        writer.map(|writer| Writing { writer })
    }
}

/// A writer, driven by hand.
pub struct Writing<D> {
    pub writer: Box<dyn Writer<D>>,
}

impl<D> Writing<D> {
    /// Delivers a batch.
    pub fn batch(&mut self, id: u64, rows: &[D]) -> Result<(), SinkError> {
        let tick = Tick { id, previous: id - 1, time_ms: id as i64 * 1_000, last: false };
        self.writer.begin(&tick)?;
        self.writer.write(&tick, rows)?;
        self.writer.commit(&tick)
    }
}

pub fn came(word: &str, count: i64) -> Change<Count> {
    Change { diff: 1, row: (word.to_owned(), count) }
}

pub fn went(word: &str, count: i64) -> Change<Count> {
    Change { diff: -1, row: (word.to_owned(), count) }
}
