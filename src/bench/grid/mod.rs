//! Question: how long do batches and records take, on how many workers and processes, at which interval
//! and rate, and which rate can a job keep up with?
//!
//! Method: each cell of the grid is the program itself, started anew as a user would (`tidegate run`, or
//! `launch` for several processes), with a seeded generator as an *open loop*: record `n` is due at
//! `n / rate`, whether or not the job is ready. The job's own metrics say which records a batch had and
//! when it was confirmed; so the latency of every record is known, from when it was due until its batch
//! was through, and a stall shows in every record that it delayed (G. Tene, *How not to measure latency*:
//! no coordinated omission).

mod child;
mod file;
mod instructions;
mod latency;
mod run;
mod saturation;
mod summary;
mod verdict;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use file::{GridFile, GridHeader, GridReport, Line};
pub use instructions::Instructions;
pub use latency::Ccdf;
pub use run::{Run, Sample};
pub use saturation::{Probe, Saturation};
pub use summary::GridRow;

/// What is measured: every workload on every number of workers and processes, at every interval and
/// rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Workloads by the names that `tidegate run` knows.
    pub workloads: Vec<String>,
    /// Worker threads of each process.
    pub workers: Vec<usize>,
    /// Processes.
    pub processes: Vec<usize>,
    /// Batch intervals, in milliseconds.
    pub intervals_ms: Vec<u64>,
    /// Records a second that are due, in all.
    pub rates: Vec<f64>,
    /// How often each cell is run.
    pub repeats: usize,
    /// What is due in so many milliseconds at the beginning is not counted.
    pub warm_up_ms: u64,
    /// What is due in so many milliseconds after that is.
    pub measured_ms: u64,
    /// If the highest rate that can be kept up with is looked for: records at this p99, in
    /// milliseconds, or below.
    pub saturation_p99_ms: Option<f64>,
    /// Whether instructions are counted: each workload on each number of workers, in one process.
    #[serde(default)]
    pub instructions: bool,
    /// Whether several workers in several processes are measured, too, and not only one worker in
    /// each.
    pub crossed: bool,
    /// The seed of the generators.
    pub seed: u64,
}

impl Grid {
    /// A small grid: one and two workers, two processes, one interval; a minute.
    pub fn quick() -> Self {
        Grid {
            workloads: ["wordcount", "windowed-wordcount"].map(str::to_owned).to_vec(),
            workers: vec![1, 2],
            processes: vec![1, 2],
            intervals_ms: vec![20],
            rates: vec![20_000.0, 100_000.0],
            repeats: 1,
            warm_up_ms: 400,
            measured_ms: 1_200,
            saturation_p99_ms: Some(250.0),
            instructions: false,
            crossed: false,
            seed: 1,
        }
    }

    /// One to look at an evening: three intervals, rates up to half a million, three repeats.
    pub fn full() -> Self {
        Grid {
            workers: vec![1, 2, 4],
            intervals_ms: vec![5, 20, 100],
            rates: vec![20_000.0, 100_000.0, 500_000.0],
            repeats: 3,
            warm_up_ms: 2_000,
            measured_ms: 10_000,
            crossed: true,
            ..Grid::quick()
        }
    }

    /// Its cells, in the order in which they are run.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for shape in self.shapes() {
            for rate in &self.rates {
                cells.push(Cell { rate: *rate, ..shape.clone() });
            }
        }
        cells
    }

    /// Its cells without their rates.
    fn shapes(&self) -> Vec<Cell> {
        let mut shapes = Vec::new();
        for workload in &self.workloads {
            for interval_ms in &self.intervals_ms {
                for processes in &self.processes {
                    for workers in &self.workers {
                        if *processes > 1 && *workers > 1 && !self.crossed {
                            continue;
                        }
                        let (workload, interval_ms) = (workload.clone(), *interval_ms);
                        let (workers, processes) = (*workers, *processes);
                        shapes.push(Cell { workload, workers, processes, interval_ms, rate: 0.0 });
                    }
                }
            }
        }
        shapes
    }

    /// Its workloads on its workers, in one process and at the first interval: where all records are
    /// there from the beginning, an interval means nothing.
    fn counted(&self) -> Vec<Cell> {
        let intervals_ms = self.intervals_ms.iter().copied().take(1).collect();
        match self.instructions {
            true => Grid { processes: vec![1], intervals_ms, ..self.clone() }.shapes(),
            false => Vec::new(),
        }
    }

    /// What can't be measured.
    ///
    /// # Errors
    ///
    /// `GridError::Empty` with the first list that has nothing in it, or a figure that must not be zero.
    pub fn check(&self) -> Result<(), GridError> {
        let empty = [
            ("a workload", self.workloads.is_empty()),
            ("a number of workers", self.workers.is_empty() || self.workers.contains(&0)),
            ("a number of processes", self.processes.is_empty() || self.processes.contains(&0)),
            ("an interval", self.intervals_ms.is_empty() || self.intervals_ms.contains(&0)),
            ("a rate", self.rates.is_empty() || !self.rates.iter().all(|rate| *rate > 0.0)),
            ("a repeat", self.repeats == 0),
            ("a time to measure", self.measured_ms == 0),
        ];
        match empty.iter().find(|(_, is_empty)| *is_empty) {
            Some((what, _)) => Err(GridError::Empty { what }),
            None => Ok(()),
        }
    }
}

