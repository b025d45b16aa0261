//! The facts as they are written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tidegate::sink::Memory;
use tidegate::source::Queue;
use tidegate::{Config, Context, DStream, RunError, Table};

use super::datum::Datum;
use super::driven::Driven;

/// One fact.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub op: String,
    pub params: Value,
    pub input: Value,
    pub expected: Vec<Value>,
    /// How many processes its job runs on.
    pub processes: usize,
    /// Whether a job has run on that many.
    pub has_run: Arc<AtomicBool>,
}

pub fn all() -> Vec<Case> {
    let text = include_str!("cases.jsonl");
    text.lines()
        .map(|line| {
            let fact: Value = serde_json::from_str(line).expect("a fact is a JSON object");
            let text = |key: &str| fact[key].as_str().expect("facts have names").to_owned();
            Case {
                name: text("name"),
                op: text("op"),
                params: fact["params"].clone(),
                input: fact["input_batches"].clone(),
                expected: fact["expected_batches"].as_array().cloned().unwrap_or_default(),
                processes: 1,
                has_run: Arc::default(),
            }
        })
        .collect()
}

impl Case {
    /// The same fact, for so many processes.
    pub fn on(&self, processes: usize) -> Case {
        Case { processes, has_run: Arc::default(), ..self.clone() }
    }

    /// Starts a job of as many processes as the fact is tried on, with a clock that is moved by
    /// hand.
    pub fn start(
        &self,
        config: Config,
        program: impl Fn(Context<'_>) + Send + Sync + 'static,
    ) -> Result<Driven, RunError> {
        self.has_run.store(true, Ordering::SeqCst);
        Driven::start(self.processes, config, program)
    }

    /// A fact that says to hold on several processes must have run there.
    pub fn check_that_it_has_run(&self) {
        let has_run = self.has_run.load(Ordering::SeqCst);
        assert!(has_run, "its job was not started by `Case::start`, or list it in `runs_no_job`");
    }

    pub fn text(&self, param: &str) -> Option<&str> {
        self.params[param].as_str()
    }

    pub fn number(&self, param: &str) -> Option<u64> {
        self.params[param].as_u64()
    }

    pub fn has(&self, param: &str) -> bool {
        !self.params[param].is_null()
    }

    /// The batches of the only input; one that is missing is an empty one.
    pub fn batches(&self) -> Vec<Vec<Datum>> {
        batches_in(&self.input)
    }

    /// The batches of one of several inputs.
    pub fn batches_of(&self, input: &str) -> Vec<Vec<Datum>> {
        batches_in(&self.input[input])
    }

    /// A window's length and slide, in batches.
    pub fn window(&self) -> (u64, u64) {
        let batch = self.number("batch_ms").expect("a batch length");
        let span = |param| self.number(param).expect("a window") / batch;
        (span("window_ms"), span("slide_ms"))
    }

    /// Runs `program` over the batches of the only input, and compares each output batch.
    pub fn holds(
        &self,
        workers: usize,
        program: impl for<'s> Fn(DStream<'s, Datum>) -> DStream<'s, Datum> + Send + Sync + 'static,
    ) {
        let outputs = self.run(workers, program);
        self.compare(&outputs);
    }

    /// The same for a program whose result is a table, in update mode: what came in each batch.
    pub fn holds_updates(
        &self,
        workers: usize,
        program: impl for<'s> Fn(DStream<'s, Datum>) -> Table<'s, Datum> + Send + Sync + 'static,
    ) {
        let outputs = self.run(workers, move |input| {
            program(input).changes().filter(|change| change.diff > 0).map(|change| change.row)
        });
        self.compare(&outputs);
    }

    /// The output batches of a program: as many as are expected, or as there is input for.
    pub fn run(
        &self,
        workers: usize,
        program: impl for<'s> Fn(DStream<'s, Datum>) -> DStream<'s, Datum> + Send + Sync + 'static,
    ) -> Vec<Vec<Datum>> {
        let partitions = self.number("input_partitions").unwrap_or(1) as u32;
        let (input, output) = (Queue::<Datum>::new(partitions), Memory::<Datum>::new());
        let (source, sink) = (input.clone(), output.clone());
        let mut local = self
            .start(self.config(workers), move |ctx: Context<'_>| {
                program(ctx.source(source.clone())).sink(sink.clone());
            })
            .expect("the program can run");
        let mut batches = self.batches().into_iter();
        loop {
            let next = batches.next();
            if next.is_none() && output.batches().len() >= self.expected.len() {
                break;
            }
            push(&input, partitions, next.unwrap_or_default());
            local.tick();
        }
        local.stop().expect("the job ends well");
        output.rows()
    }

    /// Runs `program` over the batches of the inputs `left` and `right`, and compares each output
    /// batch.
    pub fn holds_of_two(
        &self,
        workers: usize,
        program: impl for<'s> Fn(DStream<'s, Datum>, DStream<'s, Datum>) -> DStream<'s, Datum>
        + Send
        + Sync
        + 'static,
    ) {
        let inputs = [Queue::<Datum>::new(1), Queue::<Datum>::new(1)];
        let (sources, output) = (inputs.clone(), Memory::<Datum>::new());
        let sink = output.clone();
        let mut local = self
            .start(self.config(workers), move |ctx: Context<'_>| {
                let [left, right] = sources.clone().map(|source| ctx.source(source));
                program(left, right).sink(sink.clone());
            })
            .expect("the program can run");
        for (left, right) in self.batches_of("left").into_iter().zip(self.batches_of("right")) {
            inputs[0].push(left);
            inputs[1].push(right);
            local.tick();
        }
        local.stop().expect("the job ends well");
        self.compare(&output.rows());
    }

    pub fn config(&self, workers: usize) -> Config {
        let interval = self.number("batch_ms").unwrap_or(1000);
        Config::new("fact").workers(workers).interval(std::time::Duration::from_millis(interval))
    }

    pub fn compare(&self, outputs: &[Vec<Datum>]) {
        let sorted = self.text("compare") == Some("set");
        assert_eq!(outputs.len(), self.expected.len(), "output batches: {outputs:?}");
        for (number, (output, expected)) in outputs.iter().zip(&self.expected).enumerate() {
            let expected: Vec<Datum> =
                expected.as_array().expect("a batch").iter().map(Datum::of).collect();
            let order = |mut rows: Vec<Datum>| {
                if sorted {
                    rows.sort();
                }
                rows
            };
            assert_eq!(order(output.clone()), order(expected), "output batch {}", number + 1);
        }
    }
}

fn batches_in(input: &Value) -> Vec<Vec<Datum>> {
    let batches = input.as_array().expect("an input");
    let items = |batch: &Value| batch.as_array().map_or(&[][..], Vec::as_slice).to_vec();
    batches.iter().map(|batch| items(batch).iter().map(Datum::of).collect()).collect()
}

/// Deals a batch to the partitions in contiguous parts, as Spark's `parallelize` does.
pub fn push(queue: &Queue<Datum>, partitions: u32, batch: Vec<Datum>) {
    let total = batch.len();
    let mut rows = batch.into_iter();
    for partition in 0..partitions as usize {
        let end = |part: usize| part * total / partitions as usize;
        let part = end(partition + 1) - end(partition);
        queue.push_to(partition as u32, rows.by_ref().take(part));
    }
}
