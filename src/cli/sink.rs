//! `--sink`: where results go, as text.

use std::path::PathBuf;
use std::str::FromStr;

use tidegate::sink::{Console, JsonLines, KafkaSink, Null, TextFiles};
use tidegate::{Change, DStream, Record};

use super::failure::Failure;
use super::fields::Fields;
use super::progress::Terminal;
use super::source::{KafkaUrl, parts, refuse_unknown};
#[cfg(feature = "sql")]
use super::sql::SqlUrl;

/// Where results go.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkUrl {
    Console,
    Text {
        prefix: PathBuf,
        suffix: Option<String>,
    },
    JsonLines(PathBuf),
    Kafka(KafkaTopic),
    /// A database's table, or why there can't be one: [`check`] says so, since whoever refuses an
    /// argument repeats it, with the password that it may have.
    #[cfg(feature = "sql")]
    Sql(Result<SqlUrl, String>),
    /// A database for which the program was built without this feature.
    NotBuilt(&'static str),
    Null,
}

/// A Kafka topic, and how it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaTopic {
    url: KafkaUrl,
    at_least_once: bool,
    progress: Option<String>,
    /// What of a row is its key, if the topic is kept equal to the result.
    key: Option<Fields>,
    shards: usize,
}

/// How the URLs of databases begin, the feature that each needs, and whether it is there.
const DATABASES: [(&str, &str, bool); 5] = [
    ("mariadb:", "mysql", cfg!(feature = "mysql")),
    ("mysql:", "mysql", cfg!(feature = "mysql")),
    ("postgres:", "postgres", cfg!(feature = "postgres")),
    ("postgresql:", "postgres", cfg!(feature = "postgres")),
    ("sqlite:", "sqlite", cfg!(feature = "sqlite")),
];

/// What `--sink` accepts, for help texts.
pub const SINKS: &str = "\
Sinks:
  console                        the first rows of each batch
  text:PREFIX[?suffix=txt]       a file for each batch: PREFIX-TIME[.txt]
  jsonl:FILE                     all rows, a JSON object a line
  kafka://HOST:PORT/TOPIC        a message for each row, as JSON; with --checkpoint, each batch is a
                                 transaction, for readers with isolation.level=read_committed
      ?key=FIELD[,FIELD]         keep the topic equal to the result: a message for each key that changes,
                                 with its new row, or with nothing; FIELD is a name, or a number from 1
      &delivery=at-least-once    without transactions
      &shards=N                  producers that write at the same time [default: 1]
      &progress=TOPIC            where it says how far it has come [default: tidegate-progress]
      &transactional.id=NAME     for the second of two jobs of one name on one topic
      &security.protocol=... and every other option of librdkafka
  postgres://USER:PASSWORD@HOST:PORT/DATABASE?table=TABLE    a table of a database
  mysql://USER:PASSWORD@HOST:PORT/DATABASE?table=TABLE       (if built with the features `postgres`,
  sqlite:FILE?table=TABLE                                    `mysql`, `sqlite`)
      &key=COLUMN[,COLUMN]   keep the table equal to the result; without a key each row is added, with
                             its `batch` and `time_ms`
      &columns=COLUMN[,...]  which columns the rows give, if not all
      &id=NAME               its own name in `tidegate_progress` [default: TABLE]
      &shards=N              connections that write at the same time [default: 1]
  null                           nowhere";

