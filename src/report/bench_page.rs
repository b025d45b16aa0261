//! The page of a grid.

use super::Comparison;
use super::page::{against_earlier, escape, legend, machine, page};
use super::plot::{Line, Plot, Scale};
use crate::bench::grid::{GridReport, GridRow};

/// A page with everything that a grid has measured, and how it compares with an earlier one if there is
/// one: one file, without scripts or links, light or dark as the reader has it.
///
/// ```
/// use tidegate::bench::grid::{Grid, GridFile};
/// use tidegate::report::bench_page;
///
/// let nothing = GridFile::nowhere(&Grid::quick());
/// let page = bench_page(nothing.report(), &[]);
/// assert!(page.contains("prefers-color-scheme") && !page.contains("http"));
/// ```
pub fn bench_page(report: &GridReport, against: &[Comparison]) -> String {
    let (grid, rows) = (&report.header.grid, report.rows());
    let mut body = String::from("<h1>Latency and throughput</h1>\n");
    let seconds = grid.measured_ms as f64 / 1e3;
    let times =
        if grid.repeats == 1 { "once".to_owned() } else { format!("{} times", grid.repeats) };
    body += &format!(
        "<p>Each cell {times}, for {seconds} s after {} s of warm-up. Records are due at their rate \
         whether or not the job is ready; latencies are from when a batch or a record was due until all \
         sinks had it.</p>\n",
        grid.warm_up_ms as f64 / 1e3
    );
    body += &machine(&report.header.machine);
    for note in report.notes() {
        body += &format!("<p><strong>Note:</strong> {}.</p>\n", escape(&note));
    }
    body += &against_earlier(against);
    if !report.saturations.is_empty() {
        body += &saturation(report);
    }
    if !report.instructions.is_empty() {
        body += &format!(
            "<h2>Instructions</h2>\n<p class=\"soft\">What the processor executes for a record, whatever \
             else the machine does, and how many times faster the busiest thread is through than one \
             worker if each has a core.</p>\n{}",
            report.instructions_table().html()
        );
    }
    for workload in &grid.workloads {
        for interval_ms in &grid.intervals_ms {
            let of = |row: &&GridRow| {
                row.cell.workload == *workload && row.cell.interval_ms == *interval_ms
            };
            body += &latencies(&rows.iter().filter(of).collect::<Vec<_>>());
        }
    }
    if !rows.is_empty() {
        body += "<h2>All cells</h2>\n";
        body += &report.table().html();
    }
    page("Latency and throughput", &body)
}

/// How many records waited longer, for each number of workers at the highest rate.
fn latencies(rows: &[&GridRow]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let highest = rows.iter().map(|row| row.cell.rate).fold(0.0, f64::max);
    let shown: Vec<&&GridRow> = rows.iter().filter(|row| row.cell.rate == highest).collect();
    let named = |name: fn(&GridRow) -> Vec<(f64, f64)>| -> Vec<Line> {
        let lines = shown.iter().enumerate();
        lines.map(|(series, row)| Line { series, points: name(row) }).collect()
    };
    let plot = |x: &str, lines: Vec<Line>| {
        let (y, level, marked) = ("share that took longer", None, false);
        let scale = Scale::Logarithmic;
        Plot { x, y, lines, level, marked, scale }.svg().unwrap_or_default()
    };
    let names: Vec<(usize, String)> = shown.iter().map(|row| places(row)).enumerate().collect();
    let records = plot("latency of records, in ms", named(|row| row.record_ccdf.points.clone()));
    let batches = plot("latency of batches, in ms", named(|row| row.batch_ccdf.points.clone()));
    format!(
        "<h2>{} every {} ms, at {highest:.0} records a second</h2>\n{}<div class=\"plot\">{records}\
         </div>\n<div class=\"plot\">{batches}</div>\n",
        escape(&first.cell.workload),
        first.cell.interval_ms,
        legend(&names)
    )
}

fn places(row: &GridRow) -> String {
    let shape = row.cell.shape();
    shape.split(", ").nth(1).unwrap_or(&shape).to_owned()
}

/// The highest rates, over the number of workers.
fn saturation(report: &GridReport) -> String {
    let mut series: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for found in &report.saturations {
        let cell = &found.cell;
        let kind = if cell.processes > 1 { "processes" } else { "workers" };
        let name = format!("{}, {} ms, {kind}", cell.workload, cell.interval_ms);
        let point = (cell.peers() as f64, cell.rate);
        match series.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(point),
            None => series.push((name, vec![point])),
        }
    }
    let names: Vec<(usize, String)> =
        series.iter().map(|(name, _)| name.clone()).enumerate().collect();
    let lines = series.into_iter().enumerate();
    let plot = Plot {
        x: "workers in all",
        y: "records a second",
        lines: lines.map(|(series, (_, points))| Line { series, points }).collect(),
        level: None,
        marked: true,
        scale: Scale::Linear,
    };
    let most = report.saturations.first().map_or(0.0, |found| found.p99_ms);
    format!(
        "<h2>The highest rate</h2>\n<p class=\"soft\">At which 99 of 100 records are through within \
         {most:.0} ms from when they were due.</p>\n{}<div class=\"plot\">{}</div>\n{}",
        legend(&names),
        plot.svg().unwrap_or_default(),
        report.saturation_table().html()
    )
}
