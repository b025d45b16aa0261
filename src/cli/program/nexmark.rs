//! Nexmark's queries.

use clap::ValueEnum;
use tidegate::Record;
use tidegate::source::generator::nexmark::NexmarkEvent;
use tidegate::workloads::nexmark::{
    q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15, q16, q17, q18, q19, q20,
    q21, q22, side_input,
};

use super::build::Build;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NexmarkQuery {
    /// All bids
    #[value(name = "nexmark-q0")]
    Q0,
    /// Bids in euros
    #[value(name = "nexmark-q1")]
    Q1,
    /// Bids on every 123rd auction
    #[value(name = "nexmark-q2")]
    Q2,
    /// Who sells things of category 10 in Oregon, Idaho and California
    #[value(name = "nexmark-q3")]
    Q3,
    /// Mean winning price of each category
    #[value(name = "nexmark-q4")]
    Q4,
    /// Auctions with the most bids in ten seconds, every two seconds
    #[value(name = "nexmark-q5")]
    Q5,
    /// Mean winning price of each seller's last ten auctions
    #[value(name = "nexmark-q6")]
    Q6,
    /// Highest bids of every ten seconds
    #[value(name = "nexmark-q7")]
    Q7,
    /// People who open an auction in the ten seconds in which they came
    #[value(name = "nexmark-q8")]
    Q8,
    /// Winning bid of each auction
    #[value(name = "nexmark-q9")]
    Q9,
    /// Bids by day and minute
    #[value(name = "nexmark-q10")]
    Q10,
    /// Bids of each session of a bidder, by the times of the bids
    #[value(name = "nexmark-q11")]
    Q11,
    /// Bids of each bidder in a window of batches (--window)
    #[value(name = "nexmark-q12")]
    Q12,
    /// Bids beside the rows of a side input
    #[value(name = "nexmark-q13")]
    Q13,
    /// Bids in euros, filtered and calculated
    #[value(name = "nexmark-q14")]
    Q14,
    /// Bids, bidders and auctions of each day, by rank of price
    #[value(name = "nexmark-q15")]
    Q15,
    /// The same for each channel
    #[value(name = "nexmark-q16")]
    Q16,
    /// Prices of each auction and day
    #[value(name = "nexmark-q17")]
    Q17,
    /// Last bid of each bidder on each auction
    #[value(name = "nexmark-q18")]
    Q18,
    /// Ten highest bids of each auction
    #[value(name = "nexmark-q19")]
    Q19,
    /// Bids beside their auctions, of category 10
    #[value(name = "nexmark-q20")]
    Q20,
    /// Bids with the number of their channel
    #[value(name = "nexmark-q21")]
    Q21,
    /// Bids with the directories of their page
    #[value(name = "nexmark-q22")]
    Q22,
}

impl NexmarkQuery {
    pub(super) fn build(self, build: &Build<'_, '_>) {
        let events = build.read::<NexmarkEvent>();
        match self {
            NexmarkQuery::Q0 => build.write_stream(q0(events), json),
            NexmarkQuery::Q1 => build.write_stream(q1(events), json),
            NexmarkQuery::Q2 => build.write_stream(q2(events), json),
            NexmarkQuery::Q3 => build.write_table(q3(events), json),
            NexmarkQuery::Q4 => build.write_table(q4(events), json),
            NexmarkQuery::Q5 => build.write_stream(q5(events), json),
            NexmarkQuery::Q6 => build.write_table(q6(events), json),
            NexmarkQuery::Q7 => build.write_stream(q7(events), json),
            NexmarkQuery::Q8 => build.write_stream(q8(events), json),
            NexmarkQuery::Q9 => build.write_table(q9(events), json),
            NexmarkQuery::Q10 => build.write_stream(q10(events), json),
            NexmarkQuery::Q11 => build.write_stream(q11(events), json),
            NexmarkQuery::Q12 => build.write_table(q12(events, build.window().0), json),
            NexmarkQuery::Q13 => build.write_stream(q13(events, side_input()), json),
            NexmarkQuery::Q14 => build.write_stream(q14(events), json),
            NexmarkQuery::Q15 => build.write_table(q15(events), json),
            NexmarkQuery::Q16 => build.write_table(q16(events), json),
            NexmarkQuery::Q17 => build.write_table(q17(events), json),
            NexmarkQuery::Q18 => build.write_table(q18(events), json),
            NexmarkQuery::Q19 => build.write_table(q19(events), json),
            NexmarkQuery::Q20 => build.write_table(q20(events), json),
            NexmarkQuery::Q21 => build.write_stream(q21(events), json),
            NexmarkQuery::Q22 => build.write_stream(q22(events), json),
        }
    }
}

fn json<D: Record>(row: &D) -> String {
    serde_json::to_string(row).unwrap_or_else(|error| error.to_string())
}

/// The queries with what they compute, for help texts.
pub fn nexmark_queries() -> String {
    let mut text = "Nexmark's queries (events as JSON):".to_owned();
    for value in NexmarkQuery::value_variants().iter().filter_map(ValueEnum::to_possible_value) {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("\n  {:<13}{help}", value.get_name()));
    }
    text
}