/// A cell of the grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The workload.
    pub workload: String,
    /// Worker threads of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// The batch interval, in milliseconds.
    pub interval_ms: u64,
    /// Records a second that are due.
    pub rate: f64,
}

impl Cell {
    /// Workers in all.
    pub fn peers(&self) -> usize {
        self.workers * self.processes
    }

    /// Whether it is the same as another, but for its rate, on one worker.
    fn is_one_worker_of(&self, other: &Cell) -> bool {
        self.peers() == 1
            && (&self.workload, self.interval_ms) == (&other.workload, other.interval_ms)
    }

    /// As people write it: `wordcount, 2 workers, 20 ms`.
    pub fn shape(&self) -> String {
        let workers = match (self.processes, self.workers) {
            (1, 1) => "1 worker".to_owned(),
            (1, workers) => format!("{workers} workers"),
            (processes, 1) => format!("{processes} processes"),
            (processes, workers) => format!("{processes} x {workers} workers"),
        };
        format!("{}, {workers}, {} ms", self.workload, self.interval_ms)
    }
}

/// Why a grid could not be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GridError {
    /// There is nothing to measure.
    #[error("nothing to measure: give {what} of 1 or more")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// A run did not end well.
    #[error("`{command}` came to {status}: {said}")]
    Run {
        /// Its command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it said last.
        said: String,
    },
    /// A program that is needed is not there.
    #[error("there is no `{program}` on this machine: install it, or leave out `{option}`")]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// What needs it.
        option: &'static str,
    },
    /// A run left nothing to look at.
    #[error("`{command}` has measured nothing: {why}")]
    Nothing {
        /// Its command line.
        command: String,
        /// Why not.
        why: String,
    },
    /// A file can't be used.
    #[error("can't use `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not, and what helps.
        why: String,
    },
    /// The operating system.
    #[error("can't {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// Measures what is not in the file yet: instructions if they are asked for, all cells of the grid, and
/// the rates that can be kept up with.
///
/// # Errors
///
/// If a run fails, or the file can't be written to. What was measured before is in the file, and is not
/// measured again when it is resumed.
pub fn measure(
    program: &std::path::Path,
    grid: &Grid,
    file: &mut GridFile,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), GridError> {
    grid.check()?;
    let cells = grid.cells();
    let shapes = if grid.saturation_p99_ms.is_some() { grid.shapes() } else { Vec::new() };
    let counted = grid.counted();
    let all = counted.len() + cells.len() * grid.repeats + shapes.len();
    let mut done = 0;
    // First: whether there is something to count with is known at once.
    for shape in counted {
        let said = format!("{}, instructions", shape.shape());
        progress(Progress { done, all, doing: &said });
        if !file.report().has_instructions(&shape) {
            let found = Instructions::count(program, &shape, grid)?;
            file.add(Line::Instructions(found))?;
        }
        done += 1;
    }
    // By turns: what else happens on the machine should not fall to one cell alone.
    for repeat in 0..grid.repeats {
        for cell in &cells {
            progress(Progress { done, all, doing: &format!("{}, {}/s", cell.shape(), cell.rate) });
            if !file.report().has_run(cell, repeat) {
                let run = Run::measure(program, cell, grid, repeat)?;
                file.add(Line::Run(run))?;
            }
            done += 1;
        }
    }
    for shape in shapes {
        let said = format!("{}, highest rate", shape.shape());
        progress(Progress { done, all, doing: &said });
        if !file.report().has_saturation(&shape) {
            let mut tell = |rate: f64| {
                progress(Progress { done, all, doing: &format!("{said}: {rate:.0}/s?") });
            };
            let found = Saturation::find(program, &shape, grid, &mut tell)?;
            file.add(Line::Saturation(found))?;
        }
        done += 1;
    }
    progress(Progress { done, all, doing: "done" });
    Ok(())
}

/// How far a measurement is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Steps that are done.
    pub done: usize,
    /// All steps.
    pub all: usize,
    /// What is being done.
    pub doing: &'a str,
}
