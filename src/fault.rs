//! Faults on demand, for the tests of recovery: a process that dies, a disk that fails or is full,
//! at a named point; and rules, broken one at a time. None of it is there without the feature
//! `faults`.
//!
//! `TIDEGATE_FAULT=planned=slow,planned=kill@3` sleeps each time that the process comes by
//! `planned`, and ends it the third time; `error` and `full` fail there from then on; `nap` sleeps until there is
//! a file of the name in `TIDEGATE_NAP`.
//! `TIDEGATE_MUTATION` breaks a rule; `TIDEGATE_POISON=text` ends the job with a panic at a record that
//! has the text in it.

use std::io;

/// A moment at which a fault may strike, in the order of a batch's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A generation has been claimed, and nothing else done.
    Claimed,
    /// The logs of earlier generations are cut off.
    Cut,
    /// Half of a plan row is written.
    HalfPlanned,
    /// A plan row is durable.
    Planned,
    /// A sink begins with a batch.
    Committing,
    /// Its rows are written, and do not count yet.
    Written,
    /// A sink has committed a batch.
    Committed,
    /// A state file is about to be written.
    Saving,
    /// A state file is durable.
    Saved,
    /// A manifest is about to be written.
    Publishing,
    /// A manifest is durable.
    Published,
    /// A file that no checkpoint needs has been removed.
    Tidying,
}

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A sink commits a batch only once its plan is durable.
    PlanBeforeCommit,
    /// A checkpoint is published only once every sink has committed its batch.
    CommitBeforeCheckpoint,
    /// A sink drops what it has committed before.
    MarkerCounts,
    /// What leaves a window is taken back when it leaves: not of recovery, but of all windows that
    /// are followed in a hash index. `tidegate compare` must see it.
    WindowLetsGo,
}

#[cfg(not(feature = "faults"))]
mod here {
    use super::{Point, Rule, io};

    #[inline]
    pub(crate) fn at(_: Point) -> io::Result<()> {
        Ok(())
    }

    #[inline]
    pub(crate) fn is_broken(_: Rule) -> bool {
        false
    }

    #[inline]
    pub(crate) fn strike_at_poison(_: &str) {}
}

#[cfg(feature = "faults")]
mod here {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::{Point, Rule, io};

    struct Fault {
        point: String,
        what: String,
        from: u64,
        seen: AtomicU64,
    }

    fn wanted() -> &'static [Fault] {
        static WANTED: OnceLock<Vec<Fault>> = OnceLock::new();
        let read = || {
            let text = std::env::var("TIDEGATE_FAULT").unwrap_or_default();
            let faults = text.split(',').filter_map(|fault| {
                let (point, rest) = fault.split_once('=')?;
                let (what, from) = rest.split_once('@').unwrap_or((rest, "1"));
                let (point, what) = (point.to_owned(), what.to_owned());
                Some(Fault { point, what, from: from.parse().ok()?, seen: AtomicU64::new(0) })
            });
            faults.collect()
        };
        WANTED.get_or_init(read)
    }

    impl Fault {
        fn strike(&self) -> io::Result<()> {
            if self.seen.fetch_add(1, Ordering::SeqCst) + 1 < self.from {
                return Ok(());
            }
            match &*self.what {
                // No destructor runs, and nothing is flushed.
                "kill" => std::process::abort(),
                "full" => Err(io::ErrorKind::StorageFull.into()),
                "nap" => nap(),
                "slow" => {
                    std::thread::sleep(Duration::from_millis(40));
                    Ok(())
                }
                _ => Err(io::Error::other("a fault was asked for")),
            }
        }
    }

    /// Sleeps, and says so by a file, until there is another.
    fn nap() -> io::Result<()> {
        let awake = std::env::var("TIDEGATE_NAP").unwrap_or_default();
        std::fs::write(format!("{awake}.not-yet"), "")?;
        while !std::path::Path::new(&awake).exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Comes by a point.
    pub(crate) fn at(point: Point) -> io::Result<()> {
        let point = name(&format!("{point:?}"));
        wanted().iter().filter(|fault| fault.point == point).try_for_each(Fault::strike)
    }

    /// Whether a rule is broken.
    pub(crate) fn is_broken(rule: Rule) -> bool {
        static BROKEN: OnceLock<String> = OnceLock::new();
        let broken = BROKEN.get_or_init(|| std::env::var("TIDEGATE_MUTATION").unwrap_or_default());
        *broken == name(&format!("{rule:?}"))
    }

    /// Panics as a user's function would that can't bear a record.
    pub(crate) fn strike_at_poison(row: &str) {
        static POISON: OnceLock<Option<String>> = OnceLock::new();
        let poison = POISON.get_or_init(|| std::env::var("TIDEGATE_POISON").ok());
        if poison.as_ref().is_some_and(|poison| row.contains(poison)) {
            panic!("`{row}` is poison");
        }
    }

    /// `HalfPlanned` is `half-planned`.
    fn name(variant: &str) -> String {
        let mut name = String::new();
        for c in variant.chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(c.to_lowercase());
        }
        name
    }
}

pub(crate) use here::{at, is_broken, strike_at_poison};
