//! `--source`: where records come from, as text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use tidegate::kafka::is_address;
use tidegate::source::generator::nexmark::NexmarkEvent;
use tidegate::source::generator::{AdActivity, AdEvent, Click};
use tidegate::source::kafka::{KafkaRecord, StartAt};
use tidegate::source::{DeadLetter, Directory, File, Generator, Kafka, Socket, Source, Stdin};
use tidegate::workloads::{Edge, LabelledPoint, Point};
use tidegate::{Context, DStream, Record};

use super::failure::Failure;
use super::learning::made_up_weights;

/// Where records come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceUrl {
    Kafka(KafkaUrl),
    File { path: PathBuf, follow: bool },
    Directory(PathBuf),
    Stdin,
    Tcp(String),
    Generator { records: Option<u64>, rate: Option<f64>, seed: u64, partitions: u32 },
}

/// A Kafka topic, and how it is read or written.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaUrl {
    pub brokers: String,
    pub topics: Vec<String>,
    pub start: StartAt,
    pub group: Option<String>,
    /// Options of librdkafka: those with a dot in their names.
    pub options: Vec<(String, String)>,
}

/// What `--source` accepts, for help texts.
pub const SOURCES: &str = "\
Sources:
  kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC]    records of Kafka topics
      ?start=earliest|latest|committed|timestamp:MS|offsets:PARTITION=OFFSET[;...]
      &group=NAME            commit offsets to this group, for lag tools
      &security.protocol=... and every other option of librdkafka
  file:PATH[?follow=true]                        the lines of a file
  dir:PATH                                       the lines of all files, and of new ones
  stdin                                          the lines of standard input
  tcp://HOST:PORT                                the lines that a server sends
  generate[:?records=N&rate=N&seed=N&partitions=N]   records made up for the workload;
      rate=N                 so many a second [default: 10000]; Nexmark's events have such times, too";

/// The text behind the scheme, and the parameters behind the question mark.
pub fn parts(text: &str) -> Result<(&str, BTreeMap<&str, &str>), String> {
    let (rest, query) = text.split_once('?').unwrap_or((text, ""));
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| format!("`{pair}` should be `KEY=VALUE`"))?;
        parameters.insert(key, value);
    }
    Ok((rest, parameters))
}

/// Refuses parameters that are left.
pub fn refuse_unknown(parameters: &BTreeMap<&str, &str>, known: &str) -> Result<(), String> {
    match parameters.keys().next() {
        None => Ok(()),
        Some(key) => Err(format!("there is no parameter `{key}` here: {known}")),
    }
}

impl FromStr for KafkaUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        KafkaUrl::with(text, &[], "use `start`, `group`, or an option of librdkafka")
            .map(|(url, _)| url)
    }
}

impl KafkaUrl {
    /// The URL, and those of its parameters that are in `others`; `known` says what there may be.
    pub fn with<'a>(
        text: &'a str,
        others: &[&str],
        known: &str,
    ) -> Result<(Self, BTreeMap<&'a str, &'a str>), String> {
        let form = "use `kafka://HOST:PORT/TOPIC`";
        let rest = text.strip_prefix("kafka://").ok_or(form)?;
        let (place, mut parameters) = parts(rest)?;
        let (brokers, topics) = place.split_once('/').ok_or_else(|| format!("no topic: {form}"))?;
        for broker in brokers.split(',') {
            // Kafka's client passes over spaces between brokers.
            if !is_address(broker.trim()) {
                return Err(format!("`{broker}` is no broker address: {form}"));
            }
        }
        let topics: Vec<String> = topics.split(',').map(str::to_owned).collect();
        if topics.iter().any(String::is_empty) {
            return Err(format!("no topic: {form}"));
        }
        let start =
            parameters.remove("start").map_or(Ok(StartAt::Earliest), |s| start(s, &topics))?;
        let group = parameters.remove("group").map(str::to_owned);
        if group.as_ref().is_some_and(String::is_empty) {
            return Err("`group=` names no group: use `group=NAME`".into());
        }
        if start == StartAt::Committed && group.is_none() {
            return Err("`start=committed` needs a group: add `&group=NAME`".into());
        }
        let (options, more): (BTreeMap<&str, &str>, BTreeMap<&str, &str>) =
            parameters.into_iter().partition(|(key, _)| key.contains('.'));
        let (others, unknown) = more.into_iter().partition(|(key, _)| others.contains(key));
        refuse_unknown(&unknown, known)?;
        let options =
            options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok((KafkaUrl { brokers: brokers.to_owned(), topics, start, group, options }, others))
    }
}

