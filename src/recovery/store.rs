//! The directory in which everything durable lies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::RecoveryError;
use crate::fault::{self, Point};

/// Files that are written once and never changed, and logs that only grow. What a call has written
/// is durable when it returns. An error of `fsync` is final: nobody tries again on the same file.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: Arc<PathBuf>,
    /// Held for as long as the job runs: a directory belongs to one job at a time.
    _lock: Option<Arc<File>>,
}

/// Numbers the temporary files of this process.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// Opens a directory for a job, creating it if need be.
    pub(crate) fn open(root: &Path) -> Result<Self, RecoveryError> {
        let failed = |source| RecoveryError::Store { path: root.to_owned(), source };
        for part in ["gen", "plan", "state", "ckpt"] {
            fs::create_dir_all(root.join(part)).map_err(failed)?;
        }
        sync(root).map_err(failed)?;
        let lock = File::create(root.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RecoveryError::InUse { path: root.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Store { root: Arc::new(root.to_owned()), _lock: Some(Arc::new(lock)) })
    }

    /// Opens the directory of a job that another process has opened, and holds, for all.
    pub(crate) fn share(root: &Path) -> Self {
        Store { root: Arc::new(root.to_owned()), _lock: None }
    }

    /// Where a file lies: for messages.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// An error of a file.
    pub(crate) fn failed(&self, name: &str) -> impl Fn(io::Error) -> RecoveryError + use<> {
        let path = self.path_of(name);
        move |source| RecoveryError::Store { path: path.clone(), source }
    }

    /// A file whose content is not what was written.
    pub(crate) fn damaged(&self, name: &str, what: impl Into<String>) -> RecoveryError {
        RecoveryError::Damaged { path: self.path_of(name), what: what.into() }
    }

    /// Creates a file with this content, whole or not at all; `false`, if there is one already.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, RecoveryError> {
        let attempt = || -> io::Result<bool> {
            let path = self.root.join(name);
            let directory = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(directory)?;
            let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
            let temporary = directory.join(format!(".{}-{number}.tmp", std::process::id()));
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            // A link is made only where there is nothing yet.
            let created = match fs::hard_link(&temporary, &path) {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(error),
            };
            fs::remove_file(&temporary)?;
            sync(directory)?;
            Ok(created)
        };
        attempt().map_err(self.failed(name))
    }

    /// The content of a file.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, RecoveryError> {
        fs::read(self.root.join(name)).map_err(self.failed(name))
    }

    /// The names of the files in a directory, sorted; temporary ones left out.
    pub(crate) fn list(&self, directory: &str) -> Result<Vec<String>, RecoveryError> {
        let attempt = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(self.root.join(directory))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if !name.starts_with('.') {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        attempt().map_err(self.failed(directory))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), RecoveryError> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(name)(error)),
            _ => Ok(()),
        }
    }

    /// Begins a log.
    pub(crate) fn begin_log(&self, name: &str) -> Result<Log, RecoveryError> {
        let attempt = || -> io::Result<File> {
            let path = self.root.join(name);
            let directory = path.parent().unwrap_or(&self.root);
            if !directory.is_dir() {
                fs::create_dir_all(directory)?;
                sync(directory.parent().unwrap_or(&self.root))?;
            }
            let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
            file.sync_all()?;
            sync(directory)?;
            Ok(file)
        };
        Ok(Log { file: attempt().map_err(self.failed(name))? })
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A file that only grows.
pub(crate) struct Log {
    file: File,
}

impl Log {
    /// Appends, durably.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        self.file.write_all(half)?;
        fault::at(Point::HalfPlanned)?;
        self.file.write_all(rest)?;
        self.file.sync_data()?;
        fault::at(Point::Planned)
    }
}
