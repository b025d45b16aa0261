//! cargo run --example custom_operator
//!
//! An operator of one's own in a job: it remembers the highest price of each stock, and raises an
//! alarm when the price has fallen a tenth below it; the next one comes after a new high only.

use std::collections::HashMap;

use tidegate::operators::batched::{Batch, BatchOperator, Output, Route, StateSize, Tap};
use tidegate::operators::{Chunks, order};
use tidegate::source::Generator;
use tidegate::{BatchId, Config, Trigger};

/// The highest price of each symbol, and whether the alarm is still to be raised.
#[derive(Default)]
struct Drawdown(HashMap<String, (i64, bool)>);

impl BatchOperator<BatchId> for Drawdown {
    type Input = Chunks<(String, i64)>;
    type Output = Chunks<(String, i64, i64)>;
    type Saved = (String, (i64, bool));

    fn close(
        &mut self,
        _batch: Batch<BatchId>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let mut alarms = Vec::new();
        for (symbol, price) in order::in_stream_order(input) {
            let state = self.0.entry(symbol.clone()).or_insert((price, true));
            if price > state.0 {
                *state = (price, true);
            } else if state.1 && price < state.0 - state.0 / 10 {
                alarms.push((symbol.clone(), state.0, price));
                state.1 = false;
            } else {
                continue;
            }
            tap.record(|| (symbol, *state));
        }
        output.give(Chunks::loose(alarms));
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.0.extend(saved);
    }

    fn size(&self) -> StateSize {
        let slots = (self.0.capacity() * size_of::<(String, (i64, bool))>()) as u64;
        StateSize { keys: self.0.len() as u64, bytes: slots, updated: 0 }
    }
}

fn main() -> Result<(), tidegate::RunError> {
    let config = Config::new("alarms").spread_from_env(2)?.trigger(Trigger::AvailableNow);
    tidegate::run(config.records_per_partition_max(5_000), |ctx| {
        let trades = ctx.source(Generator::stocks(8, 7).records(20_000));
        let prices = trades.map(|trade| (trade.symbol, trade.price_cents));
        let alarms = prices.operator("drawdown", |(symbol, _)| symbol, Drawdown::default());
        alarms.print();
    })?;
    Ok(())
}