fn start(text: &str, topics: &[String]) -> Result<StartAt, String> {
    let form = "use `earliest`, `latest`, `committed`, `timestamp:MS` or \
                `offsets:PARTITION=OFFSET;...` (`TOPIC/PARTITION=OFFSET` where there are several)";
    let wrong = || format!("`start={text}`: {form}");
    match text {
        "earliest" => return Ok(StartAt::Earliest),
        "latest" => return Ok(StartAt::Latest),
        "committed" => return Ok(StartAt::Committed),
        _ => {}
    }
    if let Some(time) = text.strip_prefix("timestamp:") {
        return time.parse().map(StartAt::Timestamp).map_err(|_| wrong());
    }
    let offsets = text.strip_prefix("offsets:").ok_or_else(wrong)?;
    let one = |entry: &str| -> Option<((String, i32), i64)> {
        let (place, offset) = entry.split_once('=')?;
        let (topic, partition) = match place.rsplit_once('/') {
            Some((topic, partition)) => (topic.to_owned(), partition),
            None if topics.len() == 1 => (topics[0].clone(), place),
            None => return None,
        };
        Some(((topic, partition.parse().ok()?), offset.parse().ok()?))
    };
    let entries: Option<BTreeMap<_, _>> = offsets.split(';').map(one).collect();
    entries.map(StartAt::Offsets).ok_or_else(wrong)
}

/// A whole number, which may be written as `1e6`.
fn number(key: &str, text: &str, least: f64) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|number| (least..1e15).contains(number) && number.fract() == 0.0)
        .ok_or_else(|| format!("`{key}={text}`: use a whole number from {least} on"))
}

/// A rate that lets records come.
pub fn records_a_second(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| format!("`{text}` records a second: use a number above 0"))
}

impl FromStr for SourceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "stdin" || text == "-" {
            return Ok(SourceUrl::Stdin);
        }
        if text.starts_with("kafka:") {
            return text.parse().map(SourceUrl::Kafka);
        }
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let (rest, mut parameters) = parts(rest)?;
        let source = match scheme {
            "file" => {
                let follow = match parameters.remove("follow") {
                    None | Some("false") => false,
                    Some("true") => true,
                    Some(other) => return Err(format!("`follow={other}`: use `true` or `false`")),
                };
                SourceUrl::File { path: rest.into(), follow }
            }
            "dir" => SourceUrl::Directory(rest.into()),
            "tcp" => SourceUrl::Tcp(rest.trim_start_matches('/').to_owned()),
            "generate" if !rest.is_empty() => {
                let given = if rest.contains('=') { rest } else { "records=N" };
                return Err(format!("`{text}`: use `generate:?{given}`"));
            }
            "generate" => {
                let rate = parameters.remove("rate").map(records_a_second).transpose()?;
                let mut number = |key: &str, least: f64| match parameters.remove(key) {
                    Some(value) => number(key, value, least).map(Some),
                    None => Ok(None),
                };
                SourceUrl::Generator {
                    records: number("records", 0.0)?.map(|n| n as u64),
                    rate,
                    seed: number("seed", 0.0)?.map_or(1, |n| n as u64),
                    partitions: number("partitions", 1.0)?.map_or(4, |n| n as u32),
                }
            }
            _ => {
                return Err(format!(
                    "there is no source `{text}`: use kafka://, file:, dir:, stdin, tcp:// or generate"
                ));
            }
        };
        refuse_unknown(&parameters, "see `tidegate help run` for what there is")?;
        let form = match &source {
            SourceUrl::File { path, .. } if path.as_os_str().is_empty() => "file:PATH",
            SourceUrl::Directory(path) if path.as_os_str().is_empty() => "dir:PATH",
            SourceUrl::Tcp(address) if !address.contains(':') => "tcp://HOST:PORT",
            _ => return Ok(source),
        };
        Err(format!("`{text}` names no place: use `{form}`"))
    }
}

impl SourceUrl {
    /// The file that it reads.
    pub fn file(&self) -> Option<&Path> {
        match self {
            SourceUrl::File { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// As it can be given again, but for what only Kafka's client knows, which may be secret.
impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceUrl::Kafka(url) => write!(f, "kafka://{}/{}", url.brokers, url.topics.join(",")),
            SourceUrl::File { path, follow } => {
                let follow = if *follow { "?follow=true" } else { "" };
                write!(f, "file:{}{follow}", path.display())
            }
            SourceUrl::Directory(path) => write!(f, "dir:{}", path.display()),
            SourceUrl::Stdin => write!(f, "stdin"),
            SourceUrl::Tcp(address) => write!(f, "tcp://{address}"),
            SourceUrl::Generator { records, rate, seed, partitions } => {
                write!(f, "generate:?seed={seed}&partitions={partitions}")?;
                records.map_or(Ok(()), |records| write!(f, "&records={records}"))?;
                rate.map_or(Ok(()), |rate| write!(f, "&rate={rate}"))
            }
        }
    }
}

/// What a workload reads: how a record is decoded, and made up.
pub trait Input: Record {
    fn decode(bytes: &[u8]) -> Result<Self, String>;
    /// Records made up from a seed; those with times of their own may go by how many come a second.
    fn generator(seed: u64, rate: f64) -> Generator<Self>;
}

impl Input for String {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("no UTF-8: {error}"))?;
        Ok(text.to_owned())
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::lines(seed)
    }
}

