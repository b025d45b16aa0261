//! Reports for people: pages that are one file each.

mod bench_page;
mod compare_page;
mod page;
mod plot;
mod table;
mod verdict;

pub use bench_page::bench_page;
pub use compare_page::compare_page;
pub use table::Table;
pub use verdict::Comparison;
