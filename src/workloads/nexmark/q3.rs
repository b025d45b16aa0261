//! q3: who sells in some states.

use serde::{Deserialize, Serialize};

use super::kinds::{auctions, people};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Table};

/// Somebody of those states, and what is for sale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LocalSale {
    /// Who sells.
    pub name: String,
    /// Where.
    pub city: String,
    /// The state of the city.
    pub state: String,
    /// Which auction.
    pub auction: u64,
}

/// Who sells things of category 10 in Oregon, Idaho and California, and in which auctions.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q3;
///
/// let sales = nexmark(5_000, |events| q3(events).snapshots());
/// let last = sales.last().expect("a batch");
/// assert!(!last.is_empty() && last.iter().all(|sale| ["OR", "ID", "CA"].contains(&&*sale.state)));
/// ```
pub fn q3(events: DStream<'_, NexmarkEvent>) -> Table<'_, LocalSale> {
    let sales = auctions(events.clone())
        .filter(|auction| auction.category == 10)
        .map(|auction| (auction.seller, auction.id));
    let people = people(events)
        .filter(|person| ["OR", "ID", "CA"].contains(&&*person.state))
        .map(|person| (person.id, (person.name, person.city, person.state)));
    let pairs = sales.uid("sales").running().table().join(people.uid("people").running().table());
    pairs.map(|(_, (auction, (name, city, state)))| LocalSale { name, city, state, auction })
}
