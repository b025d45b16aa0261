//! Latencies of batches and of records, from when they were due.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Sample;
use crate::metrics::Latency;

/// How many took longer: the complementary cumulative distribution of latencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ccdf {
    /// Milliseconds, and the share that took longer; the times rise.
    pub points: Vec<(f64, f64)>,
}

impl Ccdf {
    fn of(histogram: &Histogram<u64>) -> Self {
        let all = histogram.len() as f64;
        let mut seen = 0;
        let points = histogram.iter_recorded().map(|value| {
            seen += value.count_since_last_iteration();
            (value.value_iterated_to() as f64 / NANOS_PER_MS, 1.0 - seen as f64 / all)
        });
        // Plots want some hundreds of points, and the tail.
        let points: Vec<(f64, f64)> = points.collect();
        let step = (points.len() / 300).max(1);
        let is_kept = |at: usize, (_, above): &(f64, f64)| {
            at.is_multiple_of(step) || at + 1 == points.len() || *above < 0.01
        };
        let kept = points.iter().enumerate().filter(|(at, point)| is_kept(*at, point));
        Ccdf { points: kept.map(|(_, point)| *point).collect() }
    }
}

const NANOS_PER_MS: f64 = 1e6;
/// The records of a batch are looked at in so many groups, by when they were due.
const GROUPS: u64 = 64;

/// The latencies of batches: from when each was due until all sinks had confirmed it.
pub(super) fn of_batches<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Histogram<u64> {
    let mut histogram = Latency::histogram();
    for sample in samples {
        histogram.saturating_record((sample.total_ms() * NANOS_PER_MS) as u64);
    }
    histogram
}

/// The latencies of records, of which one is due every `1 / rate` seconds since the beginning: from when
/// each was due until its batch was through.
pub(super) fn of_records<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    rate: f64,
) -> Histogram<u64> {
    let mut histogram = Latency::histogram();
    for sample in samples {
        let through_ms = sample.due_ms + sample.total_ms();
        let records = sample.to - sample.from;
        let groups = records.min(GROUPS);
        for group in 0..groups {
            let at = |group: u64| sample.from + records * group / groups;
            let (first, behind) = (at(group), at(group + 1));
            // The one in the middle stands for its group.
            let due_ms = (first + behind + 1) as f64 / 2.0 * 1e3 / rate;
            let latency = ((through_ms - due_ms).max(0.0) * NANOS_PER_MS) as u64;
            histogram.saturating_record_n(latency, behind - first);
        }
    }
    histogram
}

/// Percentiles and curve of latencies.
pub(super) fn summed_up(histogram: &Histogram<u64>) -> (Latency, Ccdf) {
    (Latency::from(histogram), Ccdf::of(histogram))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch every 10 ms that takes 2 ms, 100,000 records a second, and one stall of a second.
    fn with_a_stall() -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut batch = 0;
        let mut seen = 0;
        while batch < 1_000 {
            // The stalled batch ends a second late, and the next one due then has all since.
            let stalls = batch == 500;
            batch += if batch == 501 { 100 } else { 1 };
            let due_ms = batch as f64 * 10.0;
            let to = (due_ms * 100.0) as u64;
            let processing_ms = if stalls { 1_000.0 } else { 2.0 };
            samples.push(Sample { batch, due_ms, delay_ms: 0.0, processing_ms, from: seen, to });
            seen = to;
        }
        samples
    }

    #[test]
    fn a_stall_of_a_second_is_a_tail_of_a_second() {
        let samples = with_a_stall();
        let (batches, _) = summed_up(&of_batches(&samples));
        // Of batches only one was late; of records all that were due meanwhile.
        assert!(batches.p99_ms < 3.0 && batches.max_ms > 999.0, "{batches:?}");
        let (records, ccdf) = summed_up(&of_records(&samples, 100_000.0));
        assert!(records.p50_ms < 13.0, "{records:?}");
        assert!(records.p95_ms > 400.0 && records.p99_ms > 850.0, "{records:?}");
        assert!((1_000.0..1_020.0).contains(&records.max_ms), "{records:?}");
        // One in ten records was due within the second, and waited for half of it in the mean.
        let beyond = |ms: f64| {
            let later = ccdf.points.iter().find(|(at, _)| *at >= ms);
            later.map_or(0.0, |(_, share)| *share)
        };
        assert!((0.04..0.06).contains(&beyond(500.0)), "{}", beyond(500.0));
    }

    #[test]
    fn a_record_waits_for_its_batch() {
        // Due every ms, one batch of 10 that is due with the last of them and takes 1 ms.
        let (due_ms, delay_ms, processing_ms) = (10.0, 0.0, 1.0);
        let sample = Sample { batch: 1, due_ms, delay_ms, processing_ms, from: 0, to: 10 };
        let (records, _) = summed_up(&of_records([&sample], 1_000.0));
        assert!((10.0..10.1).contains(&records.max_ms), "{records:?}");
        assert!((5.0..6.1).contains(&records.p50_ms), "{records:?}");
    }
}
