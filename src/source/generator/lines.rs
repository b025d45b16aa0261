//! Lines of words.

use super::{Generator, Zipf};

/// Words to make lines of; the first ones come most often.
const WORDS: [&str; 48] = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be",
    "by", "on", "not", "he", "tide", "water", "gate", "river", "sea", "ship", "wind", "moon",
    "shore", "harbour", "stone", "wave", "flood", "ebb", "sand", "current", "channel", "lock",
    "bridge", "island", "anchor", "sail", "salt", "storm", "pilot", "delta", "dike", "mud",
    "lantern", "bell",
];

impl Generator<String> {
    /// Lines of five to twelve words, some words far more frequent than others.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// let line = Generator::lines(7).record(0, 3);
    /// assert!((5..=12).contains(&line.split(' ').count()), "{line}");
    /// ```
    pub fn lines(seed: u64) -> Self {
        let zipf = Zipf::new(WORDS.len() as u64, 1.0);
        Generator::new("lines", seed, move |random, _| {
            let words: Vec<&str> =
                (0..5 + random.below(8)).map(|_| WORDS[zipf.sample(random) as usize]).collect();
            words.join(" ")
        })
    }
}
