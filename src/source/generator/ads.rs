//! Ads that are shown, and clicks on them.

use serde::{Deserialize, Serialize};

use super::{Generator, Zipf};

/// An ad was shown, or clicked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AdEvent {
    /// Somebody was shown an ad.
    Impression {
        /// The number of the impression.
        impression: u64,
        /// Which ad.
        ad: u64,
    },
    /// Somebody clicked at what was shown.
    Click {
        /// Which impression.
        impression: u64,
    },
}

/// One in so many events is a click, at an impression that is at most so many events old.
const CLICK_EVERY: u64 = 5;
const CLICK_WITHIN: u64 = 200;

impl Generator<AdEvent> {
    /// Impressions of `ads` ads, some shown far more often than others, and clicks at them. A few
    /// clicks are at no impression at all.
    ///
    /// ```
    /// use tidegate::source::Generator;
    /// use tidegate::source::generator::AdEvent;
    ///
    /// let events = Generator::ads(50, 7);
    /// let events: Vec<AdEvent> = (0..1000).map(|n| events.record(0, n)).collect();
    /// let is_click = |event: &&AdEvent| matches!(event, AdEvent::Click { .. });
    /// assert!((150..250).contains(&events.iter().filter(is_click).count()));
    /// ```
    pub fn ads(ads: u64, seed: u64) -> Self {
        let by_ad = Zipf::new(ads, 1.0);
        Generator::dealt("ads", seed, move |random, number| {
            if random.below(CLICK_EVERY) == 0 {
                let back = 1 + random.below(CLICK_WITHIN);
                AdEvent::Click { impression: number.saturating_sub(back) }
            } else {
                AdEvent::Impression { impression: number, ad: by_ad.sample(random) }
            }
        })
    }
}