impl FromStr for SinkUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "console" | "-" => return Ok(SinkUrl::Console),
            "null" => return Ok(SinkUrl::Null),
            _ => {}
        }
        if text.starts_with("kafka:") {
            return text.parse().map(SinkUrl::Kafka);
        }
        match DATABASES.iter().find(|(scheme, ..)| text.starts_with(scheme)) {
            None => {}
            Some((_, feature, false)) => return Ok(SinkUrl::NotBuilt(feature)),
            #[cfg(feature = "sql")]
            Some(_) => return Ok(SinkUrl::Sql(SqlUrl::new(text))),
            #[cfg(not(feature = "sql"))]
            Some(_) => {}
        }
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let sink = match scheme {
            "text" => {
                let (prefix, query) = rest.split_once('?').unwrap_or((rest, ""));
                let suffix = match query.split_once('=') {
                    None if query.is_empty() => None,
                    Some(("suffix", suffix)) if !suffix.is_empty() => Some(suffix.to_owned()),
                    _ => return Err(format!("`{query}`: use `suffix=...`")),
                };
                SinkUrl::Text { prefix: prefix.into(), suffix }
            }
            "jsonl" => {
                let (path, parameters) = parts(rest)?;
                refuse_unknown(&parameters, "use `jsonl:FILE`")?;
                SinkUrl::JsonLines(path.into())
            }
            _ => {
                return Err(format!(
                    "there is no sink `{text}`: use console, text:, jsonl:, kafka://, postgres://, \
                     mysql://, sqlite: or null"
                ));
            }
        };
        if rest.is_empty() || rest.starts_with('?') {
            return Err(format!("`{text}` names no place: use `{scheme}:PATH`"));
        }
        Ok(sink)
    }
}

impl FromStr for KafkaTopic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = "use `key`, `delivery`, `progress`, `shards`, or an option of librdkafka";
        let own = ["key", "delivery", "progress", "shards"];
        let (url, others) = KafkaUrl::with(text, &own, known)?;
        if url.topics.len() != 1 {
            return Err("a sink writes to one topic".into());
        }
        let at_least_once = match others.get("delivery").copied() {
            None | Some("exactly-once") => false,
            Some("at-least-once") => true,
            Some(other) => {
                return Err(format!("`delivery={other}`: use `exactly-once` or `at-least-once`"));
            }
        };
        let progress = others.get("progress").map(|topic| (*topic).to_owned());
        let key = others.get("key").map(|fields| fields.parse()).transpose()?;
        let shards = others.get("shards").map_or(Ok(1), |text| shards(text))?;
        Ok(KafkaTopic { url, at_least_once, progress, key, shards })
    }
}

/// How many parts of a batch are written at the same time.
pub fn shards(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|shards| *shards > 0);
    number.ok_or_else(|| format!("`shards={text}`: use a number from 1 on"))
}

impl KafkaTopic {
    /// The sink that `make` makes of brokers and a topic, with all options.
    pub fn sink<D: Record>(&self, make: impl FnOnce(&str, &str) -> KafkaSink<D>) -> KafkaSink<D> {
        let mut kafka = make(&self.url.brokers, &self.url.topics[0]).shards(self.shards);
        for (key, value) in &self.url.options {
            kafka = kafka.option(key, value);
        }
        if self.at_least_once {
            kafka = kafka.at_least_once();
        }
        match &self.progress {
            Some(topic) => kafka.progress_topic(topic),
            None => kafka,
        }
    }
}

impl SinkUrl {
    /// Ends a stream here.
    pub fn write<D: Record>(
        &self,
        rows: DStream<'_, D>,
        terminal: &Terminal,
        fail_fast: bool,
        line: fn(&D) -> String,
    ) {
        match self {
            SinkUrl::Console => rows.sink(Console::new().to(terminal.stdout()).format(line)),
            SinkUrl::Text { prefix, suffix } => {
                let files = TextFiles::new(prefix).format(line);
                rows.sink(match suffix {
                    Some(suffix) => files.suffix(suffix),
                    None => files,
                });
            }
            SinkUrl::JsonLines(path) => rows.sink(JsonLines::new(path)),
            SinkUrl::Kafka(url) => {
                let kafka = url.sink(|brokers, topic| KafkaSink::json(brokers, topic));
                rows.sink(kafka.fail_fast(fail_fast));
            }
            #[cfg(feature = "sql")]
            SinkUrl::Sql(Ok(url)) => url.append(rows, fail_fast),
            #[cfg(feature = "sql")]
            SinkUrl::Sql(Err(why)) => unreachable!("{why}: `check` refuses it"),
            SinkUrl::NotBuilt(feature) => unreachable!("`{feature}`: `check` refuses it"),
            SinkUrl::Null => rows.sink(Null::default()),
        }
    }

