//! Real database servers, on loopback, each with a directory of its own: those that are installed,
//! or else Debian's packages, unpacked and not installed.

mod mariadb;
mod packages;
mod postgres;

use std::path::PathBuf;

pub use mariadb::{MARIADB_VARIABLE, MariaDb};
pub use postgres::{POSTGRES_VARIABLE, Postgres};

/// A directory that `cargo xtask test` has told of.
fn from_environment(variable: &str, server: &str) -> Result<PathBuf, String> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| {
        format!("no {server}: {variable} is not set (`cargo xtask test` finds or fetches a server)")
    })
}
