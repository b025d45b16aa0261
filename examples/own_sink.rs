//! cargo run --example own_sink
//!
//! A sink of one's own: gauges for Prometheus, in a file that its node exporter reads ("textfile
//! collector"), replaced as a whole at each batch. The job sums up the traded shares of each stock.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use tidegate::error::SinkError;
use tidegate::sink::{Sink, Writer};
use tidegate::source::Generator;
use tidegate::{Config, Sum, Tick, Trigger};

/// A label's value and the gauge's.
type Gauge = (String, i64);

/// Writes a table of gauges as `name{label="..."} value`.
#[derive(Clone)]
struct PrometheusFile {
    path: PathBuf,
    name: &'static str,
    label: &'static str,
}

impl PrometheusFile {
    fn unfinished(&self) -> PathBuf {
        self.path.with_extension("prom.tmp")
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> SinkError {
        let path = self.path.clone();
        move |source| SinkError::File { path: path.clone(), source }
    }
}

impl Sink<Gauge> for PrometheusFile {
    fn name(&self) -> String {
        format!("prometheus:{}", self.path.display())
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<Gauge>>, SinkError> {
        // What can fail, fails here: before the job begins.
        File::create(self.unfinished()).map_err(self.failed())?;
        Ok(Box::new(self.clone()))
    }
}

impl Writer<Gauge> for PrometheusFile {
    fn write(&mut self, tick: &Tick, rows: &[Gauge]) -> Result<(), SinkError> {
        let mut text = format!("# batch {}\n# TYPE {} gauge\n", tick.id, self.name);
        for (label, value) in rows {
            text += &format!("{}{{{}={label:?}}} {value}\n", self.name, self.label);
        }
        let written = File::create(self.unfinished())
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()));
        written.map_err(self.failed())
    }

    /// Whoever reads the file sees this batch or the one before, never a part of one.
    fn commit(&mut self, _tick: &Tick) -> Result<(), SinkError> {
        fs::rename(self.unfinished(), &self.path).map_err(self.failed())
    }

    fn abort(&mut self) {
        // The file of the last batch stays as it is.
        let _ = fs::remove_file(self.unfinished());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("tidegate-shares-{}.prom", std::process::id()));
    let sink = PrometheusFile { path: path.clone(), name: "shares_traded", label: "symbol" };
    let config = Config::new("own sink").spread_from_env(2)?.trigger(Trigger::AvailableNow);
    tidegate::run(config.records_per_partition_max(1_000), move |ctx| {
        let trades = ctx.source(Generator::stocks(5, 7).records(10_000));
        let shares = trades.map(|trade| (trade.symbol, trade.shares));
        shares.running().aggregate_by_key(Sum).snapshots().sink(sink.clone());
    })?;
    print!("{}", fs::read_to_string(&path)?);
    fs::remove_file(&path)?;
    Ok(())
}
