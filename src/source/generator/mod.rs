//! Seeded generators: the same records on every machine, for benchmarks, demos and tests.
//!
//! Each record is a function of the seed, the partition and the record's offset (or of its number
//! among the records of all partitions: [`Generator::dealt`]), and of nothing else. So a generator can be read again from any offset, and its records don't depend on how
//! they were split into batches or spread over workers.

mod ad_activity;
mod ads;
mod clicks;
mod edges;
mod keys;
mod lines;
pub mod nexmark;
mod points;
mod rate;
mod stocks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_pcg::Pcg64Mcg;
use tidegate_operators::{Record, stable_hash};

pub use ad_activity::{AdActivity, AdEventType, AdType, ad_campaigns};
pub use ads::AdEvent;
pub use clicks::Click;
pub use keys::Zipf;
pub use rate::RateRow;
pub use stocks::StockTick;

use super::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::error::SourceError;

/// Makes the record at an offset; the numbers come from a generator of its own.
type Make<D> = Arc<dyn Fn(&mut Random, u64) -> D + Send + Sync>;

/// Random numbers of one record.
pub struct Random {
    numbers: Pcg64Mcg,
}

impl Random {
    /// The numbers of the record at an offset of a partition.
    pub(crate) fn of(seed: u64, partition: u32, offset: u64) -> Self {
        let (high, low) = (stable_hash(&(seed, partition, offset)), stable_hash(&(offset, seed)));
        Random { numbers: Pcg64Mcg::new((u128::from(high) << 64) | u128::from(low)) }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        use rand_pcg::rand_core::Rng;
        self.numbers.next_u64()
    }

    /// A number below `limit`, which is at least 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit.max(1))) >> 64) as u64
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number by the normal distribution with mean 0 and deviation 1 (G. Box and M. Muller,
    /// 1958), by functions that give the same on every machine.
    pub fn normal(&mut self) -> f64 {
        let (far, turn) = (1.0 - self.unit(), std::f64::consts::TAU * self.unit());
        (-2.0 * libm::log(far)).sqrt() * libm::cos(turn)
    }
}

/// A source of made-up records.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Generator;
/// use tidegate::{Config, Trigger};
///
/// let run = |workers| {
///     let rows = Memory::new();
///     let sink = rows.clone();
///     let config = Config::new("made up").workers(workers).trigger(Trigger::AvailableNow);
///     tidegate::run(config, move |ctx| {
///         let squares = Generator::new("squares", 7, |random, n| (n * n, random.below(10)));
///         ctx.source(squares.partitions(4).records(1000)).sink(sink.clone());
///     })
///     .unwrap();
///     rows.rows()
/// };
/// assert_eq!(run(1), run(2), "the same records on any number of workers");
/// ```
pub struct Generator<D> {
    name: String,
    recipe: Recipe<D>,
    partitions: u32,
    pace: Pace,
    records: Option<u64>,
}

/// By what records are made.
#[derive(Clone)]
struct Recipe<D> {
    seed: u64,
    make: Make<D>,
    /// Whether the partitions share one sequence of records.
    is_dealt: bool,
}

impl<D> Recipe<D> {
    fn record(&self, partition: u32, partitions: u32, offset: u64) -> D {
        let (stream, number) = if self.is_dealt {
            (0, offset * u64::from(partitions) + u64::from(partition))
        } else {
            (partition, offset)
        };
        (self.make)(&mut Random::of(self.seed, stream, number), number)
    }
}

/// How many records there are by when.
#[derive(Clone, Copy, Debug)]
enum Pace {
    PerSecond(f64),
    PerBatch(u64),
}

impl<D: Record> Generator<D> {
    /// Makes the record at each offset of a partition by a function of random numbers and of the
    /// offset.
    pub fn new(
        name: impl Into<String>,
        seed: u64,
        make: impl Fn(&mut Random, u64) -> D + Send + Sync + 'static,
    ) -> Self {
        Self::by(name.into(), Recipe { seed, make: Arc::new(make), is_dealt: false })
    }

    /// Makes one sequence of records, each by a function of random numbers and of its number, and
    /// deals it to the partitions in turn: the records are the same, however many there are.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// let squares = || Generator::dealt("squares", 7, |random, n| (n * n, random.bits()));
    /// assert_eq!(squares().partitions(3).record(2, 5), squares().record(0, 17));
    /// ```
    pub fn dealt(
        name: impl Into<String>,
        seed: u64,
        make: impl Fn(&mut Random, u64) -> D + Send + Sync + 'static,
    ) -> Self {
        Self::by(name.into(), Recipe { seed, make: Arc::new(make), is_dealt: true })
    }

    fn by(name: String, recipe: Recipe<D>) -> Self {
        Generator { name, recipe, partitions: 1, pace: Pace::PerBatch(10_000), records: None }
    }

