//! Joins of tables: kept right as rows come and go on either side.

use std::cell::OnceCell;
use std::rc::Rc;

use tidegate_operators::join::{self, KeyArrangement, PairArrangement};
use tidegate_operators::keyed::{CoGroup, Side};
use tidegate_operators::{Chunks, Record, ship};
use timely::dataflow::operators::Concat;

use super::{Place, Table};
use crate::batch::{BatchId, Collection, Diff, chunkwise};
use crate::context::Context;
use crate::error::BuildError;

/// A table of pairs that is indexed by key once, for any number of joins and iterations.
///
/// Made by [`Table::arranged_by_key`]. The index is built when the first operation asks for it, and
/// kept for as long as any does.
///
/// ```
/// # use tidegate::doc::batches;
/// // Each word with those that begin alike, and those that nobody else begins like.
/// let pairs = batches(vec![vec!["tide", "ebb"], vec!["time"]], |words| {
///     let by_initial = words.running().table().key_by(|word| word[..1].to_string());
///     let arranged = by_initial.arranged_by_key();
///     let pairs = arranged.join(&arranged).filter(|(_, (one, other))| one < other);
///     pairs.map(|(_, pair)| pair).snapshots()
/// });
/// assert_eq!(pairs, [vec![], vec![("tide".to_string(), "time".to_string())]]);
/// ```
pub struct ArrangedTable<'s, K: Record, V: Record> {
    shared: Rc<Shared<'s, K, V>>,
}

struct Shared<'s, K: Record, V: Record> {
    table: Table<'s, (K, V)>,
    rows: OnceCell<PairArrangement<'s, BatchId, K, V>>,
    keys: OnceCell<KeyArrangement<'s, BatchId, K>>,
}

impl<K: Record, V: Record> Clone for ArrangedTable<'_, K, V> {
    fn clone(&self) -> Self {
        ArrangedTable { shared: Rc::clone(&self.shared) }
    }
}

/// What a table by key can be joined with: another table by key, or one that is
/// [arranged](Table::arranged_by_key) already.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be joined by keys of type `{K}`",
    note = "a table of pairs `({K}, W)` can, and what its `arranged_by_key` gives; `key_by` makes \
            pairs of rows"
)]
pub trait Joinable<'s, K: Record> {
    /// The values that it has under a key.
    type Value: Record;

    /// Its index.
    fn arranged(self) -> ArrangedTable<'s, K, Self::Value>;
}

impl<'s, K: Record, V: Record> Joinable<'s, K> for Table<'s, (K, V)> {
    type Value = V;

    fn arranged(self) -> ArrangedTable<'s, K, V> {
        self.arranged_by_key()
    }
}

impl<'s, K: Record, V: Record> Joinable<'s, K> for ArrangedTable<'s, K, V> {
    type Value = V;

    fn arranged(self) -> ArrangedTable<'s, K, V> {
        self
    }
}

impl<'s, K: Record, V: Record> Joinable<'s, K> for &ArrangedTable<'s, K, V> {
    type Value = V;

    fn arranged(self) -> ArrangedTable<'s, K, V> {
        self.clone()
    }
}

