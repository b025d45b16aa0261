//! Jobs that end and are started again: what comes out is what an undisturbed run gives, each batch
//! once, whatever ended them and on however many workers they go on.
//!
//! Catches state that is lost, doubled or given to the wrong worker; batches that are run again with
//! other records, or other times; output that is written twice, or not at all; files that are torn
//! or damaged and read all the same. Can't catch what a disk forgets that said it was synced, and
//! what only happens between hosts.

mod chaos;
mod clusters;
mod damage;
mod faults;
mod inspection;
mod journal;
mod migrations;
#[cfg(feature = "object-store")]
mod objects;
mod restarts;
mod text_files;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    let parts = [
        restarts::trials(),
        inspection::trials(),
        journal::trials(),
        migrations::trials(),
        faults::trials(),
        chaos::trials(),
        damage::trials(),
        clusters::trials(),
        text_files::trials(),
        objects(),
    ];
    parts.into_iter().flatten().collect()
}

/// Ends the servers that have been started.
pub fn stop() {
    #[cfg(feature = "object-store")]
    objects::stop();
}

#[cfg(feature = "object-store")]
fn objects() -> Vec<Trial> {
    objects::trials()
}

#[cfg(not(feature = "object-store"))]
fn objects() -> Vec<Trial> {
    let why = "built without `--features object-store` (`cargo xtask test` has it)";
    vec![crate::support::skipped("recovery::objects", "checkpoints lie at S3", why)]
}
