//! A click-stream: who looked at which page.

use serde::{Deserialize, Serialize};

use super::{Generator, Zipf};

/// Somebody looked at a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Click {
    /// Who.
    pub user: u64,
    /// Which page.
    pub page: String,
    /// When: milliseconds since the stream began.
    pub time_ms: i64,
}

/// Clicks come every so many microseconds of their own time.
const CLICK_EVERY_MICROS: u64 = 10;

impl Generator<Click> {
    /// Clicks of `users` users on `pages` pages, some users and pages far more busy than others.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// let clicks = Generator::clicks(1000, 50, 7);
    /// let click = clicks.record(0, 12);
    /// assert!(click.user < 1000 && click.page.starts_with("/page/"));
    /// assert_eq!(click, Generator::clicks(1000, 50, 7).record(0, 12));
    /// ```
    pub fn clicks(users: u64, pages: u64, seed: u64) -> Self {
        let (by_user, by_page) = (Zipf::new(users, 0.8), Zipf::new(pages, 1.0));
        Generator::new("clicks", seed, move |random, offset| Click {
            user: by_user.sample(random),
            page: format!("/page/{}", by_page.sample(random)),
            time_ms: (offset * CLICK_EVERY_MICROS / 1000) as i64,
        })
    }
}
