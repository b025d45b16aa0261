//! The terminal while a job runs: a line of progress at the bottom, everything else above it.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle,
};
use tidegate::metrics::{BatchRecord, Latency, Listener};

/// Who writes to the terminal asks here, so that the progress line stays whole.
#[derive(Clone)]
pub struct Terminal {
    lines: MultiProgress,
    quiet: bool,
}

impl Terminal {
    pub fn new(quiet: bool) -> Self {
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Terminal { lines: MultiProgress::with_draw_target(target), quiet }
    }

    /// A line at the bottom that moves.
    pub fn spinner(&self) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner:.cyan} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = self.lines.add(ProgressBar::new_spinner().with_style(style));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// A bar at the bottom that fills, with the time that is left.
    pub fn bar(&self) -> ProgressBar {
        let template = "{spinner:.cyan} {bar:24.cyan/blue} {pos}/{len} {eta:>4} left  {msg}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.lines.add(ProgressBar::new(0).with_style(style));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Writes to standard output, above the progress line.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut out = self.stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    }

    /// Does something while the progress line is away, if the line would be in its way: nobody must
    /// wait for the line's lock because a pipe is full.
    fn above<R>(&self, is_terminal: bool, write: impl FnOnce() -> R) -> R {
        if is_terminal { self.lines.suspend(write) } else { write() }
    }

    /// Standard output, above the progress line.
    pub fn stdout(&self) -> Above {
        Above { terminal: self.clone(), to_stderr: false }
    }

    /// Standard error, above the progress line.
    pub fn stderr(&self) -> Above {
        Above { terminal: self.clone(), to_stderr: true }
    }

    /// Removes the progress line.
    pub fn clear(&self) {
        // A terminal that is gone shows nothing anyway.
        let _ = self.lines.clear();
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// A writer to the terminal that leaves the progress line whole.
pub struct Above {
    terminal: Terminal,
    to_stderr: bool,
}

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.to_stderr {
            let write = || io::stderr().lock().write_all(bytes);
            self.terminal.above(io::stderr().is_terminal(), write)?;
        } else {
            let write = || io::stdout().lock().write_all(bytes);
            self.terminal.above(io::stdout().is_terminal(), write)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.to_stderr { io::stderr().flush() } else { io::stdout().flush() }
    }
}

/// Shows what a job is doing.
pub struct ProgressLine {
    bar: ProgressBar,
    recent: Mutex<Recent>,
}

struct Recent {
    begun: Instant,
    rows: u64,
    /// The newest batches: when they were done, their rows, and how long they took.
    batches: VecDeque<(Instant, u64, Duration)>,
}

/// What is shown is that of this long.
const SHOWN: Duration = Duration::from_secs(5);

impl ProgressLine {
    pub fn new(terminal: &Terminal) -> Self {
        let bar = terminal.spinner();
        bar.set_message("waiting for the first batch");
        let recent = Recent { begun: Instant::now(), rows: 0, batches: VecDeque::new() };
        ProgressLine { bar, recent: Mutex::new(recent) }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Listener for ProgressLine {
    fn batch_completed(&self, record: &BatchRecord) {
        let Ok(mut recent) = self.recent.lock() else { return };
        let now = Instant::now();
        recent.rows += record.rows_in();
        let took = Duration::from_secs_f64(record.processing_ms / 1e3);
        recent.batches.push_back((now, record.rows_in(), took));
        while recent.batches.front().is_some_and(|(at, ..)| now.duration_since(*at) > SHOWN) {
            recent.batches.pop_front();
        }
        let span = now.duration_since(recent.begun).min(SHOWN).as_secs_f64().max(1e-3);
        let rows: u64 = recent.batches.iter().map(|(_, rows, _)| rows).sum();
        let latency = Latency::of(recent.batches.iter().map(|(.., took)| *took));
        let keys: u64 = record.state.iter().map(|state| state.keys).sum();
        let bytes: u64 = record.state.iter().map(|state| state.bytes).sum();
        let mut text = format!(
            "batch {} · {} rows · {} rows/s · p50 {:.1} ms p99 {:.1} ms",
            record.batch,
            HumanCount(recent.rows),
            HumanCount((rows as f64 / span) as u64),
            latency.p50_ms,
            latency.p99_ms,
        );
        if keys > 0 {
            text.push_str(&format!(" · state {} keys {}", HumanCount(keys), HumanBytes(bytes)));
        }
        if record.dead_letters() > 0 {
            text.push_str(&format!(" · {} dead letters", HumanCount(record.dead_letters())));
        }
        self.bar.set_message(text);
    }
}
