//! Combining before the exchange: each worker folds a batch's records by key before anything is
//! shipped or indexed (Spark's map-side combine).

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;

use crate::ship::{Packer, Parcel, deliver};
use crate::{Aggregate, Chunks, Diff, Epoch, Peers, Record, Tag, stable_hash};

/// Values of a key put together: the key, how many records (fewer than 0 if more went than came),
/// and their accumulator.
pub type Tally<K, A> = (K, i64, A);

/// How often it is asked whether combining pays: once in so many records.
const SAMPLE: usize = 4096;
/// It does not pay if at least this share of a sample's records brought a new key.
const DISTINCT_SHARE: f64 = 0.9;
/// Then so many records go by uncombined before it is tried again.
const PASS_BY: usize = 31 * SAMPLE;
/// The table is emptied at this many keys, so that it stays in the cache.
const KEYS_MAX: usize = 1 << 16;
/// Tallies leave in messages of this many bytes or so.
const MESSAGE_BYTES: usize = 1 << 15;

/// What is to be combined: a record's key, its value, and how often it came.
///
/// ```
/// use tidegate_operators::combine::{Keyed, Pairs, Signed, Whole};
///
/// assert_eq!(Pairs.split(('a', 7)), ('a', 7, 1));
/// assert_eq!(Whole.split('a'), ('a', (), 1));
/// assert_eq!(Signed(Pairs).split((('a', 7), -1)), ('a', 7, -1));
/// ```
pub trait Keyed<D>: Clone + 'static {
    /// The key.
    type Key: Record;
    /// The value.
    type Value;

    /// Takes a record apart.
    fn split(&self, record: D) -> (Self::Key, Self::Value, Diff);

    /// The key where it stands, and the value, of a record that is kept and came once.
    fn parts<'a>(&self, record: &'a D) -> (&'a Self::Key, Self::Value);
}

/// Records that are pairs: the key and the value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs;

impl<K: Record, V: Clone> Keyed<(K, V)> for Pairs {
    type Key = K;
    type Value = V;

    #[inline(always)]
    fn split(&self, (key, value): (K, V)) -> (K, V, Diff) {
        (key, value, 1)
    }

    #[inline(always)]
    fn parts<'a>(&self, (key, value): &'a (K, V)) -> (&'a K, V) {
        (key, value.clone())
    }
}

/// Records that are keys themselves, as when values are counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whole;

impl<D: Record> Keyed<D> for Whole {
    type Key = D;
    type Value = ();

    #[inline(always)]
    fn split(&self, record: D) -> (D, (), Diff) {
        (record, (), 1)
    }

    #[inline(always)]
    fn parts<'a>(&self, record: &'a D) -> (&'a D, ()) {
        (record, ())
    }
}

/// Records that all share one key, as when a stream is counted or reduced as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl<D: Clone> Keyed<D> for Everything {
    type Key = ();
    type Value = D;

    #[inline(always)]
    fn split(&self, record: D) -> ((), D, Diff) {
        ((), record, 1)
    }

    #[inline(always)]
    fn parts<'a>(&self, record: &'a D) -> (&'a (), D) {
        (&(), record.clone())
    }
}

/// Records that are differences of a table: the row is taken apart by the inner rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed<S>(pub S);

impl<D, S: Keyed<D>> Keyed<(D, Diff)> for Signed<S> {
    type Key = S::Key;
    type Value = S::Value;

    #[inline(always)]
    fn split(&self, (record, diff): (D, Diff)) -> (S::Key, S::Value, Diff) {
        let (key, value, times) = self.0.split(record);
        (key, value, times * diff)
    }

    #[inline(always)]
    fn parts<'a>(&self, (record, _): &'a (D, Diff)) -> (&'a S::Key, S::Value) {
        self.0.parts(record)
    }
}

/// Tallies under construction: one per key.
pub struct Combiner<K, A> {
    table: HashTable<Tally<K, A>>,
}

impl<K: Record, A> Default for Combiner<K, A> {
    fn default() -> Self {
        Combiner { table: HashTable::new() }
    }
}

impl<K: Record, A> Combiner<K, A> {
    /// The number of keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Adds a tally, merging it with the one that its key may have.
    #[inline]
    pub fn add(&mut self, key: K, records: i64, acc: A, merge: impl FnOnce(&mut A, A)) {
        let hash = stable_hash(&key);
        match self.table.entry(hash, |other| other.0 == key, |other| stable_hash(&other.0)) {
            Entry::Occupied(mut tally) => {
                let tally = tally.get_mut();
                tally.1 += records;
                merge(&mut tally.2, acc);
            }
            Entry::Vacant(free) => {
                free.insert((key, records, acc));
            }
        }
    }

