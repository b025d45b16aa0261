//! Prints the first rows of each batch, as Spark's `print` does.

use std::fmt::Write as _;
use std::io::{self, Write};

use tidegate_operators::{Record, Tick};

use super::{Sink, Writer};
use crate::error::SinkError;

/// Prints each batch: its time, its first rows, and how many there are.
///
/// ```text
/// -------------------------------------------
/// Time: 1357008430000 ms  (batch 3, 1204 rows)
/// -------------------------------------------
/// ("gate", 17)
/// ("tide", 23)
/// ...
/// ```
pub struct Console<D> {
    rows_max: usize,
    to: Option<Box<dyn Write + Send>>,
    format: fn(&D) -> String,
}

impl<D: Record> Default for Console<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Record> Console<D> {
    /// Prints the first ten rows to standard output, as `Debug` shows them.
    pub fn new() -> Self {
        Console { rows_max: 10, to: None, format: super::text_files::line_of }
    }

    /// Prints this many rows of each batch.
    pub fn rows_max(mut self, rows: usize) -> Self {
        self.rows_max = rows;
        self
    }

    /// Prints somewhere else.
    pub fn to(mut self, to: impl Write + Send + 'static) -> Self {
        self.to = Some(Box::new(to));
        self
    }

    /// Shows rows in another way.
    pub fn format(mut self, format: fn(&D) -> String) -> Self {
        self.format = format;
        self
    }
}

impl<D: Record> Sink<D> for Console<D> {
    fn name(&self) -> String {
        "console".into()
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        Ok(Box::new(Printer {
            rows_max: self.rows_max,
            to: self.to.take().unwrap_or_else(|| Box::new(io::stdout())),
            format: self.format,
        }))
    }
}

struct Printer<D> {
    rows_max: usize,
    to: Box<dyn Write + Send>,
    format: fn(&D) -> String,
}

impl<D: Record> Writer<D> for Printer<D> {
    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        let rule = "-------------------------------------------";
        let counted = match rows.len() {
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        let mut text =
            format!("{rule}\nTime: {} ms  (batch {}, {counted})\n{rule}\n", tick.time_ms, tick.id);
        for row in rows.iter().take(self.rows_max) {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{}", (self.format)(row));
        }
        if rows.len() > self.rows_max {
            text.push_str("...\n");
        }
        text.push('\n');
        self.to
            .write_all(text.as_bytes())
            .and_then(|()| self.to.flush())
            .map_err(|source| SinkError::Stream { to: "the terminal", source })
    }
}
