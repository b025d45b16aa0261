//! cargo run --example session_alerts -- examples/data/visits.jsonl
//!
//! Says which visitors of a shop have gone and left something in their carts: nothing has come from
//! them for ten minutes, by the times of their actions. Reads a file of JSON lines, in batches of
//! 20, nearly in order of time: `{"time_ms": ..., "user": ..., "action": ..., "item": ...}`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate::source::File;
use tidegate::{
    Config, EventStream, MapState, Process, StateStream, Timer, Trigger, Turn, ValueState,
    key_state,
};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Action {
    time_ms: i64,
    user: String,
    action: String,
    #[serde(default)]
    item: String,
}

/// What is known of a visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Session {
    cart: MapState<String, u32>,
    /// When something came last.
    last_ms: ValueState<i64>,
}
key_state!(Session: cart, last_ms);

/// A visitor, when something came last, and what is left.
type Alert = (String, i64, Vec<String>);

#[derive(Clone)]
struct Abandoned {
    silence_ms: i64,
}

impl Abandoned {
    /// The visitor has gone.
    fn end(user: &str, session: &mut Session, turn: &mut Turn<'_, Alert>) {
        let left: Vec<String> = session.cart.iter().map(|(item, _)| item.clone()).collect();
        if let Some(last_ms) = session.last_ms.get().filter(|_| !left.is_empty()) {
            turn.emit((user.to_owned(), *last_ms, left));
        }
        session.cart.clear();
        session.last_ms.clear();
    }
}

impl Process<String, (i64, Action)> for Abandoned {
    type State = Session;
    type Emitted = Alert;

    // Whatever becomes of event times, nothing is kept of a visitor for longer than a day.
    fn state(&self) -> Session {
        let day = Duration::from_secs(24 * 3600);
        Session { cart: MapState::new().ttl(day), last_ms: ValueState::new().ttl(day) }
    }

    fn on_rows(
        &mut self,
        user: &String,
        mut actions: Vec<(i64, Action)>,
        session: &mut Session,
        turn: &mut Turn<'_, Alert>,
    ) {
        turn.timers().to_vec().into_iter().for_each(|timer| turn.delete_timer(timer));
        actions.sort();
        for (time_ms, action) in actions {
            // A batch may be longer than the silence before it.
            let last_ms = session.last_ms.get().copied().unwrap_or(time_ms);
            if time_ms > last_ms + self.silence_ms {
                Self::end(user, session, turn);
            }
            session.last_ms.update(time_ms.max(last_ms));
            match &*action.action {
                "add" => {
                    session.cart.insert(action.item, 1);
                }
                "remove" => {
                    session.cart.remove(&action.item);
                }
                "buy" => session.cart.clear(),
                _ => {}
            }
        }
        if let Some(last_ms) = session.last_ms.get() {
            turn.set_timer(Timer::EventTime(last_ms + self.silence_ms));
        }
    }

    fn on_timer(
        &mut self,
        user: &String,
        _timer: Timer,
        session: &mut Session,
        turn: &mut Turn<'_, Alert>,
    ) {
        Self::end(user, session, turn);
    }
}

fn abandoned<'s>(
    actions: EventStream<'s, Action>,
    silence: Duration,
) -> StateStream<'s, String, Session, Alert> {
    let process = Abandoned { silence_ms: silence.as_millis() as i64 };
    actions.key_by(|action| action.user.clone()).uid("sessions").process_by_key(process)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: session_alerts FILE")?;
    let config = Config::new("session alerts")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(20);
    let summary = tidegate::run(config, move |ctx| {
        let actions = ctx.source(File::decoded(&path, |line| {
            serde_json::from_slice::<Action>(line).map_err(|error| error.to_string())
        }));
        let actions = actions.with_watermark(|action| action.time_ms, 60_000);
        let alerts = abandoned(actions, Duration::from_secs(600));
        alerts.emitted().foreach_batch(|tick, alerts| {
            for (user, last_ms, left) in alerts {
                let (minutes, seconds) = (last_ms / 60_000 % 60, last_ms / 1_000 % 60);
                let hours = last_ms / 3_600_000 % 24;
                let at = format!("{hours:02}:{minutes:02}:{seconds:02}");
                println!("batch {}: {user} left {} at {at}", tick.id, left.join(", "));
            }
            Ok(())
        });
    })?;
    println!("{} actions in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
