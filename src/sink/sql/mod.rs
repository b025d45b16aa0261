//! Tables of databases: PostgreSQL, MySQL and MariaDB, SQLite.
//!
//! Each has two forms. With `upsert` a database's table equals a [`Table`](crate::Table) after each
//! batch: it takes [`changes`](crate::Table::changes), and a row that came replaces the one with its
//! key, a row that went for good is deleted. With `append` each row is inserted, beside the number
//! (`batch`) and the time (`time_ms`) of its batch; of changes the first column is the difference.
//!
//! A row's fields are its columns, in order: those of structs and tuples within it, too. An `Option`
//! is a value or NULL, the name of a variant is text, and whatever has no columns of its own (a
//! list, a map, a variant with fields) is JSON.
//!
//! The rows of a batch are written in one transaction. In a job with checkpoints the same transaction
//! notes the batch in the table `tidegate_progress`, which is made if it is missing, with the number
//! of the start that wrote it. So a batch is there exactly once, whatever ended the job, the server
//! or the connection; and a process that was taken for dead writes no more. Without checkpoints a
//! batch whose commit got no answer is written again: at least once.
//!
//! A server that is away costs time only, up to [`SqlSink::patience`]; a table, a column, a password
//! or a right that is missing is found before the job starts. Connections are not encrypted: use a
//! server on the same host, a network of one's own, or a tunnel.

mod append;
mod cells;
mod connection;
mod layout;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod progress;
mod session;
mod sink;
#[cfg(feature = "sqlite")]
mod sqlite;
mod upsert;
mod writer;

pub use append::Append;
#[cfg(feature = "mysql")]
pub use mysql::MySql;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
pub use sink::SqlSink;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use upsert::Upsert;
