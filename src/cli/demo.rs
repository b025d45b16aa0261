//! The demonstration: an embedded Kafka, a click-stream into it, windowed counts out of it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::HumanCount;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tidegate::kafka::EmbeddedKafka;
use tidegate::source::generator::Click;
use tidegate::source::{Generator, Kafka};
use tidegate::workloads::{PageViews, clickstream};
use tidegate::{Config, Summary, start};

use super::arguments::from_one;
use super::failure::Failure;
use super::progress::{ProgressLine, Terminal};
use super::summary;

/// The demonstration: an embedded Kafka, a click-stream, windowed counts
///
/// Clicks are made up and produced to a Kafka broker in this process; a job of two workers reads
/// them, counts each user's views of each page over five seconds, and shows the most frequent ones
/// twice a second. At the end it is checked that every click was counted once.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// For how long
    #[arg(long = "for", default_value = "15s", value_name = "TIME", value_parser = humantime::parse_duration)]
    run_for: Duration,

    /// Clicks a second
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    rate: u64,

    /// Worker threads
    #[arg(short, long, default_value_t = 2, value_name = "N", value_parser = from_one())]
    workers: usize,

    /// What the clicks are made from
    #[arg(long, default_value_t = 7, value_name = "N")]
    seed: u64,
}

impl Default for Demo {
    fn default() -> Self {
        Demo { run_for: Duration::from_secs(15), rate: 50_000, workers: 2, seed: 7 }
    }
}

const TOPIC: &str = "clicks";
const PARTITIONS: u32 = 16;
const USERS: u64 = 2_000;
const PAGES: u64 = 40;
const INTERVAL: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_secs(5);
const SHOWN: usize = 5;

impl Demo {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let broker = EmbeddedKafka::start()
            .and_then(|broker| broker.create_topic(TOPIC, PARTITIONS).map(|()| broker))
            .map_err(|error| {
                Failure::Other(format!("the embedded Kafka did not start: {error}"))
            })?;
        let brokers = broker.brokers();
        say(
            terminal,
            &format!(
                "An embedded Kafka at {brokers}, {} clicks a second into topic `{TOPIC}`;\n\
             views per user and page over {} s, every {} ms, on {} workers.\n\n",
                HumanCount(self.rate),
                WINDOW.as_secs(),
                INTERVAL.as_millis(),
                self.workers,
            ),
        );

        let counted = Arc::new(AtomicU64::new(0));
        let mut config =
            Config::new("demo").workers(self.workers).interval(INTERVAL).stop_on_signals(true);
        if !terminal.is_quiet() {
            config = config.listener(Arc::new(ProgressLine::new(terminal)));
        }
        let (counter, shown) = (Arc::clone(&counted), terminal.clone());
        let job = start(config, move |ctx| {
            let clicks = ctx.source(Kafka::<Click>::json(&brokers, TOPIC).group("demo"));
            let (counter, shown) = (Arc::clone(&counter), shown.clone());
            clicks.clone().count().foreach_batch(move |_tick, counts: &[i64]| {
                counter.fetch_add(counts.iter().sum::<i64>() as u64, Ordering::SeqCst);
                Ok(())
            });
            clickstream(clicks, WINDOW, INTERVAL).snapshots().foreach_batch(move |tick, views| {
                show(&shown, tick.id, views);
                Ok(())
            });
        })?;

        let over = Arc::new(AtomicBool::new(false));
        let producing = {
            let (demo, brokers, over) = (self.clone(), broker.brokers(), Arc::clone(&over));
            std::thread::spawn(move || demo.produce(&brokers, &over))
        };
        let stopper = job.stopper();
        let waiting = std::thread::spawn(move || {
            let produced = producing.join();
            // What was produced last arrives before the job ends.
            std::thread::sleep(INTERVAL * 2);
            stopper.stop();
            produced
        });
        let outcome = job.join();
        over.store(true, Ordering::SeqCst);
        let produced = match waiting.join() {
            Ok(Ok(Ok(produced))) => produced,
            Ok(Ok(Err(error))) => {
                return Err(Failure::Other(format!("clicks can't be produced: {error}")));
            }
            _ => return Err(Failure::Other("the producer panicked".into())),
        };
        self.conclude(terminal, &outcome?, produced, counted.load(Ordering::SeqCst))
    }

    /// Produces clicks at the rate, until the time is over; gives their number.
    fn produce(&self, brokers: &str, over: &AtomicBool) -> Result<u64, rdkafka::error::KafkaError> {
        let producer: BaseProducer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "1000000")
            .create()?;
        let clicks = Generator::clicks(USERS, PAGES, self.seed);
        let begun = Instant::now();
        let mut produced = 0u64;
        let mut payload = Vec::new();
        while begun.elapsed() < self.run_for && !over.load(Ordering::SeqCst) {
            let due = (begun.elapsed().as_secs_f64() * self.rate as f64) as u64;
            while produced < due {
                payload.clear();
                let click = clicks.record(0, produced);
                serde_json::to_writer(&mut payload, &click).expect("a click is JSON");
                let partition = (produced % u64::from(PARTITIONS)) as i32;
                let record: BaseRecord<'_, (), [u8]> =
                    BaseRecord::to(TOPIC).partition(partition).payload(payload.as_slice());
                if let Err((error, _)) = producer.send(record) {
                    if error.rdkafka_error_code()
                        == Some(rdkafka::error::RDKafkaErrorCode::QueueFull)
                    {
                        producer.poll(Duration::from_millis(5));
                        continue;
                    }
                    return Err(error);
                }
                produced += 1;
            }
            producer.poll(Duration::from_millis(2));
        }
        producer.flush(Duration::from_secs(10))?;
        Ok(produced)
    }

    fn conclude(
        &self,
        terminal: &Terminal,
        outcome: &Summary,
        produced: u64,
        counted: u64,
    ) -> Result<(), Failure> {
        terminal.clear();
        say(terminal, &format!("\n{}", summary::text(outcome, Some(counted))));
        if outcome.rows_in != produced || counted != produced {
            return Err(Failure::Other(format!(
                "{produced} clicks were produced, {} came in, {counted} were counted: on a machine \
                 this busy, try `tidegate demo --rate {}`",
                outcome.rows_in,
                self.rate / 4
            )));
        }
        say(
            terminal,
            &format!("\nEvery one of {} clicks was counted once.\n", HumanCount(produced)),
        );
        Ok(())
    }
}

fn say(terminal: &Terminal, text: &str) {
    // Nobody listens on a closed terminal.
    let _ = terminal.print(text);
}

/// Shows the most frequent views of a window.
fn show(terminal: &Terminal, batch: u64, views: &[PageViews]) {
    let mut top: Vec<&PageViews> = views.iter().collect();
    top.sort_by_key(|(who_and_what, count)| (std::cmp::Reverse(*count), who_and_what));
    let total: i64 = views.iter().map(|(_, count)| count).sum();
    let mut text = format!(
        "batch {batch:>3}   {} views in the window, {} user/page pairs\n",
        HumanCount(total as u64),
        HumanCount(views.len() as u64)
    );
    let most = top.first().map_or(1, |(_, count)| *count).max(1);
    for ((user, page), count) in top.into_iter().take(SHOWN) {
        let bar = "▇".repeat((count * 30 / most) as usize);
        // Writing to a string can't fail.
        let _ = writeln!(text, "    user {user:<5} {page:<10} {count:>7}  {bar}");
    }
    say(terminal, &text);
}