    /// The file that it writes; of one for each batch, the pattern.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            SinkUrl::Text { prefix, suffix } => {
                let suffix = suffix.as_ref().map_or(String::new(), |suffix| format!(".{suffix}"));
                Some(format!("{}-TIME{suffix}", prefix.display()).into())
            }
            SinkUrl::JsonLines(path) => Some(path.clone()),
            _ => None,
        }
    }

    /// Whether it is kept equal to results, where others are told of them.
    pub fn is_kept(&self) -> bool {
        match self {
            #[cfg(feature = "sql")]
            SinkUrl::Sql(Ok(url)) => url.is_upsert(),
            SinkUrl::Kafka(topic) => topic.key.is_some(),
            _ => false,
        }
    }

    /// Keeps a sink equal to what some changes add up to, if it is meant to be rather than to be
    /// told of it.
    pub fn keep<'s, D: Record>(
        &self,
        changes: impl FnOnce() -> DStream<'s, Change<D>>,
        fail_fast: bool,
    ) -> bool {
        match self {
            #[cfg(feature = "sql")]
            SinkUrl::Sql(Ok(url)) if url.is_upsert() => url.upsert(changes(), fail_fast),
            SinkUrl::Kafka(url @ KafkaTopic { key: Some(fields), .. }) => {
                let fields = fields.clone();
                let key = move |row: &D| fields.key_of(row);
                let row = |row: &D| serde_json::to_vec(row).map_err(|error| error.to_string());
                let make =
                    |kafka: &str, topic: &str| KafkaSink::upsert_encoded(kafka, topic, key, row);
                let kafka = url.sink(make);
                changes().sink(kafka.fail_fast(fail_fast));
            }
            _ => return false,
        }
        true
    }
}

/// Refuses sinks that can't be.
pub fn check(sinks: &[SinkUrl]) -> Result<(), Failure> {
    for sink in sinks {
        match sink {
            #[cfg(feature = "sql")]
            SinkUrl::Sql(Err(why)) => return Err(Failure::Usage(why.clone())),
            SinkUrl::NotBuilt(feature) => {
                return Err(Failure::Usage(format!(
                    "this program was built without that database: build it with `--features \
                     {feature}`"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_are_understood() {
        let text = SinkUrl::Text { prefix: "out/c".into(), suffix: Some("txt".into()) };
        assert_eq!("text:out/c?suffix=txt".parse(), Ok(text));
        assert_eq!("console".parse(), Ok(SinkUrl::Console));
        assert_eq!("jsonl:x".parse(), Ok(SinkUrl::JsonLines("x".into())));
        let text = "kafka://h:1/t?delivery=at-least-once&progress=p&linger.ms=5&key=1,2&shards=3";
        let kafka = text.parse();
        let Ok(SinkUrl::Kafka(KafkaTopic { url, at_least_once: true, progress, key, shards: 3 })) =
            kafka
        else {
            panic!("{kafka:?}")
        };
        assert_eq!(key, "1,2".parse().ok());
        assert_eq!((&*url.brokers, url.options), ("h:1", vec![("linger.ms".into(), "5".into())]));
        assert_eq!(progress.as_deref(), Some("p"));
    }

    #[test]
    fn what_is_no_sink_is_refused_with_a_remedy() {
        for (text, remedy) in [
            ("text:", "text:PATH"),
            ("text:?suffix=txt", "text:PATH"),
            ("text:x?sufix=txt", "suffix"),
            ("jsonl:x?y=1", "jsonl:FILE"),
            ("parquet:x", "jsonl:"),
            ("kafka://h:1/a,b", "one topic"),
            ("kafka://h/a", "HOST:PORT"),
            ("kafka://h:1/a?delivery=twice", "at-least-once"),
            ("kafka://h:1/a?topic=b", "progress"),
            ("kafka://h:1/a?key=1,,2", "key=FIELD"),
            ("kafka://h:1/a?shards=0", "from 1 on"),
        ] {
            let error = text.parse::<SinkUrl>().expect_err(text);
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }
}
