//! `--source`: where records come from.

mod input;
mod url;

use tidegate::source::kafka::KafkaRecord;
use tidegate::source::{DeadLetter, Directory, File, Generator, Kafka, Socket, Source, Stdin};
use tidegate::{Context, DStream, Record};

pub use self::input::{Input, Made};
pub use self::url::{KafkaUrl, SOURCES, SourceUrl, parts, records_a_second, refuse_unknown};
use super::failure::Failure;

type Read<'s, D> = (DStream<'s, D>, DStream<'s, DeadLetter>);

impl SourceUrl {
    /// Opens the source in a program.
    pub fn read<'s, D: Input>(&self, ctx: Context<'s>, made: Made<D>) -> Read<'s, D> {
        fn from<'s, D: Input>(ctx: Context<'s>, source: impl Source<Item = D>) -> Read<'s, D> {
            ctx.source_with_dead_letters(source)
        }
        let makes = made.clone();
        let decode = move |bytes: &[u8]| made.decode(bytes);
        match self.clone() {
            SourceUrl::Kafka(url) => from(ctx, url.source(decode)),
            SourceUrl::File { path, follow } => {
                from(ctx, File::decoded(path, decode).follow(follow))
            }
            SourceUrl::Directory(path) => from(ctx, Directory::decoded(path, decode)),
            SourceUrl::Stdin => from(ctx, Stdin::decoded(decode)),
            SourceUrl::Tcp(address) => from(ctx, Socket::decoded(address, decode)),
            SourceUrl::Generator { records, rate, seed, partitions } => {
                from(ctx, paced(&*makes.generator, records, rate, seed, partitions))
            }
        }
    }
}

/// A generator as its parameters say.
pub fn generator<D: Input>(
    records: Option<u64>,
    rate: Option<f64>,
    seed: u64,
    partitions: u32,
) -> Generator<D> {
    paced(&D::generator, records, rate, seed, partitions)
}

/// So many records are made up a second, unless said otherwise.
const RATE: f64 = 10_000.0;

fn paced<D: Record>(
    generator: &dyn Fn(u64, f64) -> Generator<D>,
    records: Option<u64>,
    rate: Option<f64>,
    seed: u64,
    partitions: u32,
) -> Generator<D> {
    let rate = rate.unwrap_or(RATE);
    let generator = generator(seed, rate).partitions(partitions).rows_per_s(rate);
    match records {
        Some(records) => generator.records(records),
        None => generator,
    }
}

impl KafkaUrl {
    fn source<D: Input>(
        &self,
        decode: impl Fn(&[u8]) -> Result<D, String> + Send + Sync + 'static,
    ) -> Kafka<D> {
        let decode = move |record: &KafkaRecord<'_>| {
            decode(record.payload().ok_or("the message has no payload")?)
        };
        let mut kafka =
            Kafka::decoded(&self.brokers, &self.topics[0], decode).start_at(self.start.clone());
        for topic in &self.topics[1..] {
            kafka = kafka.and_topic(topic);
        }
        if let Some(group) = &self.group {
            kafka = kafka.group(group);
        }
        for (key, value) in &self.options {
            kafka = kafka.option(key, value);
        }
        kafka
    }
}

/// Refuses a file that is given as a directory.
pub fn check(source: &SourceUrl) -> Result<(), Failure> {
    match source {
        SourceUrl::Directory(path) if path.is_file() => {
            Err(Failure::Usage(format!("`{0}` is a file: read it with `file:{0}`", path.display())))
        }
        _ => Ok(()),
    }
}
