//! What can go wrong, by phase: each phase has its own error, and [`RunError`] is the umbrella.

mod build;
mod cluster;
mod config;
mod recording;
mod recovery;
mod run;
mod sink;
mod source;

pub use build::BuildError;
pub use cluster::ClusterError;
pub use config::ConfigError;
pub use recording::RecordingError;
pub use recovery::RecoveryError;
pub use run::RunError;
pub use sink::SinkError;
pub use source::SourceError;
