//! Reports for people: pages that are one file each.

mod compare_page;
mod page;
mod plot;

pub use compare_page::compare_page;
