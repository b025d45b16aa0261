//! `tidegate generate`: records made up, into a sink.

use clap::{Args, ValueEnum};
use tidegate::source::generator::nexmark::NexmarkEvent;
use tidegate::source::generator::{AdActivity, AdEvent, Click};
use tidegate::workloads::{Edge, LabelledPoint, Point};
use tidegate::{Config, Record, Trigger, start};

use super::failure::Failure;
use super::progress::{ProgressLine, Terminal};
use super::sink::{SINKS, SinkUrl};
use super::source::{Input, generator, records_a_second};
use super::{stop, summary};

/// Make records and write them to a sink
///
/// The same seed makes the same records on every machine.
#[derive(Args)]
#[command(after_help = format!("{SINKS}\n
Examples:
  tidegate generate lines --records 100000 --sink kafka://localhost:9092/lines
  tidegate generate clicks --records 1000000 --rate 50000 --sink kafka://localhost:9092/clicks"))]
pub struct Generate {
    /// What to make
    #[arg(value_enum)]
    what: What,

    /// How many records
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    records: u64,

    /// How many a second [default: as many as the sink takes]; the events of both
    /// benchmarks have such times, too
    /// [default: 10000]
    #[arg(long, value_name = "N", value_parser = records_a_second, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// What they are made from
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,

    /// Where they go (see below)
    #[arg(long, value_name = "SINK")]
    sink: SinkUrl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Lines of words
    Lines,
    /// Clicks of users on pages
    Clicks,
    /// Ads that are shown, and clicks at them
    Ads,
    /// What users do with ads: the events of the Yahoo streaming benchmark
    AdActivity,
    /// Events of Nexmark: people, auctions and bids
    Nexmark,
    /// Edges of a random graph, as pairs of nodes
    Edges,
    /// Points of a plane about three centres
    Points,
    /// Points of a plane with a label: x less twice y, with a little noise
    Labelled,
}

impl Generate {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        match self.what {
            What::Lines => self.write::<String>(terminal, String::clone),
            What::Clicks => self.write::<Click>(terminal, json),
            What::Ads => self.write::<AdEvent>(terminal, json),
            What::AdActivity => self.write::<AdActivity>(terminal, json),
            What::Nexmark => self.write::<NexmarkEvent>(terminal, json),
            What::Edges => self.write::<Edge>(terminal, |(from, to)| format!("[{from},{to}]")),
            What::Points => self.write::<Point>(terminal, json),
            What::Labelled => self.write::<LabelledPoint>(terminal, json),
        }
    }

    fn write<D: Input + Record>(
        self,
        terminal: &Terminal,
        line: fn(&D) -> String,
    ) -> Result<(), Failure> {
        if self.sink.is_kept() {
            let why =
                "`generate` adds records, which replace none: leave out the `key` of the sink";
            return Err(Failure::Usage(why.into()));
        }
        let mut config = Config::new("generate").stop_on_signals(true);
        config = match self.rate {
            Some(_) => config.interval(std::time::Duration::from_millis(100)),
            None => config.trigger(Trigger::AvailableNow).records_per_partition_max(50_000),
        };
        if !terminal.is_quiet() {
            config = config.listener(std::sync::Arc::new(ProgressLine::new(terminal)));
        }
        let shown = terminal.clone();
        let job = start(config, move |ctx| {
            let made = generator::<D>(Some(self.records), self.rate, self.seed, 1);
            // Kafka gets what the console and files show: a line of text for each record.
            let lines = ctx.source(made).map(move |record| line(&record));
            match &self.sink {
                SinkUrl::Kafka(url) => {
                    lines.sink(url.sink(tidegate::sink::KafkaSink::text));
                }
                sink => sink.write(lines, &shown, false, String::clone),
            }
        })?;
        let outcome = stop::join_within(job, None)?;
        if !terminal.is_quiet() {
            terminal.clear();
            eprint!("{}", summary::text(&outcome, None));
        }
        Ok(())
    }
}

fn json<D: Record>(record: &D) -> String {
    serde_json::to_string(record).unwrap_or_else(|error| error.to_string())
}
