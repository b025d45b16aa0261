//! The page of a comparison.

use super::Comparison;
use super::page::{against_earlier, escape, legend, machine, page, verdicts};
use super::plot::{Line, Plot, Scale};
use super::table::Table;
use crate::compare::{CompareReport, Curve, ModeRow};

/// A page with everything that a comparison has found, and how it compares with an earlier one if there
/// is one: one file, without scripts or links, light or dark as the reader has it.
///
/// ```
/// use tidegate::compare::CompareReport;
/// use tidegate::report::compare_page;
///
/// let report = CompareReport { workload: "a < b".into(), ..CompareReport::default() };
/// let page = compare_page(&report, &[]);
/// assert!(page.contains("a &lt; b") && page.contains("prefers-color-scheme"));
/// assert!(!page.contains("http"));
/// ```
pub fn compare_page(report: &CompareReport, against: &[Comparison]) -> String {
    let mut body = String::new();
    let mut add = |text: String| body.push_str(&text);
    let CompareReport { workload, input, checked, .. } = report;
    add(format!("<h1>{}: incremental against recompute</h1>\n", escape(workload)));
    add(format!(
        "<p>{} rows in {} batches, {}. The outputs of {} modes are equal in every batch: {} batches \
         with {} changes.</p>\n",
        report.rows,
        report.batches,
        escape(input),
        checked.modes,
        checked.batches,
        checked.changes
    ));
    add(machine(&report.machine));
    add(against_earlier(against));
    add(verdicts(&report.verdicts));
    let mut series = Vec::new();
    let modes = report.curves.iter().flat_map(|curve| &curve.points).flat_map(|at| &at.modes);
    for row in report.modes.iter().chain(modes) {
        // A mode has the same colour in every plot.
        if !series.contains(&row.mode) {
            series.push(row.mode.clone());
        }
    }
    report.curves.iter().for_each(|shown| add(curve(shown, &series)));
    if !report.modes.is_empty() {
        add(latencies(&report.modes));
    }
    page(&format!("{workload}: incremental against recompute"), &body)
}

/// The names of all modes of a curve, in their order, but the one that the others are held against.
fn held(curve: &Curve) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for point in &curve.points {
        for row in point.modes.iter().skip(1) {
            if !names.contains(&row.mode) {
                names.push(row.mode.clone());
            }
        }
    }
    names
}

fn curve(curve: &Curve, series: &[String]) -> String {
    let names = held(curve);
    let first = curve.points.iter().find_map(|point| point.modes.first());
    let against = first.map_or("the first mode", |row| &row.mode);
    let series_of = |name: &String| series.iter().position(|known| known == name).unwrap_or(0);
    let lines = names.iter().map(|name| {
        let ratio = |point: &crate::compare::Point| {
            let row = point.modes.iter().find(|row| row.mode == *name)?;
            Some((point.at, row.ratio?))
        };
        let points = curve.points.iter().filter_map(ratio).collect();
        Line { series: series_of(name), points }
    });
    let plot = Plot {
        x: &curve.over,
        y: "time of a batch, of incremental",
        lines: lines.collect(),
        level: Some(1.0),
        marked: true,
        scale: Scale::Logarithmic,
    };
    let figure = plot.svg().unwrap_or_default();
    let titles = [&*curve.over, against].into_iter().chain(names.iter().map(String::as_str));
    let titles = titles.map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = curve
        .points
        .iter()
        .map(|point| {
            let cell = |row: Option<&ModeRow>| {
                row.map_or(String::new(), |row| {
                    let median = row.median_ms();
                    match row.ratio {
                        Some(ratio) if ratio != 1.0 => format!("{median:.2} ms ({ratio:.1}x)"),
                        _ => format!("{median:.2} ms"),
                    }
                })
            };
            let of = |name: &str| cell(point.modes.iter().find(|row| row.mode == name));
            let mut cells = vec![point.label.clone(), cell(point.modes.first())];
            cells.extend(names.iter().map(|name| of(name)));
            cells
        })
        .collect();
    format!(
        "<h2>{}</h2>\n<p class=\"soft\">Median time of a batch as a multiple of that of {}, over {}.\
         </p>\n{}<div class=\"plot\">{figure}</div>\n{}",
        escape(&curve.name),
        escape(against),
        escape(&curve.over),
        legend(&names.iter().map(|name| (series_of(name), name.clone())).collect::<Vec<_>>()),
        Table { titles, rows }.html()
    )
}

/// The share of batches that took longer, over the time.
fn longer((series, row): (usize, &ModeRow)) -> Line {
    let mut times = row.samples_ms.clone();
    times.sort_by(f64::total_cmp);
    let count = times.len() as f64;
    let share = |(at, time): (usize, &f64)| (*time, (count - at as f64) / count);
    Line { series, points: times.iter().enumerate().map(share).collect() }
}

fn latencies(modes: &[ModeRow]) -> String {
    let names: Vec<_> = modes.iter().map(|row| row.mode.clone()).enumerate().collect();
    let plot = Plot {
        x: "time of a batch, in ms",
        y: "share of batches that took as long",
        lines: modes.iter().enumerate().map(longer).collect(),
        level: None,
        marked: false,
        scale: Scale::Logarithmic,
    };
    let titles = [
        "mode",
        "batches",
        "p50 ms",
        "p99 ms",
        "since due, p99 ms",
        "CPU ms",
        "touched",
        "state kB",
        "ratio",
        "of plain loop",
    ];
    let rows: Vec<Vec<String>> = modes
        .iter()
        .map(|row| {
            let times = |ratio: Option<f64>| ratio.map_or(String::new(), |r| format!("{r:.2}"));
            vec![
                row.mode.clone(),
                row.batches.to_string(),
                format!("{:.2}", row.batch.p50_ms),
                format!("{:.2}", row.batch.p99_ms),
                format!("{:.2}", row.since_due.p99_ms),
                format!("{:.2}", row.cpu_ms),
                format!("{:.0}", row.touched),
                format!("{:.1}", row.state_bytes as f64 / 1e3),
                times(row.ratio),
                times(row.of_plain),
            ]
        })
        .collect();
    let notes: String = modes
        .iter()
        .filter_map(|row| Some((&row.mode, row.note.as_ref()?)))
        .map(|(mode, note)| format!("<p class=\"soft\">{}: {}.</p>\n", escape(mode), escape(note)))
        .collect();
    format!(
        "<h2>The workload: how many batches took longer</h2>\n{}<div class=\"plot\">{}</div>\n{}\
         {notes}",
        legend(&names),
        plot.svg().unwrap_or_default(),
        Table { titles: titles.map(str::to_owned).to_vec(), rows }.html()
    )
}
