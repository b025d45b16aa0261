//! A way to run a program.

use std::sync::Arc;

use tidegate_operators::Record;

use crate::{DStream, Strategy, Table};

/// From the rows that come in to a table.
type Program<D, R> = Arc<dyn for<'s> Fn(DStream<'s, D>) -> Table<'s, R> + Send + Sync>;

/// A program, and how its state is kept.
pub struct Mode<D, R: 'static> {
    /// What it is called: `incremental, hash index`.
    pub name: String,
    /// How its state is kept, unless the program says so for some operator.
    pub strategy: Strategy,
    pub(super) program: Program<D, R>,
}

impl<D, R: 'static> Clone for Mode<D, R> {
    fn clone(&self) -> Self {
        let (name, program) = (self.name.clone(), Arc::clone(&self.program));
        Mode { name, strategy: self.strategy, program }
    }
}

/// What the mode is called against which the others are held.
pub(super) const INCREMENTAL: &str = "incremental, hash index";
pub(super) const ARRANGEMENT: &str = "incremental, arrangement";
pub(super) const PARTIALS: &str = "partials";
pub(super) const RECOMPUTE: &str = "recompute";

impl<D: Record, R: Record> Mode<D, R> {
    /// A mode of one's own: another version of a program, for instance.
    pub fn new(
        name: impl Into<String>,
        strategy: Strategy,
        program: impl for<'s> Fn(DStream<'s, D>) -> Table<'s, R> + Send + Sync + 'static,
    ) -> Self {
        Mode { name: name.into(), strategy, program: Arc::new(program) }
    }

    /// A program with each of the four strategies: incremental in a hash index and in an
    /// arrangement, from partial aggregates, and recomputed.
    ///
    /// ```
    /// use tidegate::compare::Mode;
    ///
    /// let modes = Mode::every(|words: tidegate::DStream<'_, String>| {
    ///     words.running().count_by_value()
    /// });
    /// let names = modes.iter().map(|mode| &*mode.name);
    /// assert!(names.eq(["incremental, hash index", "incremental, arrangement", "partials", "recompute"]));
    /// ```
    pub fn every(
        program: impl for<'s> Fn(DStream<'s, D>) -> Table<'s, R> + Send + Sync + 'static,
    ) -> Vec<Self> {
        let program: Program<D, R> = Arc::new(program);
        let modes = [
            (INCREMENTAL, Strategy::HashIndex),
            (ARRANGEMENT, Strategy::Arrangement),
            (PARTIALS, Strategy::Partials),
            (RECOMPUTE, Strategy::Recompute),
        ];
        let mode = |(name, strategy): (&str, Strategy)| {
            let (name, program) = (name.to_owned(), Arc::clone(&program));
            Mode { name, strategy, program }
        };
        modes.map(mode).into()
    }
}
