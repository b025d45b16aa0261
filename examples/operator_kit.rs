//! cargo run --example operator_kit
//!
//! Three operators on tables, and what checks them for free: keys that are there often, the median
//! of each key, and the distance between a key's extremes. The last one has a bug planted in it; the
//! check finds it, and shows the smallest history in which it bites.

use std::collections::BTreeMap;

use tidegate_operators::batched::{
    Batch, BatchOperator, Differences, Output, Route, StateSize, Tap,
};
use tidegate_operators::check::Check;
use tidegate_operators::index::{Index, Rule};
use tidegate_operators::{Chunks, Diff};

/// A key's values, and how often each is there.
type Values = BTreeMap<i64, i64>;

/// What a table shows of each key's values.
#[derive(Clone, Copy)]
enum Shows {
    /// The number of values, where there are at least three.
    Often,
    Median,
    Distance,
    /// The same; but a value of which one is left is taken for gone.
    DistanceWithABug,
}

impl Rule for Shows {
    type State = Values;
    type Change = (i64, Diff);
    type View = i64;

    fn first(&self, change: (i64, Diff)) -> Values {
        let mut values = Values::new();
        self.apply(&mut values, change);
        values
    }

    fn apply(&self, values: &mut Values, (value, diff): (i64, Diff)) {
        let times = values.entry(value).or_default();
        *times += diff as i64;
        let gone = match self {
            Shows::DistanceWithABug => *times == 0 || (*times == 1 && diff < 0),
            _ => *times == 0,
        };
        if gone {
            values.remove(&value);
        }
    }

    fn view(&self, values: &Values) -> Option<i64> {
        let count: i64 = values.values().sum();
        match self {
            Shows::Often => (count >= 3).then_some(count),
            Shows::Median => {
                let mut each = values.iter().flat_map(|(value, times)| {
                    std::iter::repeat_n(*value, usize::try_from(*times).unwrap_or(0))
                });
                each.nth(usize::try_from(count / 2).unwrap_or(0))
            }
            Shows::Distance | Shows::DistanceWithABug => {
                Some(values.last_key_value()?.0 - values.first_key_value()?.0)
            }
        }
    }

    fn is_absent(&self, values: &Values) -> bool {
        values.is_empty()
    }
}

/// The operator: 40 lines, since the index keeps the state and knows what has changed.
struct PerKey(Index<u64, Shows>);

impl BatchOperator<u64> for PerKey {
    type Input = Chunks<((u64, i64), Diff)>;
    type Output = Vec<((u64, i64), u64, Diff)>;
    /// A difference, as it came in.
    type Saved = (u64, (i64, Diff));

    fn close(
        &mut self,
        batch: Batch<u64>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let rows = input.into_iter().flat_map(Chunks::into_rows);
        let changes = rows.map(|((key, value), diff)| (key, (value, diff)));
        let changes = changes.inspect(|change| tap.record(|| *change));
        let mut differences = Differences::new(output, batch.time);
        self.0.apply(changes, |changed| {
            differences.replace(changed.key, changed.before, changed.after);
        });
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.0.apply(saved, |_| {});
    }

    fn contents(&mut self, batch: Batch<u64>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        self.0.views().for_each(|(key, view)| differences.push((*key, view), 1));
    }

    fn size(&self) -> StateSize {
        self.0.size()
    }
}

fn main() {
    let rows = Check::new(|random| (random.below(4), random.below(6) as i64), |(key, _)| key);
    for (name, shows) in [
        ("often", Shows::Often),
        ("median", Shows::Median),
        ("distance", Shows::Distance),
        ("distance, with a bug", Shows::DistanceWithABug),
    ] {
        match rows.run(move || PerKey(Index::new(shows))) {
            Ok(()) => println!("{name}: keeps all promises"),
            Err(violation) => println!("{name}: {violation}"),
        }
    }
}
