//! Joins of tables whose rows have times.

use std::ops::RangeInclusive;

use differential_dataflow::AsCollection;
use tidegate_operators::join::{self, AsOf};
use tidegate_operators::keyed::Side;
use tidegate_operators::{Record, ship};
use timely::dataflow::operators::Concat;

use super::{Inside, Place, Table};
use crate::batch::chunkwise;

impl<'s, K: Record, V: Record> Table<'s, (K, (i64, V))> {
    /// Every pair of rows under the same key of which the second's time, less the first's, is
    /// within bounds. A row is `(key, (time, value))`, in any unit.
    ///
    /// Kept: this table twice and the other once, indexed by key and by time in steps as wide as
    /// the bounds. A difference costs the rows of its key within three such steps, not all rows of
    /// the key.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // Which `b` came at most two seconds after an `a`?
    /// let pairs = batches(vec![vec!["a 10", "b 11", "b 13"]], |lines| {
    ///     let events = lines.flat_map(|line: String| {
    ///         let (what, at) = line.split_once(' ')?;
    ///         Some((what.to_string(), at.parse::<i64>().ok()?))
    ///     });
    ///     let events = events.running().table();
    ///     let of = |what: &'static str| {
    ///         let rows = events.clone().filter(move |(other, _)| other == what);
    ///         rows.map(|(what, at)| ((), (at, what)))
    ///     };
    ///     of("a").interval_join(of("b"), 0..=2).map(|(_, (a, b))| (a.0, b.0)).snapshots()
    /// });
    /// assert_eq!(pairs, [[(10, 11)]]);
    /// ```
    #[allow(clippy::type_complexity)]
    pub fn interval_join<W: Record>(
        self,
        other: Table<'s, (K, (i64, W))>,
        bounds: RangeInclusive<i64>,
    ) -> Table<'s, (K, ((i64, V), (i64, W)))> {
        let (least, most) = (i128::from(*bounds.start()), i128::from(*bounds.end()));
        let width = (most - least + 1).max(1);
        let step = move |time: i128| {
            let time = time.clamp(i64::MIN.into(), i64::MAX.into());
            time.div_euclid(width) as i64
        };
        let near = self.flat_map(move |(key, (time, value))| {
            let (from, to) = (step(i128::from(time) + least), step(i128::from(time) + most));
            (from..=to).map(move |step| ((key.clone(), step), (time, value.clone())))
        });
        let placed =
            other.map(move |(key, (time, value))| ((key, step(i128::from(time))), (time, value)));
        let within = move |from: i64, to: i64| {
            let apart = i128::from(to) - i128::from(from);
            least <= apart && apart <= most
        };
        near.join(placed)
            .filter(move |(_, ((from, _), (to, _)))| within(*from, *to))
            .map(|((key, _step), pair)| (key, pair))
            .brought_by_key()
    }

    /// Each row here with the latest row there, of its key, whose time is not later: at equal times
    /// the one with the largest value; alone, if there is none. A row is `(key, (time, value))`, in
    /// any unit. When such a row comes late, or goes, the rows that it concerns are corrected.
    ///
    /// Kept: both tables, by key and time. A difference here costs `O(log n)`; one there, the rows
    /// here between its time and the next one there.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // The price at each trade; the second price comes late.
    /// let priced = batches(vec![vec!["price 1 a", "trade 5 x"], vec!["price 3 b"]], |lines| {
    ///     let events = lines.flat_map(|line: String| {
    ///         let [what, at, value] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
    ///         Some((what.to_string(), (at.parse::<i64>().ok()?, value.to_string())))
    ///     });
    ///     let events = events.running().table();
    ///     let of = |what: &'static str| {
    ///         let rows = events.clone().filter(move |(other, _)| other == what);
    ///         rows.map(|(_, timed)| ((), timed))
    ///     };
    ///     let priced = of("trade").as_of_join(of("price"));
    ///     priced.map(|(_, ((_, trade), price))| (trade, price.map(|(_, price)| price))).snapshots()
    /// });
    /// let (x, price) = ("x".to_string(), |price: &str| Some(price.to_string()));
    /// assert_eq!(priced, [[(x.clone(), price("a"))], [(x, price("b"))]]);
    /// ```
    #[allow(clippy::type_complexity)]
    pub fn as_of_join<W: Record>(
        self,
        other: Table<'s, (K, (i64, W))>,
    ) -> Table<'s, (K, ((i64, V), Option<(i64, W)>))> {
        let (ctx, options) = (self.ctx, self.options.clone());
        let (lefts, rights) = (self.clone(), other.clone());
        self.arranged_by_key().joined(
            &other.arranged_by_key(),
            "as_of_join",
            || {
                let (lefts, ..) = lefts.differences();
                let (rights, ..) = rights.differences();
                let lefts = chunkwise(lefts, "Left", |rows| {
                    rows.map(|((key, row), diff)| ((key, Side::Left(row)), diff))
                });
                let rights = chunkwise(rights, "Right", |rows| {
                    rows.map(|((key, row), diff)| ((key, Side::Right(row)), diff))
                });
                let owners = ctx.peers().clone();
                let both = lefts.concat(rights);
                let shipped = ship::ship(both, ctx.peers(), "by key", move |((key, _), _)| {
                    owners.owner_of_key(key)
                });
                ctx.attach_derived("as_of_join", &options, shipped, AsOf::new()).as_collection()
            },
            |lefts, rights| {
                let latest = |time: i64| rights.iter().filter(|(other, _)| *other <= time).max();
                lefts.iter().map(|left| (left.clone(), latest(left.0).cloned())).collect()
            },
        )
    }
}

impl<'s, K: Record, V: Record> Table<'s, (K, V)> {
    /// The same rows, on the workers that own their keys.
    fn brought_by_key(self) -> Self {
        let peers = self.ctx.peers();
        let inside = match self.inside {
            Inside::Differences(rows) => {
                Inside::Differences(join::brought(rows, peers, "by key", |(key, _)| key))
            }
            Inside::Contents(rows) => {
                let owners = peers.clone();
                Inside::Contents(ship::ship(rows, peers, "by key", move |(key, _)| {
                    owners.owner_of_key(key)
                }))
            }
        };
        Table { inside, place: Some(Place::by_key()), ..self }
    }
}
