//! A workload on its records, into its sinks.

use std::time::Duration;

use tidegate::recording::Recording;
use tidegate::sink::JsonLines;
use tidegate::source::{DeadLetter, Recorded};
use tidegate::{Change, Context, DStream, Record, Table};

use super::flags::{Flags, OutputMode};
use super::workload::Workload;
use crate::cli::progress::Terminal;
use crate::cli::sink::SinkUrl;
use crate::cli::source::{Input, Made, SourceUrl};

/// Where the records of a program come from.
#[derive(Clone)]
pub enum Origin {
    Source(SourceUrl),
    Recording(Recording),
}

impl Origin {
    fn read<'s, D: Input>(
        &self,
        ctx: Context<'s>,
        made: Made<D>,
    ) -> (DStream<'s, D>, DStream<'s, DeadLetter>) {
        match self {
            Origin::Source(source) => source.read(ctx, made),
            Origin::Recording(recording) => {
                ctx.source_with_dead_letters(Recorded::<D>::new(recording.clone()))
            }
        }
    }
}

/// A workload on its records, into its sinks.
pub struct Program {
    pub workload: Workload,
    pub origin: Origin,
    pub flags: Flags,
    /// The batch interval, by which windows slide unless said otherwise.
    pub interval: Duration,
    pub fail_fast: bool,
}

impl Program {
    /// Builds the dataflow.
    pub fn build(&self, ctx: Context<'_>, terminal: &Terminal) {
        self.workload.build(&Build { program: self, ctx, terminal });
    }
}

/// A program that is being built.
pub(super) struct Build<'a, 's> {
    program: &'a Program,
    ctx: Context<'s>,
    terminal: &'a Terminal,
}

impl<'a, 's> Build<'a, 's> {
    pub(super) fn flags(&self) -> &'a Flags {
        &self.program.flags
    }

    /// Length and slide of the window.
    pub(super) fn window(&self) -> (Duration, Duration) {
        let flags = self.flags();
        (flags.window, flags.slide.unwrap_or(self.program.interval))
    }

    /// How far the watermark stays behind the latest record, in milliseconds of event time.
    pub(super) fn delay_ms(&self) -> i64 {
        millis(self.flags().delay)
    }

    pub(super) fn read<D: Input>(&self) -> DStream<'s, D> {
        self.read_as(Made::any())
    }

    pub(super) fn read_as<D: Input>(&self, made: Made<D>) -> DStream<'s, D> {
        let (records, dead) = self.program.origin.read(self.ctx, made);
        if let Some(path) = &self.flags().dead_letters {
            dead.sink(JsonLines::new(path));
        }
        records
    }

    /// Writes a table, as changes or as snapshots.
    pub(super) fn write_table<D: Record>(&self, table: Table<'s, D>, line: fn(&D) -> String) {
        let sinks = self.sinks(|| table.clone().changes());
        if sinks.is_empty() {
            return;
        }
        match self.flags().output {
            OutputMode::Snapshots => self.write(sinks, table.snapshots(), line),
            OutputMode::Changes => {
                self.write(sinks, table.changes(), shown_change);
            }
        }
    }

    /// Writes changes of what is kept longer by whoever is told of them.
    pub(super) fn write_changes<D: Record>(&self, changes: DStream<'s, Change<D>>) {
        let sinks = self.sinks(|| changes.clone());
        self.write(sinks, changes, shown_change);
    }

    /// Writes rows that are given once, and stay.
    pub(super) fn write_stream<D: Record>(&self, rows: DStream<'s, D>, line: fn(&D) -> String) {
        let sinks = self.sinks(|| rows.clone().map(|row| Change { diff: 1, row }));
        self.write(sinks, rows, line);
    }

    /// The sinks that are told of results; others are kept equal to them, from here on.
    fn sinks<D: Record>(&self, changes: impl Fn() -> DStream<'s, Change<D>>) -> Vec<&'a SinkUrl> {
        let fail_fast = self.program.fail_fast;
        self.flags().sink.iter().filter(|sink| !sink.keep(&changes, fail_fast)).collect()
    }

    fn write<D: Record>(&self, sinks: Vec<&SinkUrl>, rows: DStream<'s, D>, line: fn(&D) -> String) {
        for sink in sinks {
            sink.write(rows.clone(), self.terminal, self.program.fail_fast, line);
        }
    }
}

/// A change, as a line of text.
fn shown_change<D: Record>(change: &Change<D>) -> String {
    format!("{change:?}")
}

/// A span of event time.
pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
