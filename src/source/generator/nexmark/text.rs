//! Names, prices and filling.

use super::super::Random;

const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

/// So many channels are not hot.
const CHANNELS: u64 = 10_000;

fn one_of(random: &mut Random, words: &[&'static str]) -> &'static str {
    words[random.below(words.len() as u64) as usize]
}

fn letter(random: &mut Random) -> char {
    (b'a' + random.below(26) as u8) as char
}

/// From three to fewer than `limit` letters, one in 13 of which is `special`.
fn word(random: &mut Random, limit: u64, special: char) -> String {
    let length = 3 + random.below(limit - 3);
    let letters = (0..length).map(|_| if random.below(13) == 0 { special } else { letter(random) });
    letters.collect()
}

/// Words of letters.
pub(super) fn words(random: &mut Random, limit: u64) -> String {
    word(random, limit, ' ').trim().to_owned()
}

pub(super) fn name(random: &mut Random) -> String {
    format!("{} {}", one_of(random, &FIRST_NAMES), one_of(random, &LAST_NAMES))
}

pub(super) fn email(random: &mut Random) -> String {
    format!("{}@{}.com", words(random, 7), words(random, 5))
}

pub(super) fn credit_card(random: &mut Random) -> String {
    let groups: Vec<String> = (0..4).map(|_| format!("{:04}", random.below(10_000))).collect();
    groups.join(" ")
}

pub(super) fn city(random: &mut Random) -> String {
    one_of(random, &CITIES).to_owned()
}

pub(super) fn state(random: &mut Random) -> String {
    one_of(random, &STATES).to_owned()
}

/// A price in cents, from one dollar to a million: as likely to have one digit more as one fewer.
pub(super) fn price(random: &mut Random) -> i64 {
    // The power is computed in software, and is the same on every machine.
    (libm::pow(10.0, random.unit() * 6.0) * 100.0).round() as i64
}

/// Through whom a bidder came, and from which page: half the time a hot channel. A channel has one
/// page for good.
pub(super) fn channel(random: &mut Random, seed: u64) -> (String, String) {
    if random.below(2) > 0 {
        let channel = random.below(HOT_CHANNELS.len() as u64);
        let url = page(&mut Random::of(seed, u32::MAX, CHANNELS + channel));
        return (HOT_CHANNELS[channel as usize].to_owned(), url);
    }
    let channel = random.below(CHANNELS);
    let mut of_channel = Random::of(seed, u32::MAX, channel);
    let mut url = page(&mut of_channel);
    if of_channel.below(10) > 0 {
        url.push_str(&format!("&channel_id={}", (channel as u32).reverse_bits() >> 1));
    }
    (format!("channel-{channel}"), url)
}

/// The address of a page.
fn page(random: &mut Random) -> String {
    let [one, two, three] = [(); 3].map(|()| word(random, 5, '_'));
    format!("https://www.nexmark.com/{one}/{two}/{three}/item.htm?query=1")
}

/// Letters that bring an event of `bytes` to about `wanted` bytes, give or take a fifth.
pub(super) fn filling(random: &mut Random, bytes: usize, wanted: usize) -> String {
    let missing = wanted.saturating_sub(bytes) as u64;
    let give = missing / 5;
    let letters = missing - give + random.below(2 * give);
    (0..letters).map(|_| letter(random)).collect()
}
