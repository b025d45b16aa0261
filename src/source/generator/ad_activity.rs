//! What users see and do with ads, and whose ads they are: the records of the Yahoo streaming benchmark.

use serde::{Deserialize, Serialize};
use tidegate_operators::stable_hash;

use super::{Generator, Random};

/// What a user saw of an ad, or did with it: an event of the Yahoo streaming benchmark (S. Chintapalli
/// et al., 2016), in its JSON.
///
/// ```
/// use tidegate::source::generator::{AdActivity, AdEventType};
///
/// let event = r#"{"user_id": "u", "page_id": "p", "ad_id": "a", "ad_type": "sponsored-search",
///     "event_type": "view", "event_time": "1480000000123", "ip_address": "1.2.3.4"}"#;
/// let event: AdActivity = serde_json::from_str(event)?;
/// assert_eq!((event.event_type, event.event_time), (AdEventType::View, 1_480_000_000_123));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AdActivity {
    /// Who.
    pub user_id: String,
    /// On which page.
    pub page_id: String,
    /// Which ad.
    pub ad_id: String,
    /// What kind of ad.
    pub ad_type: AdType,
    /// What happened.
    pub event_type: AdEventType,
    /// When, in milliseconds: written as text, as the benchmark has it.
    #[serde(with = "text")]
    pub event_time: i64,
    /// From where.
    pub ip_address: String,
}

/// Kinds of ads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum AdType {
    Banner,
    Modal,
    SponsoredSearch,
    Mail,
    Mobile,
}

/// What happens with ads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum AdEventType {
    View,
    Click,
    Purchase,
}

/// The same in all formats, so that what is saved can be read by its schema.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        time_ms: &i64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time_ms)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("`{text}` are no milliseconds")))
    }
}

const CAMPAIGNS: u64 = 100;
const ADS_OF_CAMPAIGN: u64 = 10;
const USERS: u64 = 100;
const PAGES: u64 = 100;

const AD_TYPES: [AdType; 5] =
    [AdType::Banner, AdType::Modal, AdType::SponsoredSearch, AdType::Mail, AdType::Mobile];
const EVENT_TYPES: [AdEventType; 3] =
    [AdEventType::View, AdEventType::Click, AdEventType::Purchase];

/// The name of the nth thing of a kind: a UUID, the same on every machine.
fn name(kind: &str, number: u64) -> String {
    let (high, low) = (stable_hash(&(kind, number)), stable_hash(&(number, kind)));
    let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xf << 76 | 0b11 << 62);
    // Version 4, variant 1, as of random numbers.
    let digits = format!("{:032x}", bits | 4 << 76 | 0b10 << 62);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

/// Each ad of the generator, with its campaign: ten for each of a hundred.
///
/// ```
/// use tidegate::source::generator::ad_campaigns;
///
/// let ads: Vec<(String, String)> = ad_campaigns().collect();
/// assert_eq!((ads.len(), ads[0].1 == ads[9].1, ads[0].1 == ads[10].1), (1_000, true, false));
/// assert_eq!((ads[0].0.len(), ads[0].0.as_bytes()[14]), (36, b'4'));
/// ```
pub fn ad_campaigns() -> impl Iterator<Item = (String, String)> {
    let campaign = |ad| name("campaign", ad / ADS_OF_CAMPAIGN);
    (0..CAMPAIGNS * ADS_OF_CAMPAIGN).map(move |ad| (name("ad", ad), campaign(ad)))
}

impl Generator<AdActivity> {
    /// What users do with the ads of [`ad_campaigns`], `per_second` times a second of their own time:
    /// everything equally often, as the benchmark has it.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// let events = Generator::ad_activity(1_000, 7);
    /// assert_eq!(events.record(0, 2_500).event_time, 2_500);
    /// assert_eq!(events.record(0, 12), Generator::ad_activity(1_000, 7).record(0, 12));
    /// ```
    pub fn ad_activity(per_second: u64, seed: u64) -> Self {
        let ads: Vec<String> = ad_campaigns().map(|(ad, _)| ad).collect();
        let named = |kind: &str, count| (0..count).map(|n| name(kind, n)).collect::<Vec<String>>();
        let (users, pages) = (named("user", USERS), named("page", PAGES));
        let per_second = i128::from(per_second.max(1));
        Generator::dealt("ad-activity", seed, move |random, number| AdActivity {
            user_id: one_of(random, &users).clone(),
            page_id: one_of(random, &pages).clone(),
            ad_id: one_of(random, &ads).clone(),
            ad_type: *one_of(random, &AD_TYPES),
            event_type: *one_of(random, &EVENT_TYPES),
            event_time: (i128::from(number) * 1000 / per_second) as i64,
            ip_address: "1.2.3.4".into(),
        })
    }
}

fn one_of<'a, X>(random: &mut Random, all: &'a [X]) -> &'a X {
    &all[random.below(all.len() as u64) as usize]
}
