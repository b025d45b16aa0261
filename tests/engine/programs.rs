//! Programs that can't run are errors before anything is opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::error::{BuildError, ConfigError, SinkError, SourceError};
use tidegate::rate::{Pid, RateControl};
use tidegate::sink::{Null, Sink, TextFiles, Writer};
use tidegate::source::{Attempt, Opening, Partition, Queue, Reader, Source};
use tidegate::{
    Config, Context, DStream, Departed, Local, Max, Record, Reduce, RunError, Span, Strategy,
    Trigger,
};

use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["engine::programs";
        a_window_that_is_no_multiple_of_the_interval_is_refused,
        a_window_of_nothing_is_refused,
        a_program_without_output_or_input_is_refused,
        two_operators_of_one_name_are_refused,
        streams_with_different_slides_don_t_unite,
        options_that_a_strategy_does_not_have_are_refused,
        a_refused_program_opens_nothing,
        a_source_that_can_t_be_opened_is_an_error_before_the_start,
        a_sink_that_can_t_be_opened_is_an_error_before_the_start,
        settings_that_contradict_themselves_are_refused,
    ]
}

/// What is said of a program whose interval is one second.
fn refused(program: impl Fn(Context<'_>) + Send + Sync + 'static) -> BuildError {
    match Local::start(Config::new("refused").workers(2), program) {
        Err(RunError::Build(error)) => error,
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("it started"),
    }
}

fn words(ctx: Context<'_>) -> DStream<'_, (String, i64)> {
    ctx.source(Queue::new(1))
}

fn a_window_that_is_no_multiple_of_the_interval_is_refused() {
    let (length, second) = (Duration::from_millis(2_500), Duration::from_secs(1));
    let error = refused(move |ctx| words(ctx).window(length, second).count().sink(Null::default()));
    assert_eq!(
        error,
        BuildError::NoMultiple {
            what: "a window's length",
            span: length,
            interval: second,
            below: 2 * second,
            above: 3 * second,
        }
    );
    let short = Duration::from_millis(300);
    let error =
        refused(move |ctx| words(ctx).window(length * 2, short).count().sink(Null::default()));
    let BuildError::NoMultiple { what, below, above, .. } = error else { panic!("{error:?}") };
    assert_eq!((what, below, above), ("a window's slide", second, second));
}

fn a_window_of_nothing_is_refused() {
    for span in [Span::Batches(0), Span::Time(Duration::ZERO)] {
        let one = Span::batches(1);
        let error = refused(move |ctx| words(ctx).window(span, one).count().sink(Null::default()));
        assert_eq!(error, BuildError::EmptySpan { what: "a window's length" }, "{span:?}");
        let error = refused(move |ctx| words(ctx).window(one, span).count().sink(Null::default()));
        assert_eq!(error, BuildError::EmptySpan { what: "a window's slide" }, "{span:?}");
    }
}

fn a_program_without_output_or_input_is_refused() {
    assert_eq!(refused(|ctx| drop(words(ctx).count())), BuildError::NoOutput);
    assert_eq!(refused(|_| {}), BuildError::NoInput);
}

fn two_operators_of_one_name_are_refused() {
    let error = refused(|ctx| {
        let words = words(ctx);
        let named = |rows: DStream<'_, (String, i64)>| {
            rows.uid("counts").running().count_by_value().changes().sink(Null::default());
        };
        named(words.clone());
        named(words);
    });
    assert_eq!(error, BuildError::DuplicateUid { uid: "counts".into() });
}

fn streams_with_different_slides_don_t_unite() {
    let error = refused(|ctx| {
        let words = words(ctx);
        let quick = words.clone().window(Span::batches(4), Span::batches(1)).snapshots();
        words
            .window(Span::batches(4), Span::batches(2))
            .snapshots()
            .union(quick)
            .sink(Null::default());
    });
    assert_eq!(error, BuildError::Slides { operation: "union", left: 2, right: 1 });
    let error = refused(|ctx| {
        let words = words(ctx);
        let slow = words.clone().window(Span::batches(3), Span::batches(3)).table();
        words.running().table().union(slow).changes().sink(Null::default());
    });
    assert_eq!(error, BuildError::Slides { operation: "union", left: 1, right: 3 });
    let error = refused(|ctx| {
        let slow = words(ctx).window(Span::batches(2), Span::batches(2)).snapshots();
        slow.window(Span::batches(6), Span::batches(3)).count().sink(Null::default());
    });
    assert_eq!(error, BuildError::Slides { operation: "window", left: 2, right: 3 });
}

fn options_that_a_strategy_does_not_have_are_refused() {
    for strategy in [Strategy::Arrangement, Strategy::Recompute] {
        let error = refused(move |ctx| {
            let window = words(ctx).strategy(strategy).window(Span::batches(2), Span::batches(1));
            let sum = Reduce::new(|a: &i64, b: &i64| a + b).with_inverse(|a, b| a - b);
            let kept = window.departed(Departed::Keep).aggregate_by_key(sum);
            kept.changes().sink(Null::default());
        });
        assert!(
            matches!(error, BuildError::Strategy { strategy: name, .. } if name == strategy.name())
        );
    }
    // What can't be subtracted leaves nothing behind that could stay.
    let error = refused(|ctx| {
        let window = words(ctx).window(Span::batches(2), Span::batches(1));
        window.departed(Departed::Keep).aggregate_by_key(Max).changes().sink(Null::default());
    });
    assert!(matches!(error, BuildError::Strategy { .. }), "{error:?}");
}

/// A source and a sink that can't be opened, and count how often they are asked.
#[derive(Clone, Default)]
struct Closed {
    asked: Arc<AtomicU64>,
}

impl Source for Closed {
    type Item = i64;

    fn name(&self) -> String {
        "closed".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Err(SourceError::Invalid("the broker is closed".into()))
    }

    fn open(
        &mut self,
        _assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<i64>>, SourceError> {
        panic!("a source without partitions is opened")
    }
}

impl<D: Record> Sink<D> for Closed {
    fn name(&self) -> String {
        "closed".into()
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Err(SinkError::Invalid("the disk is closed".into()))
    }
}

fn a_refused_program_opens_nothing() {
    let (source, sink) = (Closed::default(), Closed::default());
    let (input, output) = (source.clone(), sink.clone());
    refused(move |ctx| {
        let rows = ctx.source(input.clone());
        rows.window(Span::batches(0), Span::batches(1)).count().sink(output.clone());
    });
    assert_eq!(source.asked.load(Ordering::SeqCst), 0);
    assert_eq!(sink.asked.load(Ordering::SeqCst), 0);
}

fn a_source_that_can_t_be_opened_is_an_error_before_the_start() {
    let (source, sink) = (Closed::default(), Closed::default());
    let (input, output) = (source.clone(), sink.clone());
    let started = Local::start(Config::new("closed").workers(2), move |ctx| {
        ctx.source(input.clone()).sink(output.clone());
    });
    let Err(error) = started else { panic!("it started") };
    assert!(error.is_before_start());
    let RunError::Source { name, source: reason, started } = &error else { panic!("{error:?}") };
    assert_eq!((&**name, *started), ("closed", false));
    assert_eq!(reason.to_string(), "the broker is closed");
    assert_eq!(sink.asked.load(Ordering::SeqCst), 0, "sources are opened first");
}

fn a_sink_that_can_t_be_opened_is_an_error_before_the_start() {
    let sink = Closed::default();
    let started = Local::start(Config::new("closed").workers(2), move |ctx| {
        ctx.source(Queue::<i64>::new(1)).sink(sink.clone());
    });
    let Err(error) = started else { panic!("it started") };
    assert!(error.is_before_start());
    assert!(matches!(&error, RunError::Sink { batch: None, .. }), "{error:?}");

    let file = tempfile::NamedTempFile::new().expect("a file");
    let below = file.path().join("rows");
    let started = Local::start(Config::new("no directory"), move |ctx| {
        ctx.source(Queue::<String>::new(1)).sink(TextFiles::new(below.clone()));
    });
    let Err(error) = started else { panic!("it started") };
    assert!(
        matches!(&error, RunError::Sink { batch: None, source: SinkError::File { .. }, .. }),
        "{error:?}"
    );
}

fn settings_that_contradict_themselves_are_refused() {
    let refused = |config: Config| match tidegate::run(config, |_| panic!("it is not built")) {
        Err(RunError::Config(error)) => error,
        other => panic!("{other:?}"),
    };
    let config = || Config::new("settings");
    for (setting, config) in [
        ("workers", config().workers(0)),
        ("in_flight_max", config().in_flight_max(0)),
        ("queue_bytes_max", config().queue_bytes_max(0)),
        ("records_per_partition_max", config().records_per_partition_max(0)),
        ("first_batch_records_max", config().first_batch_records_max(0)),
        ("stall_timeout", config().stall_timeout(Duration::ZERO)),
        ("trigger count", config().trigger(Trigger::Count { records: 0 })),
    ] {
        assert_eq!(refused(config), ConfigError::Zero { setting });
    }
    for (setting, pid, initial_rate) in [
        ("rate_min", Pid { rate_min: 0.0, ..Pid::default() }, 1.0),
        ("integral", Pid { integral: f64::NAN, ..Pid::default() }, 1.0),
        ("initial_rate", Pid::default(), -1.0),
    ] {
        let control = RateControl::new().backpressure(pid).initial_rate(initial_rate);
        let error = refused(config().rate_control(control));
        assert!(matches!(error, ConfigError::Rate { setting: found, .. } if found == setting));
    }
    let control = RateControl::new().max_rate_per_partition(10.0);
    let counted = config().trigger(Trigger::AvailableNow).rate_control(control);
    assert_eq!(refused(counted), ConfigError::RateTrigger);
    let crowded = ConfigError::Workers { workers: 1025, most: 1024 };
    assert_eq!(refused(config().workers(1025)), crowded);
    let short = Duration::from_micros(900);
    assert_eq!(refused(config().interval(short)), ConfigError::Interval(short));
}
