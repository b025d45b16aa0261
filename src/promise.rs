//! What a job promises of its output: said when it starts.

use std::fmt;

use crate::sink::Delivery;

/// How often the rows of some sources are in a sink in the end, if the job is killed and started
/// again. All sources are taken to feed all sinks.
///
/// ```
/// use tidegate::sink::{Delivery, Memory};
/// use tidegate::source::Generator;
/// use tidegate::{Config, Trigger};
///
/// let config = Config::new("count").trigger(Trigger::AvailableNow);
/// let job = tidegate::start(config, |ctx| {
///     ctx.source(Generator::zipf_keys(10, 1).records(100)).sink(Memory::new());
/// })?;
/// let [promise] = job.promises() else { panic!("one sink, one promise") };
/// assert_eq!(promise.delivery, Delivery::AtLeastOnce);
/// assert!(promise.to_string().starts_with("zipf -> memory: at least once"));
/// job.join()?;
/// # Ok::<(), tidegate::RunError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promise {
    /// The names of the sources.
    pub sources: Vec<String>,
    /// The name of the sink.
    pub sink: String,
    /// How often their rows are there.
    pub delivery: Delivery,
    /// Whether the job is saved, and a restart goes on where it was.
    pub is_saved: bool,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.sources.join(", "), self.sink, self.delivery)?;
        f.write_str(match (self.is_saved, self.delivery) {
            (true, Delivery::AtLeastOnce) => {
                " (a restart writes again what came after the last checkpoint)"
            }
            (false, Delivery::AtMostOnce) => {
                " (no checkpoints: what was read and not yet written is lost with the job)"
            }
            (false, _) => " (no checkpoints: a restart begins with an empty state and reads again)",
            (true, _) => "",
        })
    }
}

/// What is promised of each sink, a line for the sources of which the same can be said. A source
/// comes with whether a restart without checkpoints reads again what was not written.
pub(crate) fn of(
    sources: &[(String, bool)],
    sinks: &[(String, Delivery)],
    is_saved: bool,
) -> Vec<Promise> {
    let mut promises: Vec<Promise> = Vec::new();
    for (sink, declared) in sinks {
        let begin = promises.len();
        for (source, reads_again) in sources {
            let delivery = match (is_saved, reads_again) {
                (true, _) => *declared,
                (false, true) => Delivery::AtLeastOnce,
                (false, false) => Delivery::AtMostOnce,
            };
            let same = promises[begin..].iter_mut().find(|promise| promise.delivery == delivery);
            match same {
                Some(promise) => promise.sources.push(source.clone()),
                None => promises.push(Promise {
                    sources: vec![source.clone()],
                    sink: sink.clone(),
                    delivery,
                    is_saved,
                }),
            }
        }
    }
    promises
}

/// Says it in the log.
pub(crate) fn say(promises: &[Promise]) {
    promises.iter().for_each(|promise| log::info!("{promise}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(sinks: &[(&str, Delivery)], is_saved: bool) -> Vec<String> {
        let sources =
            [("kafka:a".to_owned(), true), ("tcp:b".into(), false), ("file:c".into(), true)];
        let sinks: Vec<_> = sinks.iter().map(|(name, how)| ((*name).to_owned(), *how)).collect();
        of(&sources, &sinks, is_saved).iter().map(Promise::to_string).collect()
    }

    #[test]
    fn with_checkpoints_the_sink_decides() {
        let readers = Delivery::ExactlyOnceTo("with care");
        let sinks = [
            ("jsonl:x", Delivery::ExactlyOnce),
            ("console", Delivery::AtLeastOnce),
            ("kafka:y", readers),
        ];
        assert_eq!(
            lines(&sinks, true),
            [
                "kafka:a, tcp:b, file:c -> jsonl:x: exactly once",
                "kafka:a, tcp:b, file:c -> console: at least once (a restart writes again what came \
                 after the last checkpoint)",
                "kafka:a, tcp:b, file:c -> kafka:y: exactly once, to readers with care",
            ]
        );
    }

    #[test]
    fn without_them_the_source_decides() {
        assert_eq!(
            lines(&[("jsonl:x", Delivery::ExactlyOnce)], false),
            [
                "kafka:a, file:c -> jsonl:x: at least once (no checkpoints: a restart begins with an \
                 empty state and reads again)",
                "tcp:b -> jsonl:x: at most once (no checkpoints: what was read and not yet written is \
                 lost with the job)",
            ]
        );
    }
}
