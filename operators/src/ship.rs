//! The one place where rows cross from one worker to another.
//!
//! A row belongs to one of 1024 *key groups*, by its stable hash; each worker owns a contiguous
//! range of groups. `ship` splits every message by the worker that owns each row, keeping the
//! chunks' tags, and hands a piece for a worker of the same process over as it is; a piece for
//! another process is encoded with the job's codec. Routing by key group is what makes restoring
//! and rescaling possible: a group is the unit that moves.
//!
//! Differential's arrangements follow with timely's `Pipeline`: nothing else in Tidegate uses an
//! exchange of timely's own for rows.

use std::ops::Range;

use serde::Serialize;
use timely::Accountable;
use timely::communication::Push;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::dataflow::operators::Operator;
use timely::progress::Timestamp;

use crate::codec::{Codecs, DecodeError};
use crate::{Chunks, Record, Tag, stable_hash};

/// How many key groups there are; fixed for good, since checkpoints are laid out by group.
pub const KEY_GROUPS: u64 = 1024;

/// The key group of a stable hash: ten bits from its middle.
///
/// The low bits and the top seven are left to hash tables, bits 48 to 55 to the shards of an
/// [`Index`](crate::index::Index).
#[inline]
pub fn key_group(hash: u64) -> u64 {
    (hash >> 20) % KEY_GROUPS
}

/// The workers of a job, seen from one of them: who owns what, and how rows are written for whom.
///
/// ```
/// use tidegate_operators::{Peers, codec::Codecs};
///
/// // Worker 1 of 4, two to a process.
/// let peers = Peers::new(1, 4, 2, Codecs::default());
/// assert!(peers.is_local(0) && !peers.is_local(2));
/// let owner = peers.owner_of_key(&"page-17");
/// assert!(owner < 4);
/// ```
#[derive(Clone, Debug)]
pub struct Peers {
    index: usize,
    count: usize,
    local: Range<usize>,
    codecs: Codecs,
}

impl Peers {
    /// Worker `index` of `count`, of which each process runs `per_process`.
    ///
    /// # Panics
    ///
    /// If `index` is not below `count`, or `per_process` is 0.
    pub fn new(index: usize, count: usize, per_process: usize, codecs: Codecs) -> Self {
        assert!(index < count, "worker {index} of {count}");
        let first = index / per_process * per_process;
        Peers { index, count, local: first..first + per_process, codecs }
    }

    /// This worker's index.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The number of workers in all processes.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether a worker lives in this process.
    pub fn is_local(&self, worker: usize) -> bool {
        self.local.contains(&worker)
    }

    /// The job's codecs.
    pub fn codecs(&self) -> &Codecs {
        &self.codecs
    }

    /// The worker that owns a key group: groups are dealt out in contiguous ranges.
    #[inline]
    pub fn owner_of_group(&self, group: u64) -> usize {
        (group * self.count as u64 / KEY_GROUPS) as usize
    }

    /// The worker that owns the key group of a stable hash.
    #[inline]
    pub fn owner_of_hash(&self, hash: u64) -> usize {
        self.owner_of_group(key_group(hash))
    }

    /// The worker that owns a key.
    #[inline]
    pub fn owner_of_key<K: Serialize + ?Sized>(&self, key: &K) -> usize {
        self.owner_of_hash(stable_hash(key))
    }

    /// The worker that a source partition is dealt to, and with it what is done once per
    /// partition: lane and partition modulo the number of workers.
    #[inline]
    pub fn owner_of_tag(&self, tag: Tag) -> usize {
        (tag.lane as usize + tag.partition as usize) % self.count
    }
}

/// A message on its way to one worker.
#[derive(Clone, Debug)]
pub struct Parcel<D> {
    to: usize,
    load: Load<D>,
}

#[derive(Clone, Debug)]
enum Load<D> {
    Nothing,
    Chunks(Chunks<D>),
    Encoded(Vec<u8>),
}

impl<D> Default for Parcel<D> {
    fn default() -> Self {
        Parcel { to: 0, load: Load::Nothing }
    }
}

impl<D> Accountable for Parcel<D> {
    fn record_count(&self) -> i64 {
        match self.load {
            Load::Nothing => 0,
            Load::Chunks(_) | Load::Encoded(_) => 1,
        }
    }
}

