//! What the runs of a cell come to.

use std::fmt;

use super::latency::{Ccdf, of_batches, of_records, summed_up};
use super::{Cell, GridReport, Run, Saturation};
use crate::bench::report::rate;
use crate::metrics::{Latency, imbalance};
use crate::report::Table;

/// The runs of a cell, together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GridRow {
    /// The cell.
    pub cell: Cell,
    /// How often it was run.
    pub runs: usize,
    /// Batches of all runs.
    pub batches: usize,
    /// Records that came through, a second: the median of the runs.
    pub rate: f64,
    /// From when a batch was due until all sinks had confirmed it.
    pub batch: Latency,
    /// How many batches took longer.
    pub batch_ccdf: Ccdf,
    /// From when a record was due until its batch was through.
    pub record: Latency,
    /// How many records took longer.
    pub record_ccdf: Ccdf,
    /// The least and the most of the runs' 99th percentiles of records, in milliseconds.
    pub record_p99_ms: (f64, f64),
    /// What all threads computed for a record, in microseconds, starts and ends included.
    pub cpu_us: Option<f64>,
    /// Messages of workers about their progress, for a batch.
    pub progress: f64,
    /// The same for a record: above 1 there is more to be said about the records than there are.
    pub progress_share: f64,
    /// How much more than its share the busiest worker took in, by rows: 1 if all had as many.
    pub imbalance: f64,
    /// How much more than its share the busiest worker's operators worked, by time.
    pub busy_imbalance: f64,
    /// Records that were due and in no batch when the runs ended: the job did not keep up.
    pub missing: u64,
}

impl GridRow {
    fn of(runs: &[&Run]) -> Self {
        let cell = runs[0].cell.clone();
        let samples = || runs.iter().flat_map(|run| &run.samples);
        let (batch, batch_ccdf) = summed_up(&of_batches(samples()));
        let (record, record_ccdf) = summed_up(&of_records(samples(), cell.rate));
        let p99s = runs.iter().map(|run| run.records().p99_ms);
        let (least, most) = p99s.fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), p99| {
            (least.min(p99), most.max(p99))
        });
        let records: f64 = samples().map(|sample| (sample.to - sample.from) as f64).sum();
        let messages = runs.iter().map(|run| run.progress).sum::<u64>() as f64;
        let cpu: Option<f64> = runs.iter().map(|run| run.cpu_s).sum();
        let rates: Vec<f64> = runs.iter().map(|run| run.rate()).collect();
        let worst = |of: &dyn Fn(&Run) -> f64| runs.iter().map(|run| of(run)).fold(1.0, f64::max);
        GridRow {
            runs: runs.len(),
            batches: samples().count(),
            rate: crate::compare::median(&rates),
            batch,
            batch_ccdf,
            record,
            record_ccdf,
            record_p99_ms: (least, most),
            cpu_us: cpu.map(|cpu_s| cpu_s * 1e6 / records.max(1.0)),
            progress: messages / samples().count().max(1) as f64,
            progress_share: messages / records.max(1.0),
            imbalance: worst(&|run| imbalance(&run.workers)),
            busy_imbalance: worst(&|run| {
                let busy = |load: &crate::metrics::WorkerLoad| load.busy_ms;
                let all: f64 = run.workers.iter().map(busy).sum();
                let most = run.workers.iter().map(busy).fold(0.0, f64::max);
                if all > 0.0 { most * run.workers.len() as f64 / all } else { 1.0 }
            }),
            missing: runs.iter().map(|run| run.missing).sum(),
            cell,
        }
    }

    /// Whether the job was behind by more than the batches that were open.
    pub fn is_behind(&self) -> bool {
        let open = self.cell.rate * (2 * self.cell.interval_ms) as f64 / 1e3 * self.runs as f64;
        self.missing as f64 > open
    }
}