impl<'s, K: Record, V: Record> Table<'s, (K, V)> {
    /// Indexes the table by key, so that several joins and iterations share one index.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // One index of the counts for two joins.
    /// let known = batches(vec![vec!["a", "b", "a"]], |words| {
    ///     let counts = words.clone().running().count_by_value().arranged_by_key();
    ///     let marked = words.running().table().filter(|word| word == "a").key_by(String::clone);
    ///     let marked = marked.distinct().arranged_by_key();
    ///     let known = counts.semi_join(&marked).map(|(word, n)| format!("{word} {n}, marked"));
    ///     let others = counts.anti_join(&marked).map(|(word, n)| format!("{word} {n}"));
    ///     known.union(others).snapshots()
    /// });
    /// assert_eq!(known, [["a 2, marked", "b 1"]]);
    /// ```
    pub fn arranged_by_key(self) -> ArrangedTable<'s, K, V> {
        let shared = Shared { table: self, rows: OnceCell::new(), keys: OnceCell::new() };
        ArrangedTable { shared: Rc::new(shared) }
    }

    /// Every pair of values that both tables have under the same key.
    ///
    /// Kept: both tables, each indexed by key. A batch costs, for each difference of one side, the
    /// values of its key on the other.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// // How often a word came in this batch, and how often in all.
    /// let counts = batches(vec![vec!["a", "a"], vec!["a"], vec![]], |words| {
    ///     let recent = words.clone().window(Span::batches(1), Span::batches(1)).count_by_value();
    ///     recent.join(words.running().count_by_value()).snapshots()
    /// });
    /// let a = "a".to_string();
    /// assert_eq!(counts, [vec![(a.clone(), (2, 2))], vec![(a, (1, 3))], vec![]]);
    /// ```
    pub fn join<J: Joinable<'s, K>>(self, other: J) -> Table<'s, (K, (V, J::Value))> {
        self.arranged_by_key().join(other)
    }

    /// Every pair of values under the same key, and each value here that has no partner there,
    /// alone: such a row goes when a partner comes, and comes back when the last one goes.
    ///
    /// Kept: both tables, each indexed by key, and the keys there. A batch costs its matches, and
    /// all values here of each key that comes or goes there.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let found = batches(vec![vec!["lost:key"], vec!["found:key"]], |lines| {
    ///     let lines = lines.flat_map(|line: String| {
    ///         line.split_once(':').map(|(what, thing)| (thing.to_string(), what.to_string()))
    ///     });
    ///     let rows = lines.running().table();
    ///     let lost = rows.clone().filter(|(_, what)| what == "lost");
    ///     lost.left_outer_join(rows.filter(|(_, what)| what == "found")).changes()
    /// });
    /// let shown: Vec<String> = found[1].iter().map(|change| format!("{change:?}")).collect();
    /// assert_eq!(shown, [
    ///     r#"-1 ("key", ("lost", None))"#,
    ///     r#"+1 ("key", ("lost", Some("found")))"#,
    /// ]);
    /// ```
    pub fn left_outer_join<J>(self, other: J) -> Table<'s, (K, (V, Option<J::Value>))>
    where
        J: Joinable<'s, K>,
    {
        self.arranged_by_key().left_outer_join(other)
    }

    /// Every pair of values under the same key, and each value there that has no partner here.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a", "b", "a"]], |words| {
    ///     let counts = words.running().count_by_value();
    ///     let often = counts.clone().filter(|(_, n)| *n > 1);
    ///     often.right_outer_join(counts).map(|(_, (often, n))| (n, often.is_some())).snapshots()
    /// });
    /// assert_eq!(counts[0].len(), 2);
    /// assert!(counts[0].contains(&(1, false)) && counts[0].contains(&(2, true)));
    /// ```
    pub fn right_outer_join<J>(self, other: J) -> Table<'s, (K, (Option<V>, J::Value))>
    where
        J: Joinable<'s, K>,
    {
        self.arranged_by_key().right_outer_join(other)
    }

    /// Every pair of values under the same key, and each value of either table that has no partner
    /// in the other.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let pairs = batches(vec![vec!["a", "b"]], |words| {
    ///     let rows = words.running().count_by_value();
    ///     let (a, b) = (rows.clone().filter(|(w, _)| w == "a"), rows.filter(|(w, _)| w == "b"));
    ///     a.full_outer_join(b).map(|(_, pair)| pair).snapshots()
    /// });
    /// assert_eq!(pairs[0].len(), 2);
    /// assert!(pairs[0].contains(&(Some(1), None)) && pairs[0].contains(&(None, Some(1))));
    /// ```
    pub fn full_outer_join<J>(self, other: J) -> Table<'s, (K, (Option<V>, Option<J::Value>))>
    where
        J: Joinable<'s, K>,
    {
        self.arranged_by_key().full_outer_join(other)
    }

    /// The rows whose key the other table has, each as often as it is here.
    ///
    /// Kept: this table, indexed by key, and the keys there.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let twice = batches(vec![vec!["a", "b"], vec!["a"]], |words| {
    ///     let counts = words.running().count_by_value();
    ///     let twice = counts.clone().filter(|(_, n)| *n == 2);
    ///     counts.semi_join(twice).snapshots()
    /// });
    /// assert_eq!(twice, [vec![], vec![("a".to_string(), 2)]]);
    /// ```
    pub fn semi_join<J: Joinable<'s, K>>(self, other: J) -> Table<'s, (K, V)> {
        self.arranged_by_key().semi_join(other)
    }

    /// The rows whose key the other table has not.
    ///
    /// Kept: this table, indexed by key, and the keys there.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// // Words that were never there before this batch.
    /// let new = batches(vec![vec!["a"], vec!["a", "b"]], |words| {
    ///     let recent = words.clone().window(Span::batches(1), Span::batches(1)).count_by_value();
    ///     let often = words.running().count_by_value().filter(|(_, n)| *n > 1);
    ///     recent.anti_join(often).snapshots()
    /// });
    /// assert_eq!(new, [[("a".to_string(), 1)], [("b".to_string(), 1)]]);
    /// ```
    pub fn anti_join<J: Joinable<'s, K>>(self, other: J) -> Table<'s, (K, V)> {
        self.arranged_by_key().anti_join(other)
    }
}

