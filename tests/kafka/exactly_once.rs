//! What a job with checkpoints writes to a topic, whatever becomes of the job and of the broker.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tidegate::recovery::Checkpoints;
use tidegate::sink::{KafkaSink, Memory};
use tidegate::source::{Kafka, Queue};
use tidegate::{Config, Local, RunError, Trigger, run};
use xtask::kafka::Broker;

use super::lane::{
    Message, address, committed, create_topic, end_of, jars, leave_open, produce, uncommitted,
    with_broker,
};
use super::liar;
use crate::support::Rng;
use crate::support::kills::{lines, with_kills};
use crate::support::process::tidegate;

pub const TESTS: &[(&str, fn())] = &[
    ("whatever moment a job is killed at, its topic is that of an undisturbed one", killed),
    ("a job that wakes after another has begun in its place writes nothing", zombie),
    ("a broker that is killed costs a job with transactions time only", broker_killed),
    ("a commit that is denied is found out about, done or not", denied),
    ("a transaction that a killed job left open is not seen", left_open),
    ("a job without its checkpoints is refused", without_checkpoints),
    ("batches without rows are no transactions", empty_batches),
    ("two sinks on one topic have marks of their own", two_sinks),
    ("a job on what another writes in transactions comes to its end", read_by_a_job),
    ("the embedded broker is refused where there are transactions", embedded),
];

const PARTITIONS: i32 = 3;

/// A job on topics of its own, and what it writes if nothing disturbs it.
struct Case {
    kafka: String,
    name: &'static str,
    place: TempDir,
    rng: Rng,
}

impl Case {
    fn new(kafka: &str, name: &'static str, seed: u64, count: usize) -> Self {
        let mut rng = Rng::new(seed);
        for topic in ["in", "expected", "out"] {
            create_topic(kafka, &format!("{name}-{topic}"), PARTITIONS);
        }
        let text = lines(&mut rng, count);
        let lines = text.lines().map(|line| (rng.below(PARTITIONS as u64) as i32, line));
        let lines: Vec<(i32, &str)> = lines.collect();
        let messages = lines.iter().map(|(partition, line)| Message::new(*partition, *line));
        produce(kafka, &format!("{name}-in"), messages);
        let place = tempfile::tempdir().expect("a directory");
        Case { kafka: kafka.to_owned(), name, place, rng }
    }

    /// The command without a sink.
    fn job(&self) -> String {
        format!(
            "run wordcount --source kafka://{}/{}-in --output changes --trigger available-now \
             --records-per-partition 20",
            self.kafka, self.name
        )
    }

    /// The command with checkpoints.
    fn saved(&self) -> String {
        let (job, kafka, name) = (self.job(), &self.kafka, self.name);
        format!(
            "{job} --sink kafka://{kafka}/{name}-out --checkpoint state --checkpoint-every 15ms"
        )
    }

    fn out(&self) -> String {
        format!("{}-out", self.name)
    }

    /// Checks that what is committed is what an undisturbed job writes without transactions.
    #[track_caller]
    fn is_as_undisturbed(&self, after: &str) {
        let expected = format!("{}-expected", self.name);
        if end_of(&self.kafka, &expected, 0) == 0 {
            let sink = format!("--sink kafka://{}/{expected}", self.kafka);
            tidegate(&format!("{} {sink}", self.job())).within(self.place.path()).run().well();
        }
        let expected = committed(&self.kafka, &expected);
        assert!(expected.iter().all(|partition| partition.len() > 100), "there is an output");
        let found = committed(&self.kafka, &self.out());
        for (partition, (expected, found)) in expected.iter().zip(&found).enumerate() {
            let (should, is) = (expected.len(), found.len());
            assert!(
                expected == found,
                "partition {partition} has {is} rows, not {should}: {after}"
            );
        }
    }

    fn has_written(&self, more_than: i64) -> bool {
        end_of(&self.kafka, &self.out(), 0) > more_than
    }
}