/// On the wire: the length of the encoded load, the load, and zeroes up to a multiple of eight.
impl<D> ContainerBytes for Parcel<D> {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
        // The receiver is the addressee.
        Parcel { to: 0, load: Load::Encoded(rest[..length].to_vec()) }
    }

    fn length_in_bytes(&self) -> usize {
        8 + self.encoded().len().next_multiple_of(8)
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        let bytes = self.encoded();
        let padding = bytes.len().next_multiple_of(8) - bytes.len();
        writer
            .write_all(&(bytes.len() as u64).to_le_bytes())
            .and_then(|()| writer.write_all(bytes))
            .and_then(|()| writer.write_all(&[0; 8][..padding]))
            .expect("timely reserved the bytes that `length_in_bytes` asked for");
    }
}

impl<D> Parcel<D> {
    fn encoded(&self) -> &[u8] {
        match &self.load {
            Load::Encoded(bytes) => bytes,
            Load::Nothing | Load::Chunks(_) => {
                panic!("a parcel for worker {} leaves the process, but was not encoded", self.to)
            }
        }
    }
}

/// Timely's side of it: every parcel goes to its addressee, unopened.
struct Addressed;

impl<D> Distributor<Parcel<D>> for Addressed {
    fn partition<T: Clone, P: Push<Message<T, Parcel<D>>>>(
        &mut self,
        parcel: &mut Parcel<D>,
        time: &T,
        pushers: &mut [P],
    ) {
        let to = parcel.to;
        Message::push_at(parcel, time.clone(), &mut pushers[to]);
    }

    fn flush<T: Clone, P: Push<Message<T, Parcel<D>>>>(&mut self, _: &T, _: &mut [P]) {}
}

/// Writes and reads parcels for rows of one type.
pub(crate) struct Packer<D> {
    peers: Peers,
    codec: std::sync::Arc<dyn crate::codec::Codec<D>>,
}

impl<D: Record> Packer<D> {
    pub(crate) fn new(peers: &Peers) -> Self {
        Packer { codec: peers.codecs().get::<D>(), peers: peers.clone() }
    }

    pub(crate) fn pack(&self, to: usize, chunks: Chunks<D>) -> Parcel<D> {
        if self.peers.is_local(to) {
            return Parcel { to, load: Load::Chunks(chunks) };
        }
        let (rows, ends) = chunks.into_parts();
        let mut bytes = Vec::with_capacity(8 + 24 * ends.len() + rows.len() * size_of::<D>());
        bytes.extend((ends.len() as u64).to_le_bytes());
        for (tag, end) in &ends {
            bytes.extend(tag.lane.to_le_bytes());
            bytes.extend(tag.partition.to_le_bytes());
            bytes.extend(tag.sequence.to_le_bytes());
            bytes.extend((*end as u64).to_le_bytes());
        }
        self.codec.encode(&rows, &mut bytes);
        Parcel { to, load: Load::Encoded(bytes) }
    }

    fn unpack(&self, parcel: Parcel<D>) -> Result<Chunks<D>, DecodeError> {
        let mut bytes = match &parcel.load {
            Load::Nothing => return Ok(Chunks::new()),
            Load::Chunks(_) => {
                let Load::Chunks(chunks) = parcel.load else { unreachable!("just matched") };
                return Ok(chunks);
            }
            Load::Encoded(bytes) => bytes.as_slice(),
        };
        let refuse = |reason: &str| DecodeError::of::<D>(self.codec.name(), reason);
        let mut word = |length: usize| {
            let (word, rest) = bytes.split_at_checked(length).ok_or_else(|| refuse("cut short"))?;
            bytes = rest;
            let mut wide = [0; 8];
            wide[..length].copy_from_slice(word);
            Ok::<u64, DecodeError>(u64::from_le_bytes(wide))
        };
        let mut ends = Vec::new();
        for _ in 0..word(8)? {
            let tag = Tag { lane: word(4)? as u32, partition: word(4)? as u32, sequence: word(8)? };
            ends.push((tag, word(8)? as usize));
        }
        let rows = self.codec.decode(bytes)?;
        let rising = ends.is_sorted_by_key(|(_, end)| *end);
        if !rising || ends.last().map_or(0, |(_, end)| *end) != rows.len() {
            return Err(refuse("the chunks don't cover the rows"));
        }
        Ok(Chunks::from_parts(rows, ends))
    }
}