impl<'s, K: Record, V: Record> ArrangedTable<'s, K, V> {
    /// As [`Table::join`].
    pub fn join<J: Joinable<'s, K>>(&self, other: J) -> Table<'s, (K, (V, J::Value))> {
        let other = other.arranged();
        self.joined(
            &other,
            "join",
            || join::inner(self.rows(), other.rows()),
            |lefts, rights| product(lefts, rights, |left, right| (left.clone(), right.clone())),
        )
    }

    /// As [`Table::left_outer_join`].
    pub fn left_outer_join<J>(&self, other: J) -> Table<'s, (K, (V, Option<J::Value>))>
    where
        J: Joinable<'s, K>,
    {
        let other = other.arranged();
        self.joined(
            &other,
            "left_outer_join",
            || {
                let pairs = join::inner(self.rows(), other.rows());
                let alone = join::anti(self.rows(), other.keys());
                pairs
                    .map(|(key, (left, right))| (key, (left, Some(right))))
                    .concat(alone.map(|(key, left)| (key, (left, None))))
            },
            |lefts, rights| match rights {
                [] => lefts.iter().map(|left| (left.clone(), None)).collect(),
                _ => product(lefts, rights, |left, right| (left.clone(), Some(right.clone()))),
            },
        )
    }

    /// As [`Table::right_outer_join`].
    pub fn right_outer_join<J>(&self, other: J) -> Table<'s, (K, (Option<V>, J::Value))>
    where
        J: Joinable<'s, K>,
    {
        let other = other.arranged();
        self.joined(
            &other,
            "right_outer_join",
            || {
                let pairs = join::inner(self.rows(), other.rows());
                let alone = join::anti(other.rows(), self.keys());
                pairs
                    .map(|(key, (left, right))| (key, (Some(left), right)))
                    .concat(alone.map(|(key, right)| (key, (None, right))))
            },
            |lefts, rights| match lefts {
                [] => rights.iter().map(|right| (None, right.clone())).collect(),
                _ => product(lefts, rights, |left, right| (Some(left.clone()), right.clone())),
            },
        )
    }

    /// As [`Table::full_outer_join`].
    pub fn full_outer_join<J>(&self, other: J) -> Table<'s, (K, (Option<V>, Option<J::Value>))>
    where
        J: Joinable<'s, K>,
    {
        let other = other.arranged();
        self.joined(
            &other,
            "full_outer_join",
            || {
                let pairs = join::inner(self.rows(), other.rows());
                let lefts = join::anti(self.rows(), other.keys());
                let rights = join::anti(other.rows(), self.keys());
                pairs
                    .map(|(key, (left, right))| (key, (Some(left), Some(right))))
                    .concat(lefts.map(|(key, left)| (key, (Some(left), None))))
                    .concat(rights.map(|(key, right)| (key, (None, Some(right)))))
            },
            |lefts, rights| match (lefts, rights) {
                (_, []) => lefts.iter().map(|left| (Some(left.clone()), None)).collect(),
                ([], _) => rights.iter().map(|right| (None, Some(right.clone()))).collect(),
                _ => {
                    product(lefts, rights, |left, right| (Some(left.clone()), Some(right.clone())))
                }
            },
        )
    }

