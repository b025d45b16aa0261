//! Random input: few keys, so that they meet; values that cancel; batches of any size, none too.

use crate::support::Rng;

/// A key and a value.
pub type Row = (String, i64);

/// What one batch is given.
#[derive(Clone, Debug)]
pub struct Batch {
    pub id: u64,
    pub previous: u64,
    /// The rows of each source partition.
    pub partitions: Vec<Vec<Row>>,
}

impl Batch {
    /// The rows in the order of the stream.
    pub fn rows(&self) -> Vec<Row> {
        self.partitions.concat()
    }

    /// Whether what slides by `slide` batches has an output here: whether a multiple lies behind
    /// the batch before, and not behind this one.
    pub fn has_output(&self, slide: u64) -> bool {
        (self.previous + 1..=self.id).any(|id| id % slide == 0)
    }

    pub fn time_ms(&self) -> i64 {
        self.id as i64 * 1000
    }
}

/// The batches of a run.
#[derive(Clone, Debug)]
pub struct Input {
    pub seed: u64,
    pub batches: Vec<Batch>,
}

const KEYS: [&str; 7] = ["", "a", "b", "c", "tide", "gate", "üñ\n"];

impl Input {
    /// `count` batches of rows in `partitions` partitions; some batches are empty, some ids are
    /// skipped.
    pub fn random(seed: u64, count: usize, partitions: usize) -> Self {
        let mut rng = Rng::new(seed);
        let mut batches = Vec::new();
        let mut previous = 0;
        for _ in 0..count {
            let skipped = if rng.below(4) == 0 { 1 + rng.below(4) } else { 0 };
            let id = previous + 1 + skipped;
            let is_empty = rng.below(5) == 0;
            let partitions = (0..partitions)
                .map(|_| {
                    let rows = if is_empty { 0 } else { rng.below(6) };
                    (0..rows).map(|_| row(&mut rng)).collect()
                })
                .collect();
            batches.push(Batch { id, previous, partitions });
            previous = id;
        }
        Input { seed, batches }
    }

    pub fn partitions(&self) -> usize {
        self.batches.first().map_or(1, |batch| batch.partitions.len())
    }
}

fn row(rng: &mut Rng) -> Row {
    let key = KEYS[rng.below(KEYS.len() as u64) as usize];
    // Zero, both signs, and now and then the ends of the range, where sums wrap.
    let value = match rng.below(40) {
        0 => i64::MAX,
        1 => i64::MIN,
        _ => rng.below(7) as i64 - 3,
    };
    (key.to_owned(), value)
}
