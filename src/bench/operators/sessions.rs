//! Question: what do sessions of event time cost?
//!
//! Method: batches of 100,000 records over 10,000 keys, a second of event time each, up to 100 ms out
//! of order; a gap of 300 ms, so that a key has some three sessions a batch; the number of records of
//! each session that closes, against a loop with a list of sessions for each key and keys by the time
//! at which they are looked at.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidegate_operators::stable_hash;

use super::against::Family;
use crate::RunError;
use crate::bench::Settings;
use crate::bench::report::{BenchRow, Report};

const BATCH: usize = 100_000;
const KEYS: u64 = 10_000;
const RECORDS_PER_MS: u64 = 100;
const DISORDER_MS: u64 = 100;
const GAP_MS: i64 = 300;

/// A record's event time stands above its key.
const KEY_BITS: u32 = 20;

fn time_ms(record: u64) -> i64 {
    (record >> KEY_BITS) as i64
}

fn key(record: u64) -> u64 {
    record & ((1 << KEY_BITS) - 1)
}

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let records = (0..if settings.quick { 500_000u64 } else { 5_000_000 }).map(|number| {
        let random = stable_hash(&number);
        let at_ms = number / RECORDS_PER_MS + random % DISORDER_MS;
        (at_ms << KEY_BITS) | ((random >> 32) % KEYS)
    });
    let records = Arc::new(records.collect::<Vec<u64>>());
    let dataset = "uniform-10k".to_owned();
    let family = Family { bench: "sessions", dataset, batch: BATCH, records };
    family.measure(
        settings,
        report,
        progress,
        Sessions::default,
        Sessions::close,
        |ctx, records, counter| {
            let events = records.with_watermark(|record| time_ms(*record), DISORDER_MS as i64);
            let sessions = events.key_by(|record| key(*record)).sessions(|_, _| GAP_MS);
            counter.count(ctx, sessions.count_by_key().finals().into_rows());
        },
    )?;
    Ok(())
}

#[derive(Default)]
struct Sessions {
    /// Start, end and number of records of each key's sessions, in the order of time.
    open: HashMap<u64, Vec<(i64, i64, i64)>>,
    /// Keys by the end of a session that they had.
    due: BTreeMap<i64, Vec<u64>>,
    watermark_ms: i64,
    newest_ms: i64,
}

impl Sessions {
    /// How many sessions a batch closes.
    fn close(&mut self, batch: &[u64]) -> u64 {
        for record in batch {
            let (mut start, key) = (time_ms(*record), key(*record));
            self.newest_ms = self.newest_ms.max(start);
            let mut end = start + GAP_MS;
            if end <= self.watermark_ms {
                continue;
            }
            let sessions = self.open.entry(key).or_default();
            let from = sessions.partition_point(|session| session.1 < start);
            let to = sessions.partition_point(|session| session.0 <= end).max(from);
            if from == to {
                self.due.entry(end).or_default().push(key);
            }
            let mut count = 1;
            for (other_start, other_end, more) in sessions.drain(from..to) {
                (start, end) = (start.min(other_start), end.max(other_end));
                count += more;
            }
            sessions.insert(from, (start, end, count));
        }
        let mut closed = 0;
        while let Some(first) = self.due.first_entry().filter(|due| *due.key() <= self.watermark_ms)
        {
            for key in first.remove() {
                let Some(sessions) = self.open.get_mut(&key) else { continue };
                let before = sessions.len();
                sessions.retain(|session| session.1 > self.watermark_ms);
                closed += (before - sessions.len()) as u64;
                match sessions.first() {
                    Some((_, end, _)) => self.due.entry(*end).or_default().push(key),
                    None => drop(self.open.remove(&key)),
                }
            }
        }
        self.watermark_ms = self.watermark_ms.max(self.newest_ms - DISORDER_MS as i64);
        closed
    }
}