    /// The same with a key that stays where it is, and is copied the first time only.
    #[inline]
    pub fn add_of(&mut self, key: &K, records: i64, acc: A, merge: impl FnOnce(&mut A, A)) {
        let hash = stable_hash(key);
        match self.table.entry(hash, |other| other.0 == *key, |other| stable_hash(&other.0)) {
            Entry::Occupied(mut tally) => {
                let tally = tally.get_mut();
                tally.1 += records;
                merge(&mut tally.2, acc);
            }
            Entry::Vacant(free) => {
                free.insert((key.clone(), records, acc));
            }
        }
    }

    /// Takes the tallies out, in no particular order.
    pub fn drain(&mut self) -> impl Iterator<Item = Tally<K, A>> + '_ {
        self.table.drain()
    }
}

/// The accumulator of a value that came `times` times (went, if negative).
fn repeated<V, A>(aggregate: &A, value: V, times: Diff) -> A::Acc
where
    V: Clone,
    A: Aggregate<V>,
{
    let one = aggregate.lift(value);
    let mut acc = one.clone();
    for _ in 1..times.unsigned_abs() {
        aggregate.merge(&mut acc, one.clone());
    }
    if times < 0 {
        // Nothing less twice the accumulator, plus it once.
        let mut negative = acc.clone();
        aggregate.unmerge(&mut negative, acc.clone());
        aggregate.unmerge(&mut negative, acc);
        return negative;
    }
    acc
}

/// Folds records by key into tallies and brings each to the worker that owns its key.
///
/// What lies ready is combined and sent on at once; nothing waits for the batch to close. Where
/// nearly every record has its own key, combining costs and does nothing: it is tried on the first
/// few thousand records of each message, and left out for the rest. Chunks that share a tag
/// ([`is_combined`]) have each key once.
///
/// ```
/// use tidegate_operators::combine::{Whole, combine};
/// use tidegate_operators::{Count, Peers, codec::Codecs, interop};
/// use timely::dataflow::operators::{Inspect, ToStream};
///
/// timely::execute_directly(|worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
///         let words = interop::chunked(['a', 'a', 'a'].to_stream(scope));
///         let tallies = combine(words, &peers, "letters", Whole, Count);
///         interop::rows(tallies).inspect(|tally| assert_eq!(*tally, ('a', 3, ())));
///     });
/// });
/// ```
pub fn combine<'s, T, D, S, A>(
    stream: Stream<'s, T, Chunks<D>>,
    peers: &Peers,
    name: &str,
    split: S,
    aggregate: A,
) -> Stream<'s, T, Chunks<Tally<S::Key, A::Acc>>>
where
    T: Epoch,
    D: Clone + 'static,
    S: Keyed<D, Value: Clone>,
    A: Aggregate<S::Value>,
{
    let mut fold = Fold::new(split, aggregate, peers.index());
    let name_here = format!("Combine: {name}");
    if peers.count() == 1 {
        return stream.unary::<NoopBuilder<_>, _, _, _>(Pipeline, &name_here, move |_, _| {
            move |input, output| {
                input.for_each_time(|time, messages| {
                    let mut session = output.session_with_builder(&time);
                    let mut out = Vec::new();
                    let mut give = |tallies: &mut Vec<_>, tag| {
                        session.give_container(&mut Chunks::of(tag, std::mem::take(tallies)));
                    };
                    let mut place = |tally, tag| push(&mut out, tally, tag, &mut give);
                    for chunks in messages {
                        fold.fold(std::mem::take(chunks).into_rows(), &mut place);
                    }
                    let tag = fold.flush(&mut place);
                    if !out.is_empty() {
                        give(&mut out, tag);
                    }
                });
            }
        });
    }

    let packer: Packer<Tally<S::Key, A::Acc>> = Packer::new(peers);
    let owners = peers.clone();
    let mut pieces: Vec<Vec<Tally<S::Key, A::Acc>>> =
        (0..peers.count()).map(|_| Vec::new()).collect();
    let parcels =
        stream.unary::<NoopBuilder<Parcel<_>>, _, _, _>(Pipeline, &name_here, move |_, _| {
            move |input, output| {
                input.for_each_time(|time, messages| {
                    let mut session = output.session_with_builder(&time);
                    let mut give = |to: usize, tallies: &mut Vec<_>, tag| {
                        let chunks = Chunks::of(tag, std::mem::take(tallies));
                        session.give_container(&mut packer.pack(to, chunks));
                    };
                    let mut place = |tally: Tally<S::Key, A::Acc>, tag| {
                        let to = owners.owner_of_key(&tally.0);
                        push(&mut pieces[to], tally, tag, &mut |tallies, tag| {
                            give(to, tallies, tag)
                        });
                    };
                    for chunks in messages {
                        fold.fold(std::mem::take(chunks).into_rows(), &mut place);
                    }
                    let tag = fold.flush(&mut place);
                    for (to, tallies) in pieces.iter_mut().enumerate() {
                        if !tallies.is_empty() {
                            give(to, tallies, tag);
                        }
                    }
                });
            }
        });
    deliver(parcels, peers, name)
}

