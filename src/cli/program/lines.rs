//! Workloads on lines of text.

use clap::ValueEnum;
use tidegate::Table;
use tidegate::workloads::{top_k, windowed_wordcount, wordcount};

use super::build::Build;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LineWorkload {
    /// How often each word has occurred since the beginning (lines)
    Wordcount,
    /// How often each word has occurred in a sliding window (lines)
    WindowedWordcount,
    /// The most frequent words of a sliding window (lines)
    TopK,
}

impl LineWorkload {
    pub(super) fn build(self, build: &Build<'_, '_>) {
        let (lines, (window, slide)) = (build.read::<String>(), build.window());
        let counts: Table<'_, (String, i64)> = match self {
            LineWorkload::Wordcount => wordcount(lines),
            LineWorkload::WindowedWordcount => windowed_wordcount(lines, window, slide),
            LineWorkload::TopK => top_k(lines, build.flags().k.into(), window, slide),
        };
        build.write_table(counts, |(word, count)| format!("{word} {count}"));
    }
}