    /// Deals the records to this many partitions.
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions.max(1);
        self
    }

    /// Makes this many records a second, over all partitions.
    pub fn rows_per_s(mut self, rows: f64) -> Self {
        self.pace = Pace::PerSecond(rows);
        self
    }

    /// Makes this many records for each batch, over all partitions; 10,000, unless said otherwise.
    pub fn rows_per_batch(mut self, rows: u64) -> Self {
        self.pace = Pace::PerBatch(rows);
        self
    }

    /// Ends after this many records, over all partitions.
    pub fn records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// The record at an offset of a partition.
    pub fn record(&self, partition: u32, offset: u64) -> D {
        self.recipe.record(partition, self.partitions, offset)
    }
}

/// The part of `total` that falls to a partition.
fn share(total: u64, partition: u32, partitions: u32) -> u64 {
    let (partition, partitions) = (u64::from(partition), u64::from(partitions));
    (total + partitions - 1 - partition) / partitions
}

impl<D: Record> Source for Generator<D> {
    type Item = D;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        let partitions = 0..self.partitions;
        Ok(partitions.map(|id| Partition { id, name: format!("{}-{id}", self.name) }).collect())
    }

    fn has_more(
        &mut self,
        positions: &BTreeMap<u32, u64>,
        _bounded: bool,
    ) -> Result<bool, SourceError> {
        Ok(self.records.is_none_or(|records| positions.values().sum::<u64>() < records))
    }

    fn rewinds(&self) -> bool {
        true
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        if opening.bounded && self.records.is_none() {
            return Err(SourceError::Invalid(format!(
                "generator `{}` never ends, so all of it can't be read now: limit it with a number \
                 of records",
                self.name
            )));
        }
        Ok(Box::new(GeneratorReader {
            recipe: self.recipe.clone(),
            partitions: self.partitions,
            pace: self.pace,
            records: self.records,
            bounded: opening.bounded,
            interval: opening.interval,
            opened: Instant::now(),
            before: opening.positions.values().sum(),
            assigned: opening.begin(assigned),
            batches: 0,
        }))
    }
}

struct GeneratorReader<D> {
    recipe: Recipe<D>,
    partitions: u32,
    pace: Pace,
    records: Option<u64>,
    /// Whether to give all there is, as fast as it is taken.
    bounded: bool,
    interval: Option<Duration>,
    opened: Instant,
    /// How many records an earlier run has made, over all partitions.
    before: u64,
    /// Each partition with its next offset.
    assigned: Vec<(u32, u64)>,
    batches: u64,
}

impl<D> GeneratorReader<D> {
    /// How many records there are by now, over all partitions.
    fn due(&self, batch: u64) -> u64 {
        let total = self.records.unwrap_or(u64::MAX);
        if self.bounded {
            return total;
        }
        let due = match (self.pace, self.interval) {
            (Pace::PerBatch(rows), _) => self.before + rows * self.batches,
            (Pace::PerSecond(rows), Some(interval)) => {
                (rows * interval.as_secs_f64() * batch as f64) as u64
            }
            (Pace::PerSecond(rows), None) => {
                self.before + (rows * self.opened.elapsed().as_secs_f64()) as u64
            }
        };
        due.min(total)
    }
}

impl<D: Record> Reader<D> for GeneratorReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, _wait: Duration) -> Result<Poll, SourceError> {
        self.batches += 1;
        let due = self.due(intake.tick().map_or(0, |tick| tick.id));
        let mut ended = self.records.is_some();
        for (partition, next) in &mut self.assigned {
            let room = intake.room_of(*partition).unwrap_or(u64::MAX);
            let due = share(due, *partition, self.partitions);
            let until = due.min(next.saturating_add(room));
            intake.behind(*partition, due.saturating_sub(until));
            for offset in *next..until {
                let record = self.recipe.record(*partition, self.partitions, offset);
                intake.push(*partition, offset, record);
            }
            *next = until.max(*next);
            ended &=
                self.records.is_some_and(|all| *next >= share(all, *partition, self.partitions));
        }
        Ok(if ended { Poll::End } else { Poll::Idle })
    }

    fn is_inline(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for total in 0..50 {
            for partitions in 1..8 {
                let sum: u64 = (0..partitions).map(|p| share(total, p, partitions)).sum();
                assert_eq!(sum, total, "{total} over {partitions}");
            }
        }
    }

    #[test]
    fn records_are_the_same_on_every_machine() {
        // Written down once; other numbers mean other benchmarks.
        let numbers: Vec<u64> =
            (0..4).map(|offset| Random::of(42, 1, offset).below(1_000_000)).collect();
        assert_eq!(numbers, [474_649, 972_265, 359_797, 745_514]);
    }
}
