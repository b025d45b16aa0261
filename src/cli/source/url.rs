//! `--source` as text: how it is written, and what there may be.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tidegate::kafka::is_address;
use tidegate::source::kafka::StartAt;

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
