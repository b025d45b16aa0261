//! A topic that equals a table.

use std::sync::Arc;

use serde::Serialize;
use tidegate_operators::{Record, stable_hash};

use super::{Give, KafkaMessage, KafkaSink, json, no_message};
use crate::error::SinkError;
use crate::sink::newest::newest;
use crate::table::Change;

impl<D: Record> KafkaSink<Change<D>> {
    /// Keeps a topic equal to a table: the newest message of a key is its row, as JSON, and one without
    /// a payload (a tombstone) says that there is none any more. A batch writes one message for each key
    /// that it changes. So readers such as Kafka Streams' tables, and compaction
    /// (`cleanup.policy=compact`), have the table, whose rows must differ in their keys.
    ///
    /// A key is written as [`key_of`] says. What lies in the topic when a job begins anew stays there.
    ///
    /// ```
    /// use tidegate::kafka::EmbeddedKafka;
    /// use tidegate::sink::{KafkaSink, Memory};
    /// use tidegate::source::{Generator, Kafka};
    /// use tidegate::{Config, Trigger};
    ///
    /// let broker = EmbeddedKafka::start()?;
    /// broker.create_topic("counts", 3)?;
    /// let available = || Config::new("example").trigger(Trigger::AvailableNow);
    ///
    /// let brokers = broker.brokers();
    /// tidegate::run(available().records_per_partition_max(500), move |ctx| {
    ///     let numbers = ctx.source(Generator::uniform_keys(10, 7).records(1_000));
    ///     let counts = numbers.running().count_by_value().changes();
    ///     counts.sink(KafkaSink::upsert(&brokers, "counts", |(number, _count)| *number));
    /// })?;
    ///
    /// let (brokers, read) = (broker.brokers(), Memory::<(u64, i64)>::new());
    /// let sink = read.clone();
    /// tidegate::run(available(), move |ctx| {
    ///     ctx.source(Kafka::json(&brokers, "counts")).sink(sink.clone());
    /// })?;
    /// let rows = read.rows().concat();
    /// assert_eq!(rows.len(), 20, "ten keys in each of two batches");
    /// let newest: std::collections::BTreeMap<u64, i64> = rows.into_iter().collect();
    /// assert_eq!(newest.values().sum::<i64>(), 1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upsert<K: Serialize>(
        brokers: &str,
        topic: &str,
        key: impl Fn(&D) -> K + Send + Sync + 'static,
    ) -> Self {
        KafkaSink::upsert_encoded(brokers, topic, move |row| key_of(&key(row)), json)
    }

    /// The same, with keys and payloads as functions make them.
    pub fn upsert_encoded(
        brokers: &str,
        topic: &str,
        key: impl Fn(&D) -> Result<Vec<u8>, String> + Send + Sync + 'static,
        payload: impl Fn(&D) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Self {
        let key = Arc::new(key);
        let of = Arc::clone(&key);
        let hash = move |change: &Change<D>| Some(stable_hash(&of(&change.row).ok()?));
        let encode = move |changes: &[Change<D>], give: &mut Give<'_>| {
            encode(changes, &*key, &payload, give)
        };
        KafkaSink::new(brokers, topic, Arc::new(encode), Arc::new(hash))
    }
}

/// The bytes of a key: a text as it is, anything else as JSON.
///
/// # Errors
///
/// If it can't be JSON, such as a map whose keys are no texts.
///
/// ```
/// use tidegate::sink::kafka::key_of;
///
/// assert_eq!(key_of(&"tide"), Ok(b"tide".to_vec()));
/// assert_eq!(key_of(&("tide", 7)), Ok(br#"["tide",7]"#.to_vec()));
/// ```
pub fn key_of(key: &impl Serialize) -> Result<Vec<u8>, String> {
    key_of_json(json(key)?)
}

/// The same of a key that is JSON already, which is not looked at further than it needs to be.
///
/// # Errors
///
/// If it is a text whose escapes can't be read.
///
/// ```
/// use tidegate::sink::kafka::key_of_json;
///
/// assert_eq!(key_of_json(br#""a \"tide\"""#.to_vec()), Ok(br#"a "tide""#.to_vec()));
/// assert_eq!(key_of_json(b"7".to_vec()), Ok(b"7".to_vec()));
/// assert!(key_of_json(br#""\x""#.to_vec()).is_err());
/// ```
pub fn key_of_json(mut json: Vec<u8>) -> Result<Vec<u8>, String> {
    match &*json {
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => {
            json.pop();
            json.remove(0);
            Ok(json)
        }
        [b'"', ..] => {
            serde_json::from_slice(&json).map(String::into_bytes).map_err(|error| error.to_string())
        }
        _ => Ok(json),
    }
}

/// Gives a message for each key that changes leave otherwise.
fn encode<D: Record>(
    changes: &[Change<D>],
    key: impl Fn(&D) -> Result<Vec<u8>, String>,
    payload: impl Fn(&D) -> Result<Vec<u8>, String>,
    give: &mut Give<'_>,
) -> Result<(), SinkError> {
    let keys: Result<Vec<Vec<u8>>, String> =
        changes.iter().map(|change| key(&change.row)).collect();
    let mut keys = keys.map_err(no_message)?;
    let newest = newest(&keys, |change| changes[change].diff).map_err(|second| {
        SinkError::Invalid(format!(
            "there are two rows with one key, of which one is {:?}: take more of the row into the key",
            changes[second].row
        ))
    })?;
    for newest in newest {
        let payload = newest.came.then(|| payload(&changes[newest.change].row));
        let payload = payload.transpose().map_err(no_message)?;
        give(KafkaMessage { key: Some(std::mem::take(&mut keys[newest.change])), payload })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static str, i64);

    fn messages(
        changes: &[(isize, &str, i64)],
    ) -> Result<Vec<(String, Option<String>)>, SinkError> {
        let changes = changes.iter().map(|(diff, word, count)| {
            let row = ((*word).to_owned(), *count);
            Change { diff: *diff, row }
        });
        let changes: Vec<Change<(String, i64)>> = changes.collect();
        let mut messages = Vec::new();
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let mut give = |message: KafkaMessage| {
            messages.push((text(message.key.expect("a key")), message.payload.map(text)));
            Ok(())
        };
        encode(&changes, |(word, _)| key_of(word), json, &mut give)?;
        Ok(messages)
    }

    #[test]
    fn a_key_that_changes_is_one_message() {
        let changes = [(-1, "a", 1), (1, "a", 2), (-1, "b \"c\"", 4), (1, "d", 1)];
        let row = |row: Row| Some(format!("[\"{}\",{}]", row.0, row.1));
        let expected = [("a", row(("a", 2))), ("b \"c\"", None), ("d", row(("d", 1)))];
        let expected = expected.map(|(key, row)| (key.to_owned(), row));
        assert_eq!(messages(&changes).expect("one row for each"), expected);
    }

    #[test]
    fn two_rows_with_one_key_are_refused() {
        let error = messages(&[(1, "a", 1), (1, "a", 2)]).expect_err("two rows").to_string();
        assert!(error.contains("(\"a\", 2)") && error.contains("into the key"), "{error}");
    }
}