impl GridReport {
    /// A row for each cell that was run.
    pub fn rows(&self) -> Vec<GridRow> {
        let mut cells: Vec<(&Cell, Vec<&Run>)> = Vec::new();
        for run in &self.runs {
            match cells.iter_mut().find(|(cell, _)| **cell == run.cell) {
                Some((_, runs)) => runs.push(run),
                None => cells.push((&run.cell, vec![run])),
            }
        }
        let mut rows: Vec<GridRow> = cells.iter().map(|(_, runs)| GridRow::of(runs)).collect();
        let place = |cell: &Cell| self.header.grid.cells().iter().position(|known| known == cell);
        rows.sort_by_key(|row| place(&row.cell));
        rows
    }

    /// The cells, as a table.
    pub fn table(&self) -> Table {
        let mut table = Table::new([
            "workload, where and how often",
            "records/s due",
            "through",
            "batch p50 ms",
            "p99",
            "record p50 ms",
            "p99",
            "p99 of runs",
            "p99.9",
            "max",
            "CPU us/record",
            "progress msgs/batch",
            "skew rows",
            "skew time",
        ]);
        for row in self.rows() {
            let several = row.cell.peers() > 1;
            let skew = |skew: f64| if several { format!("{skew:.2}") } else { String::new() };
            let (least, most) = row.record_p99_ms;
            table.row([
                row.cell.shape(),
                rate(row.cell.rate),
                format!("{}{}", rate(row.rate), if row.is_behind() { ", behind" } else { "" }),
                format!("{:.2}", row.batch.p50_ms),
                format!("{:.2}", row.batch.p99_ms),
                format!("{:.2}", row.record.p50_ms),
                format!("{:.2}", row.record.p99_ms),
                if row.runs > 1 { format!("{least:.1} - {most:.1}") } else { String::new() },
                format!("{:.2}", row.record.p999_ms),
                format!("{:.2}", row.record.max_ms),
                row.cpu_us.map_or(String::new(), |cpu| format!("{cpu:.2}")),
                if several { format!("{:.0}", row.progress) } else { String::new() },
                skew(row.imbalance),
                skew(row.busy_imbalance),
            ]);
        }
        table.filled()
    }

    /// The rate that each job could keep up with, and how it compares with one worker's.
    pub fn saturation_table(&self) -> Table {
        let mut table = Table::new([
            "the highest rate kept up with",
            "records/s",
            "of one worker",
            "p99 ms",
            "tried",
        ]);
        for found in &self.saturations {
            let Saturation { cell, probes, .. } = found;
            let alone = self.saturations.iter().find(|other| other.cell.is_one_worker_of(cell));
            let ratio = alone.filter(|_| cell.peers() > 1).map(|alone| cell.rate / alone.cell.rate);
            let best = probes.iter().find(|probe| probe.rate == cell.rate);
            table.row([
                cell.shape(),
                rate(cell.rate),
                ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
                best.map_or(String::new(), |probe| format!("{:.1}", probe.p99_ms)),
                probes.len().to_string(),
            ]);
        }
        table
    }

    /// What a record costs in instructions, and how many times faster the busiest thread would be
    /// through with its part than one worker alone, if every thread had a core.
    pub fn instructions_table(&self) -> Table {
        let mut table = Table::new([
            "instructions of a record",
            "all threads",
            "busiest thread",
            "of one worker",
        ]);
        for found in &self.instructions {
            let alone =
                self.instructions.iter().find(|other| other.cell.is_one_worker_of(&found.cell));
            let ratio = alone.filter(|_| found.cell.peers() > 1);
            let ratio = ratio.map(|alone| alone.busiest / found.busiest);
            table.row([
                found.cell.shape(),
                format!("{:.0}", found.all),
                format!("{:.0}", found.busiest),
                ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            ]);
        }
        table
    }

