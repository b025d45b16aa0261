//! Two streams, side by side under their keys.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::{Chunks, Epoch, Record, order, stable_hash};

/// A value of one of two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side<L, R> {
    /// Of the first stream.
    Left(L),
    /// Of the second one.
    Right(R),
}

/// All values of each key of a batch, those of two streams apart, each in the order of its stream;
/// and what rows are made of them.
///
/// Input must be shipped by key, tags and all. A batch costs its own records; nothing is kept but
/// room for the next one.
///
/// ```
/// use tidegate_operators::keyed::{CoGroup, Side};
/// use tidegate_operators::local::Local;
///
/// let rows = || vec![('a', Side::Left(1)), ('b', Side::Right('x')), ('a', Side::Left(2))];
/// let mut both = Local::new(CoGroup::new());
/// assert_eq!(both.rows(rows()), [('a', (vec![1, 2], vec![])), ('b', (vec![], vec!['x']))]);
///
/// // Rows of one's own: how many values each key has on each side.
/// let mut counts = Local::new(CoGroup::with(
///     |key: char, left: &mut Vec<i32>, right: &mut Vec<char>, out: &mut Vec<(char, [usize; 2])>| {
///         out.push((key, [left.len(), right.len()]));
///     },
/// ));
/// assert_eq!(counts.rows(rows()), [('a', [2, 0]), ('b', [0, 1])]);
/// ```
pub struct CoGroup<K, V, W, X, F> {
    rows_of: F,
    /// Keys in the order in which they came, and where to find each by its hash.
    keys: Vec<Group<K>>,
    by_hash: HashTable<u32>,
    left: Links<V>,
    right: Links<W>,
    rows: std::marker::PhantomData<fn() -> X>,
}

/// A key of the batch, and where its values begin and end.
struct Group<K> {
    hash: u64,
    key: K,
    left: Span,
    right: Span,
}

/// The first and the last value of a key, of those of one side.
#[derive(Clone, Copy)]
struct Span {
    first: u32,
    last: u32,
}

const NOTHING: u32 = u32::MAX;

/// The values of one side, each with the place of the next one under the same key: a key costs no
/// allocation of its own.
struct Links<V> {
    values: Vec<(Option<V>, u32)>,
}

impl<V> Links<V> {
    fn push(&mut self, span: &mut Span, value: V) {
        let place = u32::try_from(self.values.len())
            .ok()
            .filter(|place| *place != NOTHING)
            .expect("a worker's share of a batch has fewer than four billion records");
        self.values.push((Some(value), NOTHING));
        match span.first {
            NOTHING => span.first = place,
            _ => self.values[span.last as usize].1 = place,
        }
        span.last = place;
    }

    /// Moves a key's values out, in their order.
    fn take(&mut self, span: Span, into: &mut Vec<V>) {
        let mut place = span.first;
        while place != NOTHING {
            let (value, next) = &mut self.values[place as usize];
            into.extend(value.take());
            place = *next;
        }
    }
}

/// Takes the values of a key as they are.
type Whole<K, V, W> = fn(K, &mut Vec<V>, &mut Vec<W>, &mut Vec<(K, (Vec<V>, Vec<W>))>);

impl<K, V, W> CoGroup<K, V, W, (K, (Vec<V>, Vec<W>)), Whole<K, V, W>> {
    /// Groups the values of two streams: a row for each key.
    #[allow(clippy::new_without_default)] // There is one for every kind of row.
    pub fn new() -> Self {
        CoGroup::with(|key, left, right, out| {
            out.push((key, (std::mem::take(left), std::mem::take(right))));
        })
    }
}

impl<K, V, W, X, F> CoGroup<K, V, W, X, F>
where
    F: FnMut(K, &mut Vec<V>, &mut Vec<W>, &mut Vec<X>),
{
    /// Groups the values of two streams, and makes rows of each group: `rows_of` is given a key, its
    /// values of both sides, which it may take, and the rows to add to.
    pub fn with(rows_of: F) -> Self {
        CoGroup {
            rows_of,
            keys: Vec::new(),
            by_hash: HashTable::new(),
            left: Links { values: Vec::new() },
            right: Links { values: Vec::new() },
            rows: std::marker::PhantomData,
        }
    }
}

impl<T, K, V, W, X, F> BatchOperator<T> for CoGroup<K, V, W, X, F>
where
    T: Epoch,
    K: Record,
    V: Record,
    W: Record,
    X: Record,
    F: FnMut(K, &mut Vec<V>, &mut Vec<W>, &mut Vec<X>) + 'static,
{
    type Input = Chunks<(K, Side<V, W>)>;
    type Output = Chunks<X>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let CoGroup { rows_of, keys, by_hash, left, right, .. } = self;
        for (key, value) in order::in_stream_order(input) {
            let hash = stable_hash(&key);
            let is_it = |place: &u32| {
                let group = &keys[*place as usize];
                group.hash == hash && group.key == key
            };
            let place = match by_hash.entry(hash, is_it, |place| keys[*place as usize].hash) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(free) => {
                    let nothing = Span { first: NOTHING, last: NOTHING };
                    let place = keys.len() as u32;
                    free.insert(place);
                    keys.push(Group { hash, key, left: nothing, right: nothing });
                    place
                }
            };
            let group = &mut keys[place as usize];
            match value {
                Side::Left(value) => left.push(&mut group.left, value),
                Side::Right(value) => right.push(&mut group.right, value),
            }
        }
        by_hash.clear();
        let mut rows = Vec::new();
        let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
        for group in keys.drain(..) {
            left.take(group.left, &mut of_left);
            right.take(group.right, &mut of_right);
            rows_of(group.key, &mut of_left, &mut of_right, &mut rows);
            of_left.clear();
            of_right.clear();
        }
        left.values.clear();
        right.values.clear();
        output.give(Chunks::loose(rows));
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
