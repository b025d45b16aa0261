//! Tidegate on numbers in memory: counts that follow each batch, as differences on the worker that owns
//! the number.
//!
//!     memory WORKERS RECORDS CHANGES BATCH [WINDOW]
//!
//! The records are read before, and the changes written after what is timed: from the first batch that
//! goes in to the last difference that has come out. Prints `took SECONDS`.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tidegate::error::SourceError;
use tidegate::source::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use tidegate::{Config, Span, Trigger};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

/// The numbers of each batch, by partition.
type Batches = Vec<Vec<Vec<u64>>>;

/// Gives a batch at each poll; knows when it gave the first.
#[derive(Clone)]
struct Numbers {
    batches: Arc<Mutex<Batches>>,
    begun: Arc<OnceLock<Instant>>,
}

impl Source for Numbers {
    type Item = u64;

    fn name(&self) -> String {
        "numbers".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        let ids = 0..held(&self.batches).len() as u32;
        Ok(ids.map(|id| Partition { id, name: format!("numbers-{id}") }).collect())
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<u64>>, SourceError> {
        let mut numbers = held(&self.batches);
        let take = |partition: &Partition| {
            let mut batches = std::mem::take(&mut numbers[partition.id as usize]);
            batches.reverse();
            (partition.id, 0, batches)
        };
        let partitions = assigned.iter().map(take).collect();
        Ok(Box::new(NumberReader { partitions, begun: Arc::clone(&self.begun) }))
    }
}

struct NumberReader {
    /// Those of a worker: number, next offset, and what is left, the next batch last.
    partitions: Vec<(u32, u64, Vec<Vec<u64>>)>,
    begun: Arc<OnceLock<Instant>>,
}

impl Reader<u64> for NumberReader {
    fn poll(&mut self, intake: &mut Intake<u64>, _: Duration) -> Result<Poll, SourceError> {
        self.begun.get_or_init(Instant::now);
        let mut left = false;
        for (partition, offset, batches) in &mut self.partitions {
            let numbers = batches.pop().unwrap_or_default();
            let count = numbers.len() as u64;
            intake.push_all(*partition, *offset, numbers);
            *offset += count;
            left |= !batches.is_empty();
        }
        Ok(if left { Poll::Idle } else { Poll::End })
    }

    fn is_inline(&self) -> bool {
        true
    }
}

fn held<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workers, records, changes, batch, window @ ..] = arguments.as_slice() else {
        return Err("give WORKERS RECORDS CHANGES BATCH [WINDOW]".into());
    };
    let workers = workers.parse()?;
    let window: Option<u64> = window.first().map(|length| length.parse()).transpose()?;
    let batches = Arc::new(Mutex::new(read(records, workers, batch.parse()?)?));
    let begun = Arc::new(OnceLock::new());
    let numbers = Numbers { batches, begun: Arc::clone(&begun) };
    let seen = Arc::new(Mutex::new((Vec::new(), Instant::now())));

    let config = Config::new("memory").workers(workers).trigger(Trigger::Continuous);
    let output = Arc::clone(&seen);
    tidegate::run(config, move |ctx| {
        let numbers = ctx.source(numbers.clone());
        let counts = match window {
            None => numbers.running().count_by_value(),
            Some(length) => {
                numbers.window(Span::batches(length), Span::batches(1)).count_by_value()
            }
        };
        let output = Arc::clone(&output);
        let differences = counts.into_collection().inner;
        ctx.complete_with(differences.unary::<NoopBuilder<Vec<()>>, _, _, _>(
            Pipeline,
            "Collect",
            move |_, _| {
                move |input, _| {
                    input.for_each(|_, rows| {
                        let (seen, last) = &mut *held(&output);
                        seen.push(std::mem::take(rows));
                        *last = Instant::now();
                    });
                }
            },
        ));
    })?;
    let (seen, last) = &*held(&seen);
    let begun = begun.get().ok_or("no batch has gone in")?;
    println!("took {}", last.duration_since(*begun).as_secs_f64());

    let mut changes = BufWriter::new(File::create(changes)?);
    for ((number, count), _batch, difference) in seen.iter().flatten() {
        writeln!(changes, "{number},{count},{difference}")?;
    }
    Ok(changes.flush()?)
}

/// The records, batch by batch, dealt to partitions. A number before a comma is the batch's.
fn read(records: &str, partitions: usize, batch: usize) -> Result<Batches, Box<dyn Error>> {
    let mut dealt = vec![Vec::new(); partitions];
    let lines = BufReader::new(File::open(records)?).lines();
    for (index, line) in lines.enumerate() {
        let (line, place) = (line?, index % batch);
        if place == 0 {
            dealt.iter_mut().for_each(|batches| batches.push(Vec::with_capacity(batch)));
        }
        let number = line.split_once(',').map_or(&*line, |(_batch, number)| number).parse()?;
        if let Some(numbers) = dealt[place * partitions / batch].last_mut() {
            numbers.push(number);
        }
    }
    Ok(dealt)
}
