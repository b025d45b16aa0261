//! Two comparisons of one workload side by side.

use super::{CompareReport, ModeRow};
use crate::report::Comparison;

impl CompareReport {
    /// Holds this against an earlier comparison: the median time of a batch in each way of computing
    /// that both have, for the workload itself if it is the same, and at each point of the curves.
    pub fn against(&self, earlier: &CompareReport) -> Vec<Comparison> {
        let mut found = Vec::new();
        if self.workload == earlier.workload && self.input == earlier.input {
            add(&mut found, &self.workload, &earlier.modes, &self.modes);
        }
        for curve in &earlier.curves {
            let points = self.curves.iter().filter(|own| own.name == curve.name);
            let points: Vec<_> = points.flat_map(|own| &own.points).collect();
            for one in &curve.points {
                for two in points.iter().filter(|two| two.at == one.at) {
                    let place = format!("{}, {}: {}", curve.name, curve.over, one.label);
                    add(&mut found, &place, &one.modes, &two.modes);
                }
            }
        }
        found
    }
}

fn add(found: &mut Vec<Comparison>, place: &str, before: &[ModeRow], after: &[ModeRow]) {
    for one in before.iter().filter(|row| !row.samples_ms.is_empty()) {
        let same = |row: &&ModeRow| (&row.mode, row.workers) == (&one.mode, one.workers);
        if let Some(two) = after.iter().filter(|row| !row.samples_ms.is_empty()).find(same) {
            let what = format!("{place}; {}: batch p50, ms", one.mode);
            let (one, two) = ([one.samples_ms.clone()], [two.samples_ms.clone()]);
            found.push(Comparison::of_times(what, &one, &two, 0.5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Curve, Point};

    /// Batches of which each takes a little longer or shorter than `ms`.
    fn report(ms: f64) -> CompareReport {
        let times = |n: u64| ms * (1.0 + (n % 7) as f64 / 100.0);
        let row = ModeRow {
            mode: "incremental".into(),
            samples_ms: (0..50).map(times).collect(),
            ..ModeRow::default()
        };
        let point = |at| Point {
            at,
            label: at.to_string(),
            checked: Default::default(),
            modes: vec![row.clone()],
            plain: Vec::new(),
        };
        let points = vec![point(1.0), point(10.0)];
        let curve = Curve { name: "counts".into(), over: "keys".into(), points };
        CompareReport { modes: vec![row.clone()], curves: vec![curve], ..CompareReport::default() }
    }

    #[test]
    fn each_way_is_held_against_itself() {
        for (ms, verdict) in [(10.0, "the same"), (13.0, "slower"), (7.0, "faster")] {
            let found = report(ms).against(&report(10.0));
            let verdicts: Vec<&str> = found.iter().map(|found| found.verdict).collect();
            assert_eq!(verdicts, [verdict; 3], "{found:?}");
        }
    }

    #[test]
    fn of_other_inputs_only_the_curves_are_compared() {
        let other = CompareReport { input: "another".into(), ..report(10.0) };
        assert_eq!(other.against(&report(10.0)).len(), 2);
    }
}
