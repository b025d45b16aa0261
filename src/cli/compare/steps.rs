//! What the comparisons of all workloads are made of.

use std::time::Duration;

use clap::ValueEnum;
use tidegate::Record;
use tidegate::compare::{
    CompareError, CompareReport, Curve, Input, Limits, Mode, PlainLoop, Rows, Settings, over_keys,
    over_window_lengths, plain, share_changed,
};
use tidegate::recording::Recording;

use super::{Compare, Stopped};

impl Compare {
    /// How many batches are made up.
    pub(super) fn made(&self) -> u64 {
        // A window of made-up batches, of a second each, is as many batches as it has seconds.
        self.window.as_secs() + if self.quick { 20 } else { 60 }
    }

    /// The recorded input, or a made-up one.
    pub(super) fn input<D: Record>(
        &self,
        make: impl Fn(u64) -> Input<D>,
        rows: u64,
    ) -> Result<Input<D>, Stopped> {
        match &self.recording {
            None => Ok(make(self.rows.unwrap_or(rows))),
            Some(path) => {
                let recording =
                    Recording::open_range(path, self.batches).map_err(Stopped::Recording)?;
                Input::recorded(&recording).map_err(Stopped::Recording)
            }
        }
    }

    pub(super) fn made_up<D: Record>(
        &self,
        make: impl Fn(u64) -> Input<D>,
        rows: u64,
    ) -> Result<Input<D>, Stopped> {
        match &self.recording {
            Some(_) => Err(Stopped::Usage(
                "`--recording` goes with what `tidegate run` computes: this workload's input is \
                 made up"
                    .into(),
            )),
            None => self.input(make, rows),
        }
    }

    /// The batches of a window.
    pub(super) fn length<D: Record>(&self, input: &Input<D>) -> usize {
        self.window.as_nanos().div_ceil(input.interval().as_nanos().max(1)) as usize
    }

    pub(super) fn limits<D: Record>(&self, input: &Input<D>, is_windowed: bool) -> Limits {
        let settle = if is_windowed { self.length(input) } else { 1 };
        Limits {
            workers: self.workers as usize,
            // Of a short input something has to be measured.
            settle: settle.min(input.batches() / 2),
            time_max: Duration::from_secs(if self.quick { 3 } else { 20 }),
            samples_min: 3,
        }
    }

    pub(super) fn compared<D: Record, R: Record>(
        &self,
        input: &Input<D>,
        modes: Vec<Mode<D, R>>,
        is_windowed: bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<CompareReport, Stopped> {
        let source = match &self.recording {
            Some(path) => format!("`{}`", path.display()),
            None => format!("made-up input (seed {})", self.seed),
        };
        let name = self.workload.to_possible_value();
        let name = name.map_or(String::new(), |value| value.get_name().to_owned());
        let limits = self.limits(input, is_windowed);
        let report = CompareReport::of((&name, &source), input, &modes, &limits, progress);
        report.map_err(Stopped::Compare)
    }

    /// Adds plain loops, where the window slides by one batch.
    pub(super) fn loops<D: Record, K: Record>(
        &self,
        report: CompareReport,
        input: &Input<D>,
        is_windowed: bool,
        keys: Rows<D, K>,
    ) -> CompareReport {
        if self.slide.is_some_and(|slide| slide != input.interval()) {
            return report;
        }
        let window = is_windowed.then(|| self.length(input) as u64);
        let limits = self.limits(input, is_windowed);
        let loops = [PlainLoop::Recompute, PlainLoop::Partials];
        report.with_plain(&loops, |kind| plain(input, kind, window, &limits, keys))
    }

    pub(super) fn settings(&self) -> Settings {
        Settings { quick: self.quick, workers: self.workers as usize }
    }

    pub(super) fn curves(
        &self,
        mut report: CompareReport,
        progress: &mut dyn FnMut(&str),
    ) -> Result<CompareReport, Stopped> {
        for curve in [over_window_lengths, over_keys, share_changed] {
            self.shares(&mut report, curve, progress)?;
        }
        report.judge();
        Ok(report)
    }

    pub(super) fn shares(
        &self,
        report: &mut CompareReport,
        curve: fn(&Settings, &mut dyn FnMut(&str)) -> Result<Curve, CompareError>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), Stopped> {
        if !self.no_curves {
            report.curves.push(curve(&self.settings(), progress).map_err(Stopped::Compare)?);
        }
        Ok(())
    }
}
