//! Pages: one file, with its plots.

use std::fs;

use libtest_mimic::Trial;
use tidegate::compare::{Checked, CompareReport, Curve, Input, Limits, Mode, Point};
use tidegate::report::compare_page;
use tidegate::{DStream, Span};

use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["compare::pages";
        a_page_is_one_file_with_its_plots,
        a_report_is_the_same_from_its_json,
        two_comparisons_are_held_against_each_other,
    ]
}

/// A small comparison, with a curve of two points.
fn report() -> CompareReport {
    let input = Input::of((0..12).map(|n| vec![n, n % 3, 1]).collect::<Vec<Vec<u64>>>(), 1);
    let modes = Mode::every(|keys: DStream<'_, u64>| {
        keys.window(Span::batches(2), Span::batches(1)).count_by_value()
    });
    let limits = Limits { settle: 2, ..Limits::default() };
    let mut report =
        CompareReport::of(("<count>", "twelve batches"), &input, &modes, &limits, &mut |_| {})
            .expect("the same");
    let point = |at: f64| Point {
        at,
        label: at.to_string(),
        checked: Checked::default(),
        modes: report.modes.clone(),
        plain: Vec::new(),
    };
    let points = vec![point(1.0), point(60.0)];
    let (name, over) = ("sliding count".to_owned(), "window length".to_owned());
    report.curves.push(Curve { name, over, points });
    report
}

fn a_page_is_one_file_with_its_plots() {
    let page = compare_page(&report(), &[]);
    // A curve of ratios, and the batches of the workload.
    assert_eq!(page.matches("<svg ").count(), 2, "{page}");
    assert_eq!(page.matches("</svg>").count(), 2);
    assert!(page.matches("<polyline").count() >= 3 + 4, "a line for each mode");
    for foreign in ["http:", "https:", "<script", "<link", "<img", "url(", "@import", "src="] {
        assert!(!page.contains(foreign), "`{foreign}` in the page");
    }
    for part in ["prefers-color-scheme: dark", "&lt;count&gt;", "window length", "recompute"] {
        assert!(page.contains(part), "no `{part}` in the page");
    }
    assert!(!page.contains("<count>"), "names are not markup");
    // Every colour of a plot is the page's.
    for attribute in ["fill=\"#", "stroke=\"#"] {
        for part in page.split(attribute).skip(1) {
            let code = &part[..6];
            assert!(page.contains(&format!("[{attribute}{code}\"]")), "colour {code} is fixed");
        }
    }
}

fn a_report_is_the_same_from_its_json() {
    let place = tempfile::tempdir().expect("a directory");
    let (measured, at) = (report(), place.path());
    let json = serde_json::to_vec(&measured).expect("JSON");
    // The last digit of a figure may differ.
    let report: CompareReport = serde_json::from_slice(&json).expect("a report");
    assert_eq!(report.to_string(), measured.to_string());
    fs::write(at.join("out.json"), json).expect("written");
    let shown = tidegate("report out.json").within(at).run().well();
    assert_eq!(shown.stdout, report.to_string());
    tidegate("report out.json --html pages/out.html").within(at).run().well();
    let page = fs::read_to_string(at.join("pages/out.html")).expect("the page");
    assert_eq!(page, compare_page(&report, &[]));
}

fn two_comparisons_are_held_against_each_other() {
    let (place, measured) = (tempfile::tempdir().expect("a directory"), report());
    let mut later = measured.clone();
    let slow = &mut later.modes[0];
    slow.samples_ms.iter_mut().for_each(|ms| *ms *= 100.0);
    for (name, report) in [("before.json", &measured), ("after.json", &later)] {
        fs::write(place.path().join(name), serde_json::to_vec(report).expect("JSON"))
            .expect("written");
    }
    let report = |arguments: &str| {
        tidegate(&format!("report before.json {arguments}")).within(place.path()).run()
    };
    let shown = report("after.json").well().stdout;
    let slower: Vec<&str> = shown.lines().filter(|line| line.contains("slower")).collect();
    assert!(slower.len() == 1 && slower[0].contains(&measured.modes[0].mode), "{shown}");
    // Each way of the workload, and of both points of the curve.
    assert_eq!(
        shown.lines().filter(|line| line.contains("batch p50, ms")).count(),
        3 * 4,
        "{shown}"
    );
    report("after.json --html out.html --csv out.csv").well();
    let page = fs::read_to_string(place.path().join("out.html")).expect("the page");
    assert!(page.contains("slower"), "{page}");
    report("--csv figures.csv").well();
    let figures = fs::read_to_string(place.path().join("figures.csv")).expect("the table");
    // A head, and each way of the workload and of both points.
    assert_eq!(figures.lines().count(), 1 + 3 * 4, "{figures}");
}