impl Input for Click {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no click: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::clicks(10_000, 100, seed)
    }
}

impl Input for AdEvent {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no ad event: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::ads(100, seed)
    }
}

impl Input for AdActivity {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no activity on an ad: {error}"))
    }

    fn generator(seed: u64, rate: f64) -> Generator<Self> {
        Generator::ad_activity(rate as u64, seed)
    }
}

impl Input for NexmarkEvent {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no event of Nexmark: {error}"))
    }

    fn generator(seed: u64, rate: f64) -> Generator<Self> {
        Generator::nexmark(rate as u64, seed)
    }
}

impl Input for Edge {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no edge `[from, to]`: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::edges(1_000, seed)
    }
}

impl Input for Point {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no point `[x, y, ...]`: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::points(3, 2, seed)
    }
}

impl Input for LabelledPoint {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| {
            format!("no labelled point `{{\"label\": y, \"features\": [x, ...]}}`: {error}")
        })
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::labelled(made_up_weights(2), 0.1, seed)
    }
}

/// Records of which more is asked than that they can be decoded.
#[derive(Clone)]
pub struct Made<D> {
    whole: Arc<dyn Fn(&D) -> Result<(), String> + Send + Sync>,
    generator: Arc<dyn Fn(u64, f64) -> Generator<D> + Send + Sync>,
}

impl<D: Input> Made<D> {
    /// Records that are `whole`, or are dead letters; and how they are made up.
    pub fn new(
        whole: impl Fn(&D) -> Result<(), String> + Send + Sync + 'static,
        generator: impl Fn(u64, f64) -> Generator<D> + Send + Sync + 'static,
    ) -> Self {
        Made { whole: Arc::new(whole), generator: Arc::new(generator) }
    }

    /// All that can be decoded.
    pub fn any() -> Self {
        Made::new(|_| Ok(()), D::generator)
    }

    fn decode(&self, bytes: &[u8]) -> Result<D, String> {
        let record = D::decode(bytes)?;
        (self.whole)(&record).map(|()| record)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_understood() {
        let kafka: SourceUrl =
            "kafka://a:1,b:2/x,y?group=g&start=offsets:x/0=5;y/1=7&sasl.username=me"
                .parse()
                .unwrap();
        let SourceUrl::Kafka(url) = kafka else { panic!("{kafka:?}") };
        assert_eq!((&*url.brokers, url.topics.len()), ("a:1,b:2", 2));
        let offsets = BTreeMap::from([(("x".into(), 0), 5), (("y".into(), 1), 7)]);
        assert_eq!(url.start, StartAt::Offsets(offsets));
        assert_eq!(url.options, [("sasl.username".into(), "me".into())]);

        assert_eq!("stdin".parse(), Ok(SourceUrl::Stdin));
        assert_eq!("tcp://h:1".parse(), Ok(SourceUrl::Tcp("h:1".into())));
        assert_eq!(
            "generate:?records=1e6&seed=3".parse(),
            Ok(SourceUrl::Generator {
                records: Some(1_000_000),
                rate: None,
                seed: 3,
                partitions: 4
            })
        );
    }

    #[test]
    fn what_is_no_source_is_refused_with_a_remedy() {
        for (text, remedy) in [
            ("kafka://localhost/t", "HOST:PORT"),
            ("kafka://localhost:9092", "TOPIC"),
            ("kafka://localhost:9092/", "TOPIC"),
            ("kafka://localhost:9092/t?start=yesterday", "earliest"),
            ("kafka://localhost:9092/t?start=committed", "group=NAME"),
            ("kafka://localhost:9092/t?group=", "group=NAME"),
            ("kafka://localhost:9092/t?grup=x", "group"),
            ("ftp://x", "kafka://"),
            ("file:", "file:PATH"),
            ("dir:", "dir:PATH"),
            ("tcp://nowhere", "tcp://HOST:PORT"),
            ("generate:?records=many", "number"),
            ("generate:records=5", "`generate:?records=5`"),
            ("generate:foo?records=5", "`generate:?records=N`"),
            ("file:x?follow=maybe", "true"),
        ] {
            let error = text.parse::<SourceUrl>().expect_err(text);
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }
}
