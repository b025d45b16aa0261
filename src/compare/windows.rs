//! Question: how much less work is it to follow a sliding window than to count it anew, and how
//! does that depend on the window's length and on the number of keys?
//!
//! Expectation: at 100,000 rows a batch, 10,000 keys and 60 batches, incremental takes a tenth of
//! recompute and half of partials, and both of these no more than 1.5 times a plain loop.
//!
//! Method: a sliding count by key, slide 1, of uniform keys; batches are measured once the window is
//! full.

use std::time::Duration;

use super::curve::{Curve, Subject, point};
use super::measure::{Limits, ModeRow};
use super::mode::Mode;
use super::plain::{PlainLoop, plain};
use super::{CompareError, Input, Settings};
use crate::Span;
use crate::source::Generator;

/// Rows of a batch.
const ROWS: u64 = 100_000;
/// Of these many keys, where the window's length varies.
pub(super) const KEYS: u64 = 10_000;
/// The window's length, where the number of keys varies.
const LENGTH: u64 = 10;
/// The smaller input has this part of the rows.
const PART: u64 = 20;

/// The curve over window lengths.
pub(super) const LENGTHS: &str = "sliding count, 100k rows a batch, 10k keys";
const OVER_KEYS: &str = "sliding count, 100k rows a batch, window of 10 batches";

/// The ratio over the length of the window, in batches.
///
/// # Errors
///
/// If modes differ, or do not run.
pub fn over_window_lengths(
    settings: &Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Curve, CompareError> {
    let lengths: &[u64] = if settings.quick { &[1, 10, 60] } else { &[1, 2, 5, 10, 30, 60, 120] };
    let mut points = Vec::new();
    for length in lengths {
        progress(&format!("window of {length} batches"));
        points.push(at(settings, *length as f64, length.to_string(), *length, KEYS)?);
    }
    Ok(Curve { name: LENGTHS.into(), over: "window length, in batches".into(), points })
}

/// The ratio over the number of keys.
///
/// # Errors
///
/// If modes differ, or do not run.
pub fn over_keys(
    settings: &Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Curve, CompareError> {
    let keys: &[u64] = match settings.quick {
        true => &[100, 10_000, 1_000_000],
        false => &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
    };
    let mut points = Vec::new();
    for keys in keys {
        progress(&format!("{keys} keys"));
        points.push(at(settings, *keys as f64, keys.to_string(), LENGTH, *keys)?);
    }
    Ok(Curve { name: OVER_KEYS.into(), over: "keys".into(), points })
}

fn at(
    settings: &Settings,
    at: f64,
    label: String,
    length: u64,
    keys: u64,
) -> Result<super::Point, CompareError> {
    let modes = Mode::every(move |keys| {
        keys.window(Span::batches(length), Span::batches(1)).count_by_value()
    });
    let batches = length + if settings.quick { 10 } else { 30 };
    let generator = Generator::uniform_keys(keys, 1);
    let limits = Limits {
        workers: settings.workers,
        settle: length as usize,
        time_max: Duration::from_secs(if settings.quick { 2 } else { 10 }),
        samples_min: 5,
    };
    let subject = Subject {
        at,
        label,
        input: Input::made(&generator, batches, ROWS),
        small: Input::made(&generator, length + 5, ROWS / PART),
        modes: &modes,
        limits,
    };
    let loops = [PlainLoop::Recompute, PlainLoop::Partials];
    point(&subject, &loops, |kind| -> ModeRow {
        plain(&subject.input, kind, Some(length), &limits, |keys| keys)
    })
}
