//! Against real databases: PostgreSQL, MariaDB and SQLite hold what a plain computation gives, each
//! batch once, whatever ends the job, the server or the connection.
//!
//! Catches rows that are lost, doubled or changed on the way, commits without an answer, starts that
//! were taken for dead, and tables that don't fit but are written all the same. Can't catch what a
//! replica forgets that is promoted, what MySQL does otherwise than MariaDB, and a database that says
//! it has synced and has not.

mod ad_analytics;
mod contents;
mod kills;
mod lane;
mod once;
mod outage;
mod proxy;
mod refusals;

use libtest_mimic::Trial;

use crate::support::{skipped, test};

pub use lane::stop;

pub fn trials() -> Vec<Trial> {
    let tests =
        [contents::TESTS, once::TESTS, outage::TESTS, refusals::TESTS, kills::TESTS].concat();
    let mut trials = Vec::new();
    for kind in lane::Kind::ALL {
        let missing = kind.missing();
        for (name, on, body) in &tests {
            if on.contains(&kind) {
                let (module, body) = (format!("sql::{}", kind.name()), *body);
                trials.push(match &missing {
                    None => test(&module, name, move || body(kind)),
                    Some(why) => skipped(&module, name, why),
                });
            }
        }
    }
    trials.extend(ad_analytics::trials());
    trials
}
