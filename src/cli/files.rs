//! The files that a command line names: each is there for one thing.

use std::path::{Path, PathBuf, absolute};

use super::failure::Failure;
use super::sink::SinkUrl;

/// What is named by which flag.
#[derive(Default)]
pub struct Files(Vec<(&'static str, PathBuf)>);

impl Files {
    /// Adds what a flag names, if it names something.
    pub fn with(mut self, flag: &'static str, path: Option<impl AsRef<Path>>) -> Self {
        self.0.extend(path.map(|path| (flag, path.as_ref().to_owned())));
        self
    }

    /// Adds those of sinks.
    pub fn with_sinks(self, sinks: &[SinkUrl]) -> Self {
        sinks.iter().fold(self, |files, sink| files.with("--sink", sink.file()))
    }

    /// Refuses a file that is named twice: a job would read what it writes, or mix two things in it.
    pub fn check(&self) -> Result<(), Failure> {
        for (index, (flag, path)) in self.0.iter().enumerate() {
            let earlier = self.0[..index].iter().find(|(_, earlier)| is_same(earlier, path));
            if let Some((earlier, _)) = earlier {
                return Err(Failure::Usage(format!(
                    "`{}` is named twice, by {earlier} and by {flag}: give each a file of its own",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// Whether two paths are those of one file. A terminal, a pipe or `/dev/null` may be written to by many.
fn is_same(one: &Path, other: &Path) -> bool {
    let is_special = one.metadata().is_ok_and(|found| !found.is_file());
    let whole = |path: &Path| path.canonicalize().or_else(|_| absolute(path)).ok();
    !is_special && whole(one) == whole(other)
}
