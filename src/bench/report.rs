//! Figures, as a table and as JSON lines.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchRow {
    /// What was measured.
    pub bench: String,
    /// How it was done.
    pub variant: String,
    /// On what.
    pub dataset: String,
    /// Worker threads; 0 for a plain loop.
    pub workers: usize,
    /// Records a second.
    pub records_per_s: f64,
    /// Records a second, divided by those of the limit.
    pub ratio_to_limit: Option<f64>,
    /// Time of a batch, in milliseconds: the median.
    pub batch_ms_p50: f64,
    /// Ninety-nine in a hundred batches took less.
    pub batch_ms_p99: f64,
    /// Nine hundred and ninety-nine in a thousand batches took less.
    pub batch_ms_p999: f64,
    /// Bytes of state for each key.
    pub state_bytes_per_key: Option<f64>,
    /// A ratio to another row than the limit, where there is one to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whether a figure is as good as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was asked.
    pub question: String,
    /// What was found.
    pub found: f64,
    /// What it should be: at least, or at most.
    pub wanted: f64,
    /// Whether more is better.
    pub at_least: bool,
}

impl Verdict {
    /// Whether it is as good as it should be.
    pub fn holds(&self) -> bool {
        if self.at_least { self.found >= self.wanted } else { self.found <= self.wanted }
    }
}

/// All that a bench has measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The measurements.
    pub rows: Vec<BenchRow>,
    /// What was asked of them.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Adds a measurement, and shows it to `progress`.
    pub(super) fn add(&mut self, row: BenchRow, progress: &mut dyn FnMut(&BenchRow)) {
        progress(&row);
        self.rows.push(row);
    }

    /// The measurement of a bench, if it was made.
    pub(super) fn find(
        &self,
        (bench, variant, dataset): (&str, &str, &str),
        workers: usize,
    ) -> Option<&BenchRow> {
        self.rows.iter().find(|row| {
            (&*row.bench, &*row.variant, &*row.dataset, row.workers)
                == (bench, variant, dataset, workers)
        })
    }

    /// Asks for a figure to be at least `wanted`; nothing, if it was not measured.
    pub(super) fn at_least(
        &mut self,
        question: impl Into<String>,
        found: Option<f64>,
        wanted: f64,
    ) {
        self.judge(question.into(), found, wanted, true);
    }

    /// Asks for a figure to be at most `wanted`; nothing, if it was not measured.
    pub(super) fn at_most(&mut self, question: impl Into<String>, found: Option<f64>, wanted: f64) {
        self.judge(question.into(), found, wanted, false);
    }

    fn judge(&mut self, question: String, found: Option<f64>, wanted: f64, at_least: bool) {
        if let Some(found) = found {
            self.verdicts.push(Verdict { question, found, wanted, at_least });
        }
    }

    /// The rows as JSON lines.
    pub fn json(&self) -> String {
        let line = |row: &BenchRow| serde_json::to_string(row).map(|line| line + "\n");
        self.rows.iter().map(line).collect::<Result<_, _>>().expect("figures are JSON")
    }
}

/// As people write numbers of records: `17.3 M`.
pub(crate) fn rate(records_per_s: f64) -> String {
    match records_per_s {
        rate if rate >= 1e6 => format!("{:.1} M", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1} k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

/// Nothing, if it was not measured.
fn milliseconds(time: f64) -> String {
    if time > 0.0 { format!("{time:.2}") } else { String::new() }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = [
            "bench",
            "variant",
            "dataset",
            "workers",
            "records/s",
            "of the limit",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "bytes/key",
        ];
        let mut lines: Vec<[String; 10]> = vec![titles.map(str::to_owned)];
        for row in &self.rows {
            let optional = |value: Option<f64>, digits: usize| {
                value.map_or(String::new(), |value| format!("{value:.digits$}"))
            };
            lines.push([
                row.bench.clone(),
                row.variant.clone(),
                row.dataset.clone(),
                if row.workers == 0 { "-".into() } else { row.workers.to_string() },
                rate(row.records_per_s),
                optional(row.ratio_to_limit, 2),
                milliseconds(row.batch_ms_p50),
                milliseconds(row.batch_ms_p99),
                milliseconds(row.batch_ms_p999),
                optional(row.state_bytes_per_key, 0),
            ]);
        }
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..10).map(width).collect();
        for (number, line) in lines.iter().enumerate() {
            for (column, text) in line.iter().enumerate() {
                let width = widths[column];
                if column < 3 {
                    write!(f, "{text:<width$}  ")?
                } else {
                    write!(f, "{text:>width$}  ")?
                }
            }
            // A bar of a tenth of the limit each, to be seen at a glance.
            if let Some(ratio) = number.checked_sub(1).and_then(|row| self.rows[row].ratio_to_limit)
            {
                write!(f, "{}", "▇".repeat((ratio * 10.0).round().clamp(0.0, 30.0) as usize))?;
            }
            writeln!(f)?;
        }
        if !self.verdicts.is_empty() {
            writeln!(f)?;
        }
        for verdict in &self.verdicts {
            let sign = if verdict.at_least { "≥" } else { "≤" };
            let mark = if verdict.holds() { "ok  " } else { "MISS" };
            writeln!(
                f,
                "{mark}  {}: {:.2} ({sign} {:.2})",
                verdict.question, verdict.found, verdict.wanted
            )?;
        }
        Ok(())
    }
}
