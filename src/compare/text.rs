//! A comparison as text, for a terminal.

use std::fmt;

use super::curve::Curve;
use super::measure::ModeRow;
use super::report::CompareReport;
use crate::report::Table;

/// `17.3 ms`, with three digits that count.
fn milliseconds(time: f64) -> String {
    match time {
        time if time >= 100.0 => format!("{time:.0}"),
        time if time >= 10.0 => format!("{time:.1}"),
        time if time >= 1.0 => format!("{time:.2}"),
        time => format!("{time:.3}"),
    }
}

/// `1.2 M`
fn count(number: f64) -> String {
    match number {
        number if number >= 1e6 => format!("{:.1} M", number / 1e6),
        number if number >= 1e4 => format!("{:.0} k", number / 1e3),
        number => format!("{number:.0}"),
    }
}

fn bytes(number: u64) -> String {
    match number as f64 {
        number if number >= 1e6 => format!("{:.1} MB", number / 1e6),
        number if number >= 1e3 => format!("{:.1} kB", number / 1e3),
        number => format!("{number:.0} B"),
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or(String::new(), |ratio| match ratio {
        ratio if ratio >= 10.0 => format!("{ratio:.0}x"),
        ratio => format!("{ratio:.2}x"),
    })
}

fn line(row: &ModeRow) -> Vec<String> {
    vec![
        row.mode.clone(),
        milliseconds(row.batch.p50_ms),
        milliseconds(row.batch.p99_ms),
        milliseconds(row.since_due.p99_ms),
        if row.workers == 0 { String::new() } else { milliseconds(row.cpu_ms) },
        count(row.touched),
        if row.workers == 0 { String::new() } else { bytes(row.state_bytes) },
        times(row.ratio),
        times(row.of_plain),
    ]
}

fn curve(f: &mut fmt::Formatter<'_>, curve: &Curve) -> fmt::Result {
    writeln!(f, "\n{}, over {}", curve.name, curve.over)?;
    let mut names: Vec<&str> = Vec::new();
    for row in curve.points.iter().flat_map(|point| &point.modes) {
        if !names.contains(&&*row.mode) {
            names.push(&row.mode);
        }
    }
    let title = |name: &&str| vec![format!("{name}, ms"), "ratio".into(), "of loop".into()];
    let titles = [vec![String::new()], names.iter().flat_map(title).collect()].concat();
    let mut table = Table { titles, rows: Vec::new() };
    for point in &curve.points {
        let mut cells = vec![point.label.clone()];
        for name in &names {
            match point.modes.iter().find(|row| row.mode == **name) {
                Some(row) => cells.extend([
                    milliseconds(row.median_ms()),
                    times(row.ratio),
                    times(row.of_plain),
                ]),
                None => cells.extend([const { String::new() }; 3]),
            }
        }
        table.row(cells);
    }
    write!(f, "{}", table.filled())
}

impl fmt::Display for CompareReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CompareReport { workload, input, batches, rows, checked, .. } = self;
        writeln!(f, "{workload} on {input}: {} rows in {batches} batches", count(*rows as f64))?;
        writeln!(
            f,
            "the outputs of {} modes are equal: {} batches with {} changes\n",
            checked.modes,
            checked.batches,
            count(checked.changes as f64)
        )?;
        if !self.modes.is_empty() {
            let titles = [
                "a batch", "p50 ms", "p99 ms", "due p99", "CPU ms", "touched", "state", "ratio",
                "of loop",
            ];
            let mut table = Table::new(titles);
            self.modes.iter().chain(&self.plain).for_each(|row| table.row(line(row)));
            write!(f, "{table}")?;
            let notes = self.modes.iter().filter_map(|row| Some((&row.mode, row.note.as_ref()?)));
            for (mode, note) in notes {
                writeln!(f, "  {mode}: {note}")?;
            }
        }
        self.curves.iter().try_for_each(|shown| curve(f, shown))?;
        if !self.verdicts.is_empty() {
            writeln!(f)?;
        }
        for verdict in &self.verdicts {
            let sign = if verdict.at_least { "≥" } else { "≤" };
            let mark = if verdict.holds() { "ok  " } else { "MISS" };
            let (question, found, wanted) = (&verdict.question, verdict.found, verdict.wanted);
            writeln!(f, "{mark}  {question}: {found:.2} ({sign} {wanted:.1})")?;
        }
        Ok(())
    }
}