    /// Whether several workers in one process keep up with clearly less than their number would have it.
    fn scales_badly(&self) -> bool {
        self.saturations.iter().any(|found| {
            let (cell, wanted) = (&found.cell, 0.8 * found.cell.workers as f64);
            let alone = self.saturations.iter().find(|other| other.cell.is_one_worker_of(cell));
            let free = cell.workers <= self.header.machine.cores;
            cell.processes == 1
                && free
                && alone.is_some_and(|alone| cell.rate < wanted * alone.cell.rate)
        })
    }

    /// What should be known about the figures.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let machine = &self.header.machine;
        if machine.build == "debug" {
            notes.push("this is a debug build: its figures say nothing".to_owned());
        }
        let peers = self.runs.iter().map(|run| run.cell.peers()).max().unwrap_or(1);
        if peers > machine.cores {
            notes.push(format!(
                "up to {peers} workers shared {} cores: more workers can't be faster here; look at the \
                 CPU time of a record",
                machine.cores
            ));
        }
        if self.scales_badly() && self.instructions.is_empty() {
            notes.push(
                "several workers are less than 0.8 times their number as fast as one: if something else \
                 had the cores, `--instructions` shows what does not depend on it"
                    .to_owned(),
            );
        }
        for row in self.rows().iter().filter(|row| row.progress_share > 1.0) {
            notes.push(format!(
                "{}, {}/s: for each record there are {:.1} messages of workers about how far they are; a \
                 longer interval or fewer workers would get by with less",
                row.cell.shape(),
                rate(row.cell.rate),
                row.progress_share
            ));
        }
        for row in self.rows().iter().filter(|row| row.imbalance > 2.0) {
            notes.push(format!(
                "{}: one worker took in {:.1} times its share; a key has too many records, or there are \
                 few keys",
                row.cell.shape(),
                row.imbalance
            ));
        }
        notes
    }
}

impl fmt::Display for GridReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.runs.is_empty() {
            writeln!(f, "{}", self.table())?;
        }
        if !self.saturations.is_empty() {
            writeln!(f, "{}", self.saturation_table())?;
        }
        if !self.instructions.is_empty() {
            writeln!(f, "{}", self.instructions_table())?;
        }
        writeln!(f, "Latencies are from when a batch or a record was due until all sinks had it.")?;
        self.notes().iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Grid, GridFile, Instructions, Line, Run, Sample, Saturation};

    #[test]
    fn more_messages_about_progress_than_records_are_noted() {
        let grid = Grid::quick();
        let cell = grid.cells()[0].clone();
        for (progress, is_noted) in [(90, false), (110, true)] {
            let mut file = GridFile::nowhere(&grid);
            let samples = vec![Sample { batch: 1, to: 100, ..Sample::default() }];
            let run = Run { cell: cell.clone(), samples, progress, ..Run::default() };
            file.add(Line::Run(run)).unwrap();
            let noted = file.report().notes().iter().any(|note| note.contains("how far they are"));
            assert_eq!(noted, is_noted, "{progress}");
        }
    }

    #[test]
    fn workers_that_scale_badly_where_cores_are_free_are_noted() {
        let shape = |workers, rate| {
            let cell = Cell { workers, rate, ..Grid::quick().cells()[0].clone() };
            Saturation { cell, p99_ms: 250.0, probes: Vec::new() }
        };
        let noted = |cores, two, instructions: usize| {
            let mut report = GridFile::nowhere(&Grid::quick()).report().clone();
            report.header.machine.cores = cores;
            report.header.machine.build = "release".to_owned();
            report.saturations = vec![shape(1, 1e6), shape(2, two)];
            report.instructions = vec![Instructions::default(); instructions];
            report.notes().iter().any(|note| note.contains("--instructions"))
        };
        assert!(noted(2, 1.5e6, 0));
        assert!(!noted(2, 1.7e6, 0), "1.7 times is what one may hope for");
        assert!(!noted(1, 1.5e6, 0), "two workers of one core can't be faster");
        assert!(!noted(2, 1.5e6, 2), "they have been counted");
    }
}
