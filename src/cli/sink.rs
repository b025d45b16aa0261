//! `--sink`: where results go, as text.

use std::path::PathBuf;
use std::str::FromStr;

use tidegate::sink::{Console, JsonLines, KafkaSink, Null, TextFiles};
use tidegate::{DStream, Record};

use super::progress::Terminal;
use super::source::KafkaUrl;

/// Where results go.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkUrl {
    Console,
    Text { prefix: PathBuf, suffix: Option<String> },
    JsonLines(PathBuf),
    Kafka(KafkaUrl),
    Null,
}

/// What `--sink` accepts, for help texts.
pub const SINKS: &str = "\
Sinks:
  console                        the first rows of each batch
  text:PREFIX[?suffix=txt]       a file for each batch: PREFIX-TIME[.txt]
  jsonl:FILE                     all rows, a JSON object a line
  kafka://HOST:PORT/TOPIC        a message for each row, as JSON
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
            let url: KafkaUrl = text.parse()?;
            if url.topics.len() != 1 {
                return Err("a sink writes to one topic".into());
            }
            return Ok(SinkUrl::Kafka(url));
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
            "jsonl" => SinkUrl::JsonLines(rest.into()),
            _ => {
                return Err(format!(
                    "there is no sink `{text}`: use console, text:, jsonl:, kafka:// or null"
                ));
            }
        };
        if rest.is_empty() {
            return Err(format!("`{text}` names no place: use `{scheme}:PATH`"));
        }
        Ok(sink)
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
                let mut kafka = KafkaSink::json(&url.brokers, &url.topics[0]).fail_fast(fail_fast);
                for (key, value) in &url.options {
                    kafka = kafka.option(key, value);
                }
                rows.sink(kafka);
            }
            SinkUrl::Null => rows.sink(Null::default()),
        }
    }
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
    }

    #[test]
    fn what_is_no_sink_is_refused_with_a_remedy() {
        for (text, remedy) in [
            ("text:", "text:PATH"),
            ("text:x?sufix=txt", "suffix"),
            ("parquet:x", "jsonl:"),
            ("kafka://h:1/a,b", "one topic"),
            ("kafka://h/a", "HOST:PORT"),
        ] {
            let error = text.parse::<SinkUrl>().expect_err(text);
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }
}
