//! What listeners hear.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tidegate::metrics::{BatchRecord, BatchStart, Listener};
use tidegate::sink::Null;
use tidegate::source::Queue;

use super::Program;
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let program: Program = match &*case.op {
        "listener" => listener,
        _ => return None,
    };
    Some(Ok(program))
}

/// Hears everything.
#[derive(Default)]
pub struct Heard {
    submitted: Mutex<Vec<BatchStart>>,
    started: Mutex<Vec<BatchStart>>,
    completed: Mutex<Vec<BatchRecord>>,
}

impl Listener for Heard {
    fn batch_submitted(&self, batch: &BatchStart) {
        self.submitted.lock().unwrap().push(batch.clone());
    }

    fn batch_started(&self, batch: &BatchStart) {
        self.started.lock().unwrap().push(batch.clone());
    }

    fn batch_completed(&self, record: &BatchRecord) {
        self.completed.lock().unwrap().push(record.clone());
    }
}

impl Heard {
    /// How many records were in the batches submitted, started and completed.
    pub fn records(&self) -> [u64; 3] {
        let of = |batches: &Mutex<Vec<BatchStart>>| {
            let batches = batches.lock().unwrap();
            batches.iter().flat_map(|batch| &batch.sources).map(|source| source.rows).sum()
        };
        let completed = self.completed.lock().unwrap().iter().map(BatchRecord::rows_in).sum();
        [of(&self.submitted), of(&self.started), completed]
    }
}

/// Hears which batches are through.
struct Through(Mutex<Sender<BatchRecord>>);

impl Listener for Through {
    fn batch_completed(&self, record: &BatchRecord) {
        // Whoever listened may have heard enough.
        let _ = self.0.lock().unwrap().send(record.clone());
    }
}

/// A listener, and the batches that it has heard to be through.
pub fn through() -> (Arc<dyn Listener>, Receiver<BatchRecord>) {
    let (sender, through) = channel();
    (Arc::new(Through(Mutex::new(sender))), through)
}

fn listener(case: &Case, workers: usize) {
    let heard = Arc::new(Heard::default());
    let input = Queue::<Datum>::new(1);
    let source = input.clone();
    let config = case.config(workers).listener(Arc::clone(&heard) as Arc<dyn Listener>);
    let mut local = case
        .start(config, move |ctx| {
            ctx.source(source.clone()).sink(Null::default());
        })
        .expect("the program can run");
    let batches = case.batches();
    for batch in batches.clone() {
        input.push(batch);
        local.tick();
    }
    local.stop().expect("the job ends well");
    for expected in &case.expected {
        let count = expected["count"].as_u64().expect("a count") as usize;
        let records: Vec<u64> = match expected["event"].as_str() {
            Some("submitted") => {
                heard.submitted.lock().unwrap().iter().map(|b| b.sources[0].rows).collect()
            }
            Some("started") => {
                let started = heard.started.lock().unwrap();
                assert!(started.iter().all(|batch| batch.scheduling_delay_ms >= 0.0));
                started.iter().map(|batch| batch.sources[0].rows).collect()
            }
            Some("completed") => {
                let completed = heard.completed.lock().unwrap();
                assert!(completed.iter().all(|batch| {
                    batch.scheduling_delay_ms >= 0.0
                        && batch.processing_ms >= 0.0
                        && batch.total_ms >= batch.processing_ms
                }));
                assert!(completed.is_sorted_by_key(|batch| batch.batch));
                completed.iter().map(BatchRecord::rows_in).collect()
            }
            other => panic!("an event that nobody knows: {other:?}"),
        };
        assert_eq!(records, vec![expected["records_each"].as_u64().expect("records"); count]);
    }
}
