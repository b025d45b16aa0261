//! What a database must be able to do.

use std::error::Error;

use super::cells::Value;
use super::layout::{Description, Layout, TableName};

/// A database that can be connected to.
pub trait Database: Clone + Send + 'static {
    /// What is connected.
    type Connection: Connection;

    /// Its kind, as its URLs begin.
    const KIND: &'static str;

    /// Where it is, for messages: never with a password.
    fn place(&self) -> String;

    /// Connects.
    fn connect(&self) -> Result<Self::Connection, Fault>;
}

/// A connection; whatever it has begun and not committed is undone when it is dropped.
///
/// Parameters of statements are written `?`.
pub trait Connection: Send {
    /// The type of a column of names, each of which is another.
    const NAME_TYPE: &'static str;
    /// What is written behind a table's definition.
    const TABLE_OPTIONS: &'static str;
    /// How a transaction that will write begins.
    const BEGIN: &'static str;

    /// The table as it is: without columns, if there is none.
    fn describe(&mut self, table: &TableName) -> Result<Description, Fault>;

    /// Has the statements checked that write this layout, inside a transaction that is given up.
    fn check(&mut self, layout: &Layout) -> Result<(), Fault>;

    /// Runs a statement without parameters.
    fn run(&mut self, sql: &str) -> Result<(), Fault>;

    /// Runs a statement, and says how many rows it has changed.
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, Fault>;

    /// The rows that a query of whole numbers gives.
    fn numbers(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Vec<i64>>, Fault>;

    /// Deletes the rows with the keys of these.
    fn remove(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault>;

    /// Inserts these rows; where the layout has a key, in place of those with their keys.
    fn put(&mut self, layout: &Layout, rows: &[&[Value]]) -> Result<(), Fault>;
}

/// What kept a database from doing something.
#[derive(Debug)]
pub enum Fault {
    /// The server is away, or another transaction was in the way: trying again helps.
    Passing(Box<dyn Error + Send + Sync>),
    /// What the server refuses.
    Lasting(Box<dyn Error + Send + Sync>),
    /// What can't be asked of it: what is wrong, and the remedy.
    Invalid(String),
}
