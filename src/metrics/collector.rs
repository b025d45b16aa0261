//! Worker 0's desk, where everything about a batch comes together.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tidegate_operators::Tick;
use tidegate_operators::batched::Report;

use super::summary::Totals;
use super::{
    BatchRecord, BatchStart, IterationRecord, PartitionRecord, ProgressCounter, Reporter,
    SinkRecord, SourceRecord, StateRecord, Summary, WorkerLoad, imbalance,
};
use crate::batch::BatchId;
use crate::plan::{PlanRow, SourceCut};
use crate::sink::SinkReport;

/// Collects what is said about batches, and makes their records when they are done.
pub(crate) struct Collector {
    reporter: Reporter,
    /// Whether batch times come from the wall clock.
    wall_clock: bool,
    /// The number of workers in all processes.
    workers: u32,
    sources: Vec<String>,
    sinks: Vec<String>,
    operators: Vec<String>,
    batches: BTreeMap<BatchId, Batch>,
    /// The newest plan row, for whoever decides about the next batch.
    planned: Option<PlanRow>,
    /// What workers say of their progress, if it is counted.
    progress: Option<ProgressCounter>,
    /// Each operator's report from each worker after the last completed batch; an operator that
    /// had nothing to do says nothing, and is as large as before.
    reports: BTreeMap<(u32, u32), Report>,
    totals: Totals,
}

struct Batch {
    tick: Tick,
    due: Instant,
    cut: Instant,
    in_flight: u64,
    sources: Vec<SourceCut>,
    sinks: BTreeMap<u32, (u64, u64)>,
    /// By operator and worker.
    reports: BTreeMap<(u32, u32), Report>,
    /// By operator: how many rounds there were, and how many there may be.
    rounds: BTreeMap<u32, (u64, u64)>,
}

impl Collector {
    pub(crate) fn new(reporter: Reporter, wall_clock: bool, workers: usize) -> Self {
        Collector {
            reporter,
            wall_clock,
            workers: workers as u32,
            sources: Vec::new(),
            sinks: Vec::new(),
            operators: Vec::new(),
            batches: BTreeMap::new(),
            planned: None,
            progress: None,
            reports: BTreeMap::new(),
            totals: Totals::new(),
        }
    }

    /// The names behind the numbers in reports.
    pub(crate) fn name(&mut self, sources: &[String], sinks: &[String], operators: &[String]) {
        self.sources = sources.to_vec();
        self.sinks = sinks.to_vec();
        self.operators = operators.to_vec();
    }

    /// Tells what this counts, too.
    pub(crate) fn count_progress(&mut self, counter: ProgressCounter) {
        self.progress = Some(counter);
    }

    /// A batch is cut: it was due, and now is now.
    pub(crate) fn cut(&mut self, tick: Tick, due: Instant, now: Instant, in_flight: usize) {
        let batch = Batch {
            tick,
            due,
            cut: now,
            in_flight: in_flight as u64,
            sources: Vec::new(),
            sinks: BTreeMap::new(),
            reports: BTreeMap::new(),
            rounds: BTreeMap::new(),
        };
        self.batches.insert(tick.id, batch);
    }

    /// The plan row of a batch is known.
    pub(crate) fn planned(&mut self, row: PlanRow) {
        if let Some(batch) = self.batches.get_mut(&row.tick.id) {
            batch.sources.clone_from(&row.sources);
            let (sources, delay) = (&self.sources, batch.cut.saturating_duration_since(batch.due));
            self.reporter.started(|| BatchStart {
                batch: row.tick.id,
                time_ms: row.tick.time_ms,
                sources: described(sources, &row.sources),
                scheduling_delay_ms: delay.as_secs_f64() * 1e3,
            });
        }
        self.planned = Some(row);
    }

    /// The newest plan row.
    pub(crate) fn newest_plan(&self) -> Option<&PlanRow> {
        self.planned.as_ref()
    }

