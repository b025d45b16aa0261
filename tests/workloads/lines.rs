//! Words, counted.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::source::Generator;
use tidegate::workloads::{top_k, windowed_wordcount, wordcount};

use super::gate::{assert_table, batches, last};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["workloads";
        wordcount_counts_all_words_so_far,
        windowed_wordcount_counts_the_words_of_the_window,
        top_k_has_the_most_frequent_words_of_the_window,
    ]
}

fn lines() -> Generator<String> {
    Generator::lines(7)
}

fn counted<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<(String, i64)> {
    let mut counts = BTreeMap::new();
    for word in lines.flat_map(|line| line.split(' ')) {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn wordcount_counts_all_words_so_far() {
    assert_table(lines, wordcount, |lines| counted(lines.iter().flatten()));
}

fn windowed_wordcount_counts_the_words_of_the_window() {
    assert_table(
        lines,
        |lines| windowed_wordcount(lines, batches(4), batches(1)),
        |lines| counted(last(lines, 4)),
    );
}

fn top_k_has_the_most_frequent_words_of_the_window() {
    assert_table(
        lines,
        |lines| top_k(lines, 5, batches(4), batches(1)),
        |lines| {
            let mut counts = counted(last(lines, 4));
            // The sort is stable: words that are as frequent stay in the order of the alphabet.
            counts.sort_by_key(|(_, count)| -count);
            counts.truncate(5);
            counts
        },
    );
}