fn push<X>(out: &mut Vec<X>, item: X, tag: Tag, give: &mut impl FnMut(&mut Vec<X>, Tag)) {
    let capacity = (MESSAGE_BYTES / size_of::<X>().max(1)).max(1);
    if out.capacity() == 0 {
        out.reserve_exact(capacity);
    }
    out.push(item);
    if out.len() >= capacity {
        give(out, tag);
    }
}

/// The tag under which a worker sends tallies that have each key once in the batch: no other worker
/// uses it.
pub(crate) fn combined_by(worker: usize) -> Tag {
    Tag { lane: 0, partition: worker as u32, sequence: 1 }
}

/// Whether these chunks, the only ones of their batch, have no key twice.
pub fn is_combined<K, A>(chunks: &[Chunks<Tally<K, A>>]) -> bool {
    let mut tags = chunks.iter().flat_map(Chunks::tags);
    let first = tags.next().unwrap_or_default();
    first != Tag::default() && tags.all(|tag| tag == first)
}

/// The combining itself, and when to leave it.
struct Fold<D, S: Keyed<D>, A: Aggregate<S::Value>> {
    split: S,
    aggregate: A,
    combiner: Combiner<S::Key, A::Acc>,
    /// Records of the current sample, and how many keys the table held when it began.
    sampled: usize,
    keys_before: usize,
    /// Records that are still to go by uncombined.
    pass_by: usize,
    /// The tag of what is flushed next, and whether some of it has already gone ahead.
    tag: Tag,
    gone_ahead: bool,
}

impl<D, S, A> Fold<D, S, A>
where
    S: Keyed<D, Value: Clone>,
    A: Aggregate<S::Value>,
{
    fn new(split: S, aggregate: A, worker: usize) -> Self {
        Fold {
            split,
            aggregate,
            combiner: Combiner::default(),
            sampled: 0,
            keys_before: 0,
            pass_by: 0,
            tag: combined_by(worker),
            gone_ahead: false,
        }
    }

    fn fold(&mut self, rows: Vec<D>, out: &mut impl FnMut(Tally<S::Key, A::Acc>, Tag)) {
        let mut rows = rows.into_iter();
        loop {
            let passing = self.pass_by.min(rows.len());
            self.pass_by -= passing;
            self.gone_ahead |= passing > 0;
            for row in rows.by_ref().take(passing) {
                out(self.lift(row), Tag::default());
            }
            let combining = (SAMPLE - self.sampled).min(rows.len());
            if combining == 0 {
                return;
            }
            self.sampled += combining;
            for row in rows.by_ref().take(combining) {
                let (key, records, acc) = self.lift(row);
                let aggregate = &self.aggregate;
                self.combiner.add(key, records, acc, |acc, other| aggregate.merge(acc, other));
            }
            if self.sampled == SAMPLE {
                self.judge(out);
            }
        }
    }

    fn judge(&mut self, out: &mut impl FnMut(Tally<S::Key, A::Acc>, Tag)) {
        let new_keys = self.combiner.len() - self.keys_before;
        if new_keys as f64 >= DISTINCT_SHARE * SAMPLE as f64 {
            self.pass_by = PASS_BY;
        }
        if self.combiner.len() >= KEYS_MAX {
            self.gone_ahead = true;
            self.combiner.drain().for_each(|tally| out(tally, Tag::default()));
        }
        self.sampled = 0;
        self.keys_before = self.combiner.len();
    }

    #[inline(always)]
    fn lift(&self, row: D) -> Tally<S::Key, A::Acc> {
        let (key, value, times) = self.split.split(row);
        let acc = match times {
            1 => self.aggregate.lift(value),
            _ => repeated(&self.aggregate, value, times),
        };
        (key, times as i64, acc)
    }

    /// Gives what is left, and says under which tag: its own, if no key has gone ahead.
    fn flush(&mut self, out: &mut impl FnMut(Tally<S::Key, A::Acc>, Tag)) -> Tag {
        let tag = if self.gone_ahead { Tag::default() } else { self.tag };
        self.combiner.drain().for_each(|tally| out(tally, tag));
        self.tag.sequence += 1;
        (self.sampled, self.keys_before, self.gone_ahead) = (0, 0, false);
        tag
    }
}