    /// As [`Table::semi_join`].
    pub fn semi_join<J: Joinable<'s, K>>(&self, other: J) -> Table<'s, (K, V)> {
        let other = other.arranged();
        self.joined(
            &other,
            "semi_join",
            || join::semi(self.rows(), other.keys()),
            |lefts, rights| if rights.is_empty() { Vec::new() } else { lefts.to_vec() },
        )
    }

    /// As [`Table::anti_join`].
    pub fn anti_join<J: Joinable<'s, K>>(&self, other: J) -> Table<'s, (K, V)> {
        let other = other.arranged();
        self.joined(
            &other,
            "anti_join",
            || join::anti(self.rows(), other.keys()),
            |lefts, rights| if rights.is_empty() { lefts.to_vec() } else { Vec::new() },
        )
    }

    /// The context in which this table was made.
    pub fn context(&self) -> Context<'s> {
        self.shared.table.ctx
    }

    pub(super) fn slide(&self) -> u64 {
        self.shared.table.slide
    }

    /// The index by key.
    pub(super) fn rows(&self) -> PairArrangement<'s, BatchId, K, V> {
        let rows = self.shared.rows.get_or_init(|| {
            let (ctx, table) = (self.context(), self.shared.table.clone());
            let uid = table.options.uid.clone();
            let (number, uid) = ctx.build().name_operator("arrangement", uid.as_deref());
            let rows = join::by_key(table.into_collection(), ctx.peers(), &uid);
            let update_bytes = size_of::<((K, V), BatchId, Diff)>();
            ctx.report(number, join::arranged_reports(&rows, update_bytes));
            rows
        });
        rows.clone()
    }

    /// The keys that are there, each once.
    pub(super) fn keys(&self) -> KeyArrangement<'s, BatchId, K> {
        let keys = self.shared.keys.get_or_init(|| {
            let (ctx, table) = (self.context(), self.shared.table.clone());
            let uid = table.options.for_part("keys").uid;
            let (number, uid) = ctx.build().name_operator("keys", uid.as_deref());
            let keys = table.into_collection().map(|(key, _)| key);
            let keys = join::distinct(keys, ctx.peers(), &uid);
            let update_bytes = size_of::<(K, BatchId, Diff)>();
            ctx.report(number, join::arranged_reports(&keys, update_bytes));
            keys
        });
        keys.clone()
    }

    /// A join: by its differences, or anew from the values of each key on both sides.
    pub(super) fn joined<W: Record, E: Record>(
        &self,
        other: &ArrangedTable<'s, K, W>,
        operation: &'static str,
        incremental: impl FnOnce() -> Collection<'s, (K, E)>,
        anew: impl Fn(&[V], &[W]) -> Vec<E> + 'static,
    ) -> Table<'s, (K, E)> {
        let (ctx, slide) = (self.context(), self.slide());
        if slide != other.slide() {
            let (left, right) = (slide, other.slide());
            ctx.reject(BuildError::Slides { operation, left, right });
        }
        if !ctx.strategy(&self.shared.table.options).computes_anew() {
            let rows = incremental();
            let table = Table::of_collection(ctx, rows, slide);
            return Table { place: Some(Place::by_key()), ..table };
        }
        let (lefts, _) = self.shared.table.clone().contents();
        let (rights, _) = other.shared.table.clone().contents();
        let lefts = chunkwise(lefts, "Left", |rows: Chunks<(K, V)>| {
            rows.map(|(key, value)| (key, Side::<V, W>::Left(value)))
        });
        let rights = chunkwise(rights, "Right", |rows: Chunks<(K, W)>| {
            rows.map(|(key, value)| (key, Side::<V, W>::Right(value)))
        });
        let owners = ctx.peers().clone();
        let shipped = ship::ship(lefts.concat(rights), ctx.peers(), "by key", move |(key, _)| {
            owners.owner_of_key(key)
        });
        let groups = ctx.attach_per_batch(operation, shipped, CoGroup::new());
        Table::of_contents(ctx, groups, slide)
            .flat_map_values(move |(lefts, rights): (Vec<V>, Vec<W>)| anew(&lefts, &rights))
    }
}

/// What `pair` makes of each value here with each value there.
fn product<V, W, E>(lefts: &[V], rights: &[W], pair: impl Fn(&V, &W) -> E) -> Vec<E> {
    let pair = &pair;
    lefts.iter().flat_map(|left| rights.iter().map(move |right| pair(left, right))).collect()
}