/// Brings every row to the worker that `owner` names, its chunk's tag with it.
///
/// Nothing is held back: each message is split when it comes. With one worker the stream is
/// returned as it is.
///
/// ```
/// use tidegate_operators::{Peers, codec::Codecs, interop, ship};
/// use timely::dataflow::operators::{Inspect, ToStream};
///
/// timely::execute_directly(|worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
///         let owners = peers.clone();
///         let words = ["a", "b"].map(str::to_owned).to_stream(scope);
///         let shipped = ship::ship(interop::chunked(words), &peers, "by word", move |word| {
///             owners.owner_of_key(word)
///         });
///         interop::rows(shipped).inspect_batch(|_, rows| assert_eq!(*rows, ["a", "b"]));
///     });
/// });
/// ```
pub fn ship<'s, T: Timestamp, D: Record>(
    stream: Stream<'s, T, Chunks<D>>,
    peers: &Peers,
    name: &str,
    mut owner: impl FnMut(&D) -> usize + 'static,
) -> Stream<'s, T, Chunks<D>> {
    split_and_deliver(stream, peers, name, move |chunks, pieces| {
        let (rows, ends) = chunks.into_parts();
        let mut rows = rows.into_iter();
        let mut start = 0;
        for (tag, end) in ends {
            for row in rows.by_ref().take(end - start) {
                let to = owner(&row);
                pieces[to].push(tag, [row]);
            }
            start = end;
        }
    })
}

/// Brings every chunk, whole, to the worker that `owner` names by its tag: for what is done once
/// per partition. Empty chunks travel too.
pub fn ship_chunks<'s, T: Timestamp, D: Record>(
    stream: Stream<'s, T, Chunks<D>>,
    peers: &Peers,
    name: &str,
    mut owner: impl FnMut(Tag) -> usize + 'static,
) -> Stream<'s, T, Chunks<D>> {
    split_and_deliver(stream, peers, name, move |chunks, pieces| {
        for (tag, rows) in chunks.into_chunks() {
            pieces[owner(tag)].push(tag, rows);
        }
    })
}

fn split_and_deliver<'s, T: Timestamp, D: Record>(
    stream: Stream<'s, T, Chunks<D>>,
    peers: &Peers,
    name: &str,
    mut split: impl FnMut(Chunks<D>, &mut [Chunks<D>]) + 'static,
) -> Stream<'s, T, Chunks<D>> {
    if peers.count() == 1 {
        return stream;
    }
    let packer = Packer::new(peers);
    let mut pieces: Vec<Chunks<D>> = (0..peers.count()).map(|_| Chunks::new()).collect();
    let name_of_pack = format!("Pack: {name}");
    let parcels = stream.unary::<NoopBuilder<_>, _, _, _>(Pipeline, &name_of_pack, move |_, _| {
        move |input, output| {
            input.for_each(|time, chunks| {
                split(std::mem::take(chunks), &mut pieces);
                let mut session = output.session_with_builder(&time);
                for (to, piece) in pieces.iter_mut().enumerate() {
                    if !piece.is_empty() {
                        let parcel = packer.pack(to, std::mem::take(piece));
                        session.give_container(&mut { parcel });
                    }
                }
            });
        }
    });
    deliver(parcels, peers, name)
}

/// Takes parcels to their addressees and opens them there.
pub(crate) fn deliver<'s, T: Timestamp, D: Record>(
    parcels: Stream<'s, T, Parcel<D>>,
    peers: &Peers,
    name: &str,
) -> Stream<'s, T, Chunks<D>> {
    let packer = Packer::<D>::new(peers);
    let pact = DistributorPact(|_peers| Addressed);
    parcels.unary::<NoopBuilder<Chunks<D>>, _, _, _>(pact, &format!("Unpack: {name}"), |_, _| {
        move |input, output| {
            input.for_each(|time, parcel| {
                let mut chunks = packer
                    .unpack(std::mem::take(parcel))
                    .unwrap_or_else(|error| panic!("rows from another process: {error}"));
                output.session_with_builder(&time).give_container(&mut chunks);
            });
        }
    })
}
