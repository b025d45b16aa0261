//! Operations that look at one row of a table at a time.

use tidegate_operators::Record;
use timely::dataflow::operators::Concat;

use super::{Inside, Place, Table};
use crate::batch::chunkwise;
use crate::context::Options;
use crate::error::BuildError;

impl<'s, D: Record> Table<'s, D> {
    /// One row for each row.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a", "b"]], |words| {
    ///     words.running().count_by_value().map(|(word, n)| format!("{n} {word}")).snapshots()
    /// });
    /// assert_eq!(counts, [["1 a", "1 b"]]);
    /// ```
    pub fn map<E>(self, logic: impl FnMut(D) -> E + 'static) -> Table<'s, E>
    where
        E: Record,
    {
        let mut logic = logic;
        let (ctx, slide) = (self.ctx, self.slide);
        match self.inside {
            Inside::Differences(rows) => Table::of_collection(ctx, rows.map(logic), slide),
            Inside::Contents(rows) => {
                let rows = chunkwise(rows, "Map", move |chunks| chunks.map(&mut logic));
                Table::of_rows(ctx, rows, slide)
            }
        }
    }

    /// Any number of rows for each row.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let rows = batches(vec![vec!["ab"]], |words| {
    ///     words.running().table().flat_map(|word: String| word.chars().collect::<Vec<_>>()).snapshots()
    /// });
    /// assert_eq!(rows, [['a', 'b']]);
    /// ```
    pub fn flat_map<I>(self, logic: impl FnMut(D) -> I + 'static) -> Table<'s, I::Item>
    where
        I: IntoIterator,
        I::Item: Record,
    {
        let mut logic = logic;
        let (ctx, slide) = (self.ctx, self.slide);
        match self.inside {
            Inside::Differences(rows) => {
                let rows = rows.flat_map(move |row| logic(row).into_iter().collect::<Vec<_>>());
                Table::of_collection(ctx, rows, slide)
            }
            Inside::Contents(rows) => {
                let rows = chunkwise(rows, "FlatMap", move |chunks| chunks.flat_map(&mut logic));
                Table::of_rows(ctx, rows, slide)
            }
        }
    }

    /// The rows for which `keep` holds.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let often = batches(vec![vec!["a", "b", "a"]], |words| {
    ///     words.running().count_by_value().filter(|(_, n)| *n > 1).snapshots()
    /// });
    /// assert_eq!(often, [[("a".to_string(), 2)]]);
    /// ```
    pub fn filter(self, keep: impl FnMut(&D) -> bool + 'static) -> Table<'s, D> {
        let mut keep = keep;
        let inside = match self.inside {
            Inside::Differences(rows) => Inside::Differences(rows.filter(keep)),
            Inside::Contents(rows) => {
                Inside::Contents(chunkwise(rows, "Filter", move |mut chunks| {
                    chunks.retain(&mut keep);
                    chunks
                }))
            }
        };
        Table { inside, ..self }
    }

    /// A key for each row.
    pub fn key_by<K>(self, key: impl FnMut(&D) -> K + 'static) -> Table<'s, (K, D)>
    where
        K: Record,
    {
        let mut key = key;
        self.map(move |row| (key(&row), row))
    }

    /// The rows of both tables: a row that is in both is there twice.
    pub fn union(self, other: Table<'s, D>) -> Table<'s, D> {
        let (ctx, slide) = (self.ctx, self.slide);
        if slide != other.slide {
            let (left, right) = (slide, other.slide);
            ctx.reject(BuildError::Slides { operation: "union", left, right });
        }
        match (self.inside, other.inside) {
            (Inside::Contents(first), Inside::Contents(second)) => {
                Table::of_rows(ctx, first.concat(second), slide)
            }
            (first, second) => {
                let table = |inside| Table {
                    ctx,
                    inside,
                    place: None,
                    consolidated: false,
                    slide,
                    options: Options::default(),
                };
                let rows = table(first).into_collection().concat(table(second).into_collection());
                Table::of_collection(ctx, rows, slide)
            }
        }
    }
}

impl<'s, K: Record, V: Record> Table<'s, (K, V)> {
    /// Another value for each value.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let doubled = batches(vec![vec!["a"]], |words| {
    ///     words.running().count_by_value().map_values(|n| n * 2).snapshots()
    /// });
    /// assert_eq!(doubled, [[("a".to_string(), 2)]]);
    /// ```
    pub fn map_values<W>(self, logic: impl FnMut(V) -> W + 'static) -> Table<'s, (K, W)>
    where
        W: Record,
    {
        let mut logic = logic;
        let placed = self.place.is_some();
        self.map(move |(key, value)| (key, logic(value))).still_by_key(placed)
    }

    /// Any number of values for each value, under the same key.
    pub fn flat_map_values<I>(self, logic: impl FnMut(V) -> I + 'static) -> Table<'s, (K, I::Item)>
    where
        I: IntoIterator,
        I::Item: Record,
    {
        let mut logic = logic;
        let placed = self.place.is_some();
        let rows = self.flat_map(move |(key, value)| {
            let values = logic(value).into_iter();
            values.map(|value| (key.clone(), value)).collect::<Vec<_>>()
        });
        rows.still_by_key(placed)
    }

    /// Pairs whose keys have not changed are where they were, if they were placed by key.
    fn still_by_key(self, placed: bool) -> Self {
        Table { place: placed.then(Place::by_key), ..self }
    }
}
