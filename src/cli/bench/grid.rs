//! `tidegate bench` by itself: the grid.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidegate::bench::grid::{self, Grid, GridError, GridFile};
use tidegate::report::bench_page;

use super::warn_of_debug_builds;
use crate::cli::failure::Failure;
use crate::cli::output_file::OutputFile;
use crate::cli::program::{Workload, workload};
use crate::cli::progress::Terminal;

const RESULTS: &str = "Results";

#[derive(Args)]
#[command(next_help_heading = "Grid")]
pub struct GridOptions {
    /// Workloads, as `tidegate run` knows them [default: wordcount, windowed-wordcount]
    #[arg(long, value_parser = workload(), value_delimiter = ',', value_name = "WORKLOAD",
          hide_possible_values = true)]
    workload: Vec<Workload>,

    /// Worker threads of each process [default: 1,2]
    #[arg(short, long, value_delimiter = ',', value_name = "N")]
    workers: Vec<usize>,

    /// Processes [default: 1,2]
    #[arg(short = 'n', long, value_delimiter = ',', value_name = "N")]
    processes: Vec<usize>,

    /// Batch intervals [default: 20ms]
    #[arg(long, value_delimiter = ',', value_name = "TIME", value_parser = humantime::parse_duration)]
    interval: Vec<Duration>,

    /// Records a second that are due [default: 20000,100000]
    #[arg(long, value_delimiter = ',', value_name = "RATE", allow_negative_numbers = true)]
    rate: Vec<f64>,

    /// How often each cell is run [default: 1; with --full 3]
    #[arg(long, value_name = "N")]
    repeats: Option<usize>,

    /// What is due in this time at the beginning is not counted [default: 400ms; with --full 2s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    warm_up: Option<Duration>,

    /// How long each run is measured [default: 1200ms; with --full 10s]
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    measured: Option<Duration>,

    /// The highest rate is that at which 99 of 100 records are through within this time [default: 250ms]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    p99_below: Option<Duration>,

    /// Do not look for the highest rates
    #[arg(long, conflicts_with = "p99_below")]
    no_saturation: bool,

    /// Count instructions, too, under Valgrind, which must be there: what a record costs on each number of
    /// workers, whatever else the machine does. Takes a minute
    #[arg(long)]
    instructions: bool,

    /// The seed of the records [default: 1]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,

    /// A small grid, in less than two minutes (the default)
    #[arg(long, conflicts_with = "full")]
    quick: bool,

    /// Three intervals, three rates, up to 4 workers in 2 processes, three repeats: two hours
    #[arg(long)]
    full: bool,

    /// Write everything to this file, as JSON lines: all samples, each run when it is done
    #[arg(help_heading = RESULTS, long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// With --json: keep what is in the file, and measure what is missing
    #[arg(help_heading = RESULTS, long, requires = "json")]
    resume: bool,

    /// Write a page with plots to this file
    #[arg(help_heading = RESULTS, long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write the cells to this file, for spreadsheets
    #[arg(help_heading = RESULTS, long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write the cells to this file, as a table in Markdown
    #[arg(help_heading = RESULTS, long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

impl GridOptions {
    fn grid(&self) -> Grid {
        let mut grid = if self.full { Grid::full() } else { Grid::quick() };
        if !self.workload.is_empty() {
            grid.workloads = self.workload.iter().map(|workload| workload.name()).collect();
        }
        let told = |list: &mut Vec<usize>, said: &Vec<usize>| {
            if !said.is_empty() {
                list.clone_from(said);
            }
        };
        told(&mut grid.workers, &self.workers);
        told(&mut grid.processes, &self.processes);
        // Whoever says both wants both at once.
        grid.crossed |= !self.workers.is_empty() && !self.processes.is_empty();
        if !self.interval.is_empty() {
            grid.intervals_ms = self.interval.iter().map(milliseconds).collect();
        }
        if !self.rate.is_empty() {
            grid.rates.clone_from(&self.rate);
        }
        grid.repeats = self.repeats.unwrap_or(grid.repeats);
        grid.warm_up_ms = self.warm_up.as_ref().map_or(grid.warm_up_ms, milliseconds);
        grid.measured_ms = self.measured.as_ref().map_or(grid.measured_ms, milliseconds);
        let most = self.p99_below.map(|time| time.as_secs_f64() * 1e3);
        grid.saturation_p99_ms = most.or(grid.saturation_p99_ms).filter(|_| !self.no_saturation);
        grid.instructions = self.instructions;
        grid.seed = self.seed.unwrap_or(grid.seed);
        grid
    }

    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        warn_of_debug_builds();
        let grid = self.grid();
        grid.check().map_err(usage)?;
        let open = |flag, path: &Option<PathBuf>| {
            path.as_deref().map(|path| OutputFile::create(flag, path)).transpose()
        };
        let html = open("--html", &self.html)?;
        let csv = open("--csv", &self.csv)?;
        let markdown = open("--markdown", &self.markdown)?;
        let mut file = match &self.json {
            Some(path) => GridFile::open(path, &grid, self.resume).map_err(usage)?,
            None => GridFile::nowhere(&grid),
        };
        let program = std::env::current_exe()
            .map_err(|error| Failure::Other(format!("can't find this program: {error}")))?;
        let bar = terminal.bar();
        let outcome = grid::measure(&program, &grid, &mut file, &mut |progress| {
            bar.set_length(progress.all as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(progress.doing.to_owned());
        });
        bar.finish_and_clear();
        outcome.map_err(|error| {
            let hint = match &self.json {
                Some(path) => format!("; what is done is in `{}` (`--resume`)", path.display()),
                None => String::new(),
            };
            Failure::Other(format!("{}{hint}", chain(&error)))
        })?;
        let report = file.report();
        // Nobody listens on a closed terminal.
        let _ = terminal.print(&report.to_string());
        let write = |file: Option<OutputFile>, text: String| {
            file.map_or(Ok(()), |file| file.write(text.as_bytes()))
        };
        write(html, bench_page(report, &[]))?;
        write(csv, report.table().csv())?;
        write(markdown, report.table().markdown())
    }
}

fn usage(error: GridError) -> Failure {
    Failure::Usage(chain(&error))
}

/// An error and what is behind it.
fn chain(error: &GridError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn milliseconds(time: &Duration) -> u64 {
    time.as_millis() as u64
}