fn killed() {
    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut case = Case::new(&address(), "killed", seed, 2_000);
    let command = case.saved();
    let longest = Duration::from_millis(900);
    let (place, rng) = (case.place.path(), &mut case.rng);
    let kills = with_kills(rng, longest, |workers| {
        tidegate(&format!("{command} -w {workers}")).within(place)
    });
    case.is_as_undisturbed(&format!("seed {seed}, {kills} kills"));
    let all: usize = uncommitted(&case.kafka, &case.out()).iter().map(Vec::len).sum();
    let seen: usize = committed(&case.kafka, &case.out()).iter().map(Vec::len).sum();
    eprintln!("seed {seed}: {kills} kills, {} rows never committed", all - seen);
    assert!(kills >= 3, "seed {seed}: killed {kills} times only");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let copied = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &copied),
            false => drop(fs::copy(&path, &copied).expect("copied")),
        }
    }
}

fn zombie() {
    let case = Case::new(&address(), "zombie", 5, 6_000);
    let (here, there) = (case.place.path().join("here"), case.place.path().join("there"));
    fs::create_dir(&here).expect("a directory");
    let mut sleeper = tidegate(&case.saved()).within(&here).start();
    sleeper.wait_until("writes", |_| case.has_written(100));
    sleeper.signal(Signal::STOP);
    // The lock on its checkpoints is this host's: another host would have gone on with them.
    copy(&here.join("state"), &there.join("state"));
    tidegate(&case.saved()).within(&there).run().well();
    case.is_as_undisturbed("while the first one sleeps");
    sleeper.signal(Signal::CONT);
    sleeper.end().failed(1, &["sink `kafka:zombie-out` failed", "the job runs elsewhere"]);
    case.is_as_undisturbed("when the first one has woken");
}

fn broker_killed() {
    // A broker of its own: the others' must not go away.
    let mut broker = Broker::start(&jars(), 0).expect("a broker");
    let case = Case::new(&broker.address(), "fallen", 6, 6_000);
    let mut job = tidegate(&case.saved()).within(case.place.path()).start();
    job.wait_until("writes", |_| case.has_written(100));
    broker.kill();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!job.has_ended(), "the job waits");
    broker.resume().expect("the broker comes back");
    let ended = job.end().well();
    assert!(ended.stderr.contains("waiting for Kafka"), "{}", ended.stderr);
    case.is_as_undisturbed("the broker was killed");
}

fn denied() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = listener.local_addr().expect("an address");
    let broker = Broker::start_behind(&jars(), proxy).expect("a broker");
    let lies = liar::serve(listener, broker.socket());
    let case = Case::new(&proxy.to_string(), "denied", 10, 2_000);
    tidegate(&case.saved()).within(case.place.path()).run().well();
    let (done, not_done) = (lies.done.load(Ordering::SeqCst), lies.not_done.load(Ordering::SeqCst));
    case.is_as_undisturbed(&format!("{done} commits were denied, and {not_done} not carried out"));
    assert!(done >= 3 && not_done >= 3, "{done} and {not_done} lies only");
}

fn left_open() {
    let case = Case::new(&address(), "open", 7, 1_500);
    tidegate(&case.saved()).within(case.place.path()).run().well();
    // As if it had been killed in the middle of one more.
    leave_open(&case.kafka, "wordcount-kafka:open-out-0", &case.out(), 1, "ghost");
    let ended = tidegate(&case.saved()).within(case.place.path()).run().well();
    assert!(
        ended.stderr.contains(
            "kafka:open-in -> kafka:open-out: exactly once, to readers with \
             `isolation.level=read_committed`"
        ),
        "{}",
        ended.stderr
    );
    case.is_as_undisturbed("a transaction was left open");
    let all = uncommitted(&case.kafka, &case.out());
    assert_eq!(all[1].last().map(String::as_str), Some("ghost"));

    // Kafka's own consumer sees the same.
    let mut expected = committed(&case.kafka, &case.out()).concat();
    expected.sort();
    let mut command: Command = with_broker(|broker| broker.tool("consumer.ConsoleConsumer"));
    command.args(["--topic", &case.out(), "--from-beginning", "--timeout-ms", "3000"]);
    command.args(["--isolation-level", "read_committed"]);
    let output = command.output().expect("Java runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut seen: Vec<&str> = text.lines().collect();
    seen.sort_unstable();
    assert!(seen == expected, "{} rows, not {}", seen.len(), expected.len());
}

fn without_checkpoints() {
    let case = Case::new(&address(), "lost", 8, 1_500);
    tidegate(&case.saved()).within(case.place.path()).run().well();
    fs::remove_dir_all(case.place.path().join("state")).expect("removed");
    tidegate(&case.saved())
        .within(case.place.path())
        .run()
        .failed(2, &["start 1 of a job has written to `lost-out`", "bring them back"]);
    case.is_as_undisturbed("the job was refused");
    // Another name is another sink: everything is there once more.
    let again = case.saved().replace("lost-out", "lost-out?transactional.id=again");
    tidegate(&again).within(case.place.path()).run().well();
    let rows = |topic: &str| committed(&case.kafka, topic).concat().len();
    assert_eq!(rows("lost-out"), 2 * rows("lost-expected"));
}

/// A job moved by hand, whose rows go to a topic as they are.
fn by_hand(
    kafka: &str,
    directory: &Path,
    input: &Queue<String>,
    topics: &'static [&'static str],
) -> Result<Local, RunError> {
    let (kafka, input) = (kafka.to_owned(), input.clone());
    let checkpoints = Checkpoints::at(directory).every(Duration::ZERO);
    let config = Config::new("by-hand").workers(2).checkpoints(checkpoints);
    Local::start(config, move |ctx| {
        let rows = ctx.source(input.clone());
        for topic in topics {
            rows.clone().sink(KafkaSink::text(&kafka, topic).progress_topic("by-hand-progress"));
        }
    })
}