    /// A shard has written a batch.
    pub(crate) fn written(&mut self, batch: BatchId, report: &SinkReport) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            let (rows, micros) = batch.sinks.entry(report.sink).or_default();
            *rows += report.rows;
            *micros = (*micros).max(report.micros);
        }
    }

    /// An operator on one worker has closed a batch.
    pub(crate) fn reported(&mut self, batch: BatchId, operator: u32, worker: u32, report: Report) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.reports.insert((operator, worker), report);
        }
    }

    /// An iteration has closed a batch after some rounds.
    pub(crate) fn iterated(&mut self, batch: BatchId, operator: u32, rounds: u64, rounds_max: u64) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.rounds.insert(operator, (rounds, rounds_max));
        }
    }

    /// Everything about these batches has been heard: those before `frontier`, or all.
    pub(crate) fn complete(
        &mut self,
        frontier: Option<BatchId>,
        mut completed: impl FnMut(&BatchRecord),
    ) {
        let now = Instant::now();
        let newest = self.batches.last_key_value().map_or(0, |(id, _)| *id);
        while let Some(first) = self.batches.first_entry() {
            if frontier.is_some_and(|frontier| *first.key() >= frontier) {
                break;
            }
            let (id, batch) = first.remove_entry();
            for report in self.reports.values_mut() {
                report.size.updated = 0;
                report.load = Default::default();
            }
            self.reports.extend(&batch.reports);
            let record = self.record(id, batch, now, newest);
            self.totals.add(&record);
            completed(&record);
            self.reporter.completed(|| record);
        }
    }

    pub(crate) fn finish(self, ran_for: std::time::Duration) -> Summary {
        self.totals.finish(ran_for)
    }

    fn record(&self, id: BatchId, batch: Batch, now: Instant, newest: BatchId) -> BatchRecord {
        let ms =
            |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
        let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = wall_ms.as_secs_f64() * 1e3 - batch.tick.time_ms as f64;
        BatchRecord {
            batch: id,
            previous: batch.tick.previous,
            time_ms: batch.tick.time_ms,
            sources: described(&self.sources, &batch.sources),
            sinks: batch
                .sinks
                .iter()
                .map(|(sink, (rows, micros))| SinkRecord {
                    name: named(&self.sinks, *sink),
                    rows: *rows,
                    write_ms: *micros as f64 / 1e3,
                })
                .collect(),
            state: self.state(),
            iterations: batch
                .rounds
                .iter()
                .map(|(operator, (rounds, rounds_max))| IterationRecord {
                    operator: named(&self.operators, *operator),
                    rounds: *rounds,
                    rounds_max: *rounds_max,
                })
                .collect(),
            progress: self.progress.as_ref().map(|counter| counter.through(id)),
            scheduling_delay_ms: ms(batch.due, batch.cut),
            processing_ms: ms(batch.cut, now),
            total_ms: ms(batch.due.min(batch.cut), now),
            in_flight: batch.in_flight,
            frontier_lag_batches: newest.saturating_sub(id),
            frontier_lag_ms: self.wall_clock.then_some(age.max(0.0)),
        }
    }

    fn state(&self) -> Vec<StateRecord> {
        let mut state: Vec<StateRecord> = Vec::new();
        let mut last = None;
        for ((operator, worker), report) in &self.reports {
            if last != Some(*operator) {
                last = Some(*operator);
                let operator = named(&self.operators, *operator);
                let idle = |worker| WorkerLoad { worker, ..WorkerLoad::default() };
                let workers = (0..self.workers).map(idle).collect();
                state.push(StateRecord { operator, workers, ..StateRecord::default() });
            }
            let Some(record) = state.last_mut() else { continue };
            record.keys += report.size.keys;
            record.bytes += report.size.bytes;
            record.updated += report.size.updated;
            if let Some(load) = record.workers.get_mut(*worker as usize) {
                load.rows = report.load.rows;
                load.busy_ms = report.load.busy.as_secs_f64() * 1e3;
            }
        }
        state.iter_mut().for_each(|record| record.imbalance = imbalance(&record.workers));
        state
    }
}

fn named(names: &[String], index: u32) -> String {
    names.get(index as usize).cloned().unwrap_or_else(|| index.to_string())
}

fn described(names: &[String], cuts: &[SourceCut]) -> Vec<SourceRecord> {
    cuts.iter()
        .map(|cut| SourceRecord {
            name: named(names, cut.source),
            rows: cut.partitions.iter().map(|partition| partition.rows).sum(),
            dead_letters: cut.partitions.iter().map(|partition| partition.dead).sum(),
            bytes: cut.partitions.iter().map(|partition| partition.bytes).sum(),
            partitions: cut
                .partitions
                .iter()
                .map(|partition| PartitionRecord {
                    name: partition.name.clone(),
                    from: partition.from,
                    to: partition.to,
                    records: partition.rows + partition.dead,
                })
                .collect(),
        })
        .collect()
}
