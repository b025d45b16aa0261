//! A file for results: what can't be written had better fail before hours of measuring.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// A file that has been opened for what is still to come.
pub struct OutputFile {
    path: PathBuf,
    file: File,
}

impl OutputFile {
    /// Creates the file that `flag` names, and the directories above it.
    pub fn create(flag: &str, path: &Path) -> Result<Self, Failure> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = parent.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(path));
        let file = file.map_err(|error| {
            let path = path.display();
            Failure::Usage(format!(
                "can't write `{path}`: {error}; give {flag} a file that can be written"
            ))
        })?;
        Ok(OutputFile { path: path.to_owned(), file })
    }

    /// Writes all of it.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| {
            Failure::Other(format!("can't write `{}`: {error}", self.path.display()))
        })
    }
}
