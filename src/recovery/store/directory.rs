//! A directory of the file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Append, Backend};
use crate::error::RecoveryError;
use crate::fault::{self, Point};

#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    /// Held for as long as the job runs: a directory belongs to one job at a time.
    _lock: Option<File>,
}

/// Numbers the temporary files of this process.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

impl Directory {
    /// Makes it this process's own, creating it if need be.
    pub(super) fn lock(root: &Path) -> Result<Self, RecoveryError> {
        let failed = |source| RecoveryError::Directory { path: root.to_owned(), source };
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
        Ok(Directory { root: root.to_owned(), _lock: Some(lock) })
    }

    /// One that another process holds, or none yet.
    pub(super) fn share(root: &Path) -> Result<Self, RecoveryError> {
        match fs::metadata(root) {
            Ok(found) if !found.is_dir() => Err(RecoveryError::Directory {
                path: root.to_owned(),
                source: io::ErrorKind::NotADirectory.into(),
            }),
            _ => Ok(Directory { root: root.to_owned(), _lock: None }),
        }
    }
}

impl Backend for Directory {
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
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
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(name))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn begin_log(&self, name: &str) -> io::Result<Box<dyn Append>> {
        let path = self.root.join(name);
        let directory = path.parent().unwrap_or(&self.root);
        if !directory.is_dir() {
            fs::create_dir_all(directory)?;
            sync(directory.parent().unwrap_or(&self.root))?;
        }
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        file.sync_all()?;
        sync(directory)?;
        Ok(Box::new(file))
    }

    /// The lock forbids it.
    fn can_be_taken_over(&self) -> bool {
        false
    }
}

impl Append for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        self.write_all(half)?;
        fault::at(Point::HalfPlanned)?;
        self.write_all(rest)?;
        self.sync_data()
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
