//! What the project needs around its code, for `cargo xtask` and for the tests.

pub mod chaos;
mod daemon;
pub mod kafka;
mod maven;
pub mod s3;
pub mod sql;
pub mod test;

use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where build products go.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
