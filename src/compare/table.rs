//! A comparison as one table, for spreadsheets.

use super::measure::ModeRow;
use super::report::CompareReport;
use crate::report::Table;

impl CompareReport {
    /// All figures: a row for each way of computing, and each plain loop, of the workload and at each
    /// point of the curves. Times are in milliseconds, state in bytes.
    ///
    /// ```
    /// use tidegate::compare::{CompareReport, ModeRow};
    ///
    /// let row = ModeRow { mode: "recompute".into(), batches: 3, ..ModeRow::default() };
    /// let modes = vec![row];
    /// let report = CompareReport { workload: "top-k".into(), modes, ..CompareReport::default() };
    /// let table = report.table();
    /// assert_eq!(table.rows[0][..4], ["recompute", "top-k", "", "3"]);
    /// ```
    pub fn table(&self) -> Table {
        let mut table = Table::new([
            "mode",
            "what",
            "at",
            "batches",
            "p50 ms",
            "p99 ms",
            "due p99 ms",
            "CPU ms",
            "touched",
            "state bytes",
            "ratio",
            "of loop",
        ]);
        let mut add = |what: &str, at: &str, rows: &[ModeRow]| {
            for row in rows {
                table.row(cells(what, at, row));
            }
        };
        add(&self.workload, "", &self.modes);
        add(&self.workload, "", &self.plain);
        for curve in &self.curves {
            for point in &curve.points {
                add(&curve.name, &point.label, &point.modes);
                add(&curve.name, &point.label, &point.plain);
            }
        }
        table
    }
}

fn cells(what: &str, at: &str, row: &ModeRow) -> Vec<String> {
    let figure = |figure: f64| format!("{figure:.4}");
    let share = |share: Option<f64>| share.map_or(String::new(), figure);
    vec![
        row.mode.clone(),
        what.to_owned(),
        at.to_owned(),
        row.batches.to_string(),
        figure(row.median_ms()),
        figure(row.batch.p99_ms),
        figure(row.since_due.p99_ms),
        figure(row.cpu_ms),
        format!("{:.0}", row.touched),
        row.state_bytes.to_string(),
        share(row.ratio),
        share(row.of_plain),
    ]
}
