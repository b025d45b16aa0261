//! The facts as they are written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tidegate::sink::Memory;
use tidegate::{Config, Context, DStream, RunError, Table};

use super::datum::Datum;
use super::driven::Driven;
use super::input::Input;

/// What a job finds when it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A checkpoint of the last batch.
    Checkpoint,
    /// What was planned, nothing else: all of it is run again, for a sink that remembers.
    Plan,
    /// The same, for a sink that has forgotten everything.
    PlanAnew,
}

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
    /// What the job finds when it is started again, if it ever is.
    pub found: Option<Found>,
    /// How often the job has been started.
    pub starts: Arc<AtomicUsize>,
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
                found: None,
                starts: Arc::default(),
            }
        })
        .collect()
}

impl Case {
    /// The same fact, for so many processes; one whose job is started again, for each thing that it
    /// may find then.
    pub fn on(&self, processes: usize) -> Vec<Case> {
        let found: &[Option<Found>] = match self.is_started_again() {
            false => &[None],
            // A policy is fixed by the first checkpoint.
            true if self.has("policy_at_restart") => &[Some(Found::Checkpoint)],
            // A batch that its sink has not kept is run again if it was planned, and not saved.
            true if self.has("batch_times_s") => &[Some(Found::Plan)],
            true => &[Some(Found::Checkpoint), Some(Found::Plan), Some(Found::PlanAnew)],
        };
        let case = |found: &Option<Found>| Case {
            processes,
            found: *found,
            starts: Arc::default(),
            ..self.clone()
        };
        found.iter().map(case).collect()
    }

    /// Whether its job is started again, having been stopped or having failed.
    fn is_started_again(&self) -> bool {
        let params = [
            "restart_after_batches",
            "restart_after",
            "inject",
            "killed_during_batch",
            "trigger",
            "batch_times_s",
        ];
        params.iter().any(|param| self.has(param))
    }

    /// Whether its job is stopped after so many steps, and started again.
    pub fn restarts_after(&self, steps: u64) -> bool {
        match &self.params["restart_after_batches"] {
            Value::Array(all) => all.contains(&steps.into()),
            Value::Number(number) => number.as_u64() == Some(steps),
            _ if self.has("restart_after") => steps == 1,
            // Between any two input batches.
            _ => self.has("trigger") && steps < self.expected.len() as u64,
        }
    }

    /// Starts a job of as many processes as the fact is tried on.
    pub fn start(
        &self,
        config: Config,
        program: impl Fn(Context<'_>) + Send + Sync + 'static,
    ) -> Result<Driven, RunError> {
        Driven::start(self, config, program)
    }

    /// The job is being started.
    pub fn note_start(&self) {
        self.starts.fetch_add(1, Ordering::SeqCst);
    }

    /// How often the job has been started.
    pub fn starts(&self) -> usize {
        self.starts.load(Ordering::SeqCst)
    }

    /// A fact that says to hold on several processes must have run there.
    pub fn check_that_it_has_run(&self) {
        let starts = self.starts();
        assert!(
            starts > 0,
            "its job was not started by `Case::start`, or list it in `runs_no_job`"
        );
        assert!(self.found.is_none() || starts > 1, "its job was not started again");
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

    /// An empty input of the job, by its place.
    pub fn input(&self, place: usize) -> Input {
        let partitions = match (&self.params["left_partitions"], place) {
            (Value::Array(partitions), 0) => {
                partitions.iter().map(|count| count.as_u64().expect("a number") as u32).collect()
            }
            _ => {
                let count = self.number("input_partitions").or(self.number("partitions"));
                vec![count.unwrap_or(1) as u32]
            }
        };
        Input::new(self, partitions)
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
        let (input, output) = (self.input(0), Memory::<Datum>::new());
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
            input.push(next.unwrap_or_default());
            local.tick();
            local.step_over(&output);
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
        let inputs = [0, 1].map(|place| self.input(place));
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
            local.step_over(&output);
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
            let place = (number + 1, self.found);
            assert_eq!(order(output.clone()), order(expected), "output batch {place:?}");
        }
    }
}

fn batches_in(input: &Value) -> Vec<Vec<Datum>> {
    let batches = input.as_array().expect("an input");
    let items = |batch: &Value| batch.as_array().map_or(&[][..], Vec::as_slice).to_vec();
    batches.iter().map(|batch| items(batch).iter().map(Datum::of).collect()).collect()
}