fn empty_batches() {
    let kafka = address();
    create_topic(&kafka, "quiet", 1);
    let place = tempfile::tempdir().expect("a directory");
    let input = Queue::keeping(1);
    let start = || by_hand(&kafka, place.path(), &input, &["quiet"]).expect("it starts");
    let mut job = start();
    input.push(["a".to_owned()]);
    job.tick();
    let before = end_of(&kafka, "by-hand-progress", 0);
    (0..5).for_each(|_| drop(job.tick()));
    assert_eq!(end_of(&kafka, "by-hand-progress", 0), before);
    job.stop().expect("it ends well");
    let mut job = start();
    job.tick();
    input.push(["b".to_owned()]);
    assert_eq!(job.tick().batch, 8);
    job.stop().expect("it ends well");
    assert_eq!(committed(&kafka, "quiet"), [["a", "b"]]);
}

fn two_sinks() {
    let kafka = address();
    create_topic(&kafka, "twice", 1);
    let place = tempfile::tempdir().expect("a directory");
    let input = Queue::keeping(1);
    for row in ["a", "b"] {
        let job = by_hand(&kafka, place.path(), &input, &["twice", "twice"]);
        let mut job = job.expect("it starts");
        input.push([row.to_owned()]);
        job.tick();
        job.stop().expect("it ends well");
    }
    assert_eq!(committed(&kafka, "twice"), [["a", "a", "b", "b"]]);
    let marks = committed(&kafka, "by-hand-progress").concat();
    let whole =
        |mark: &&String| mark.contains(r#""generation":2"#) && mark.contains(r#""batch":2"#);
    assert!(marks.iter().filter(whole).count() >= 2, "{marks:?}");
}

fn read_by_a_job() {
    let case = Case::new(&address(), "chain", 9, 1_500);
    tidegate(&case.saved()).within(case.place.path()).run().well();
    // The last offsets of the topic are no records.
    let (rows, kafka) = (Memory::new(), case.kafka.clone());
    let sink = rows.clone();
    let config = Config::new("reader").trigger(Trigger::AvailableNow);
    run(config, move |ctx| ctx.source(Kafka::text(&kafka, "chain-out")).sink(sink.clone()))
        .expect("a job that ends well");
    let sorted = |mut rows: Vec<String>| {
        rows.sort();
        rows
    };
    let found = sorted(rows.rows().concat());
    assert!(found == sorted(committed(&case.kafka, "chain-out").concat()), "{}", found.len());
}

fn embedded() {
    let kafka = tidegate::kafka::EmbeddedKafka::start().expect("a broker");
    kafka.create_topic("out", 1).expect("a topic");
    let place = tempfile::tempdir().expect("a directory");
    let input = Queue::keeping(1);
    match by_hand(&kafka.brokers(), place.path(), &input, &["out"]).map(drop) {
        Err(RunError::Sink { batch: None, source, .. }) => {
            assert!(source.to_string().contains("knows no transactions"), "{source}");
        }
        other => panic!("it came to {other:?}"),
    }
}
