//! Where everything durable lies: a directory, or an object store.

mod directory;
#[cfg(feature = "object-store")]
mod objects;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use directory::sync;

use self::directory::Directory;
use crate::error::RecoveryError;
use crate::fault::{self, Point};

/// Files that are written once and never changed, and logs (`*.log`) that only grow. What a call has
/// written is durable when it returns; an error is final: nobody tries again on the same file.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// For messages: a path, or a URL.
    root: Arc<PathBuf>,
    backend: Arc<dyn Backend>,
}

/// What a place must be able to do. Names are relative, of plain characters, their parts separated
/// by slashes.
trait Backend: fmt::Debug + Send + Sync {
    /// Creates a file with this content, whole or not at all; `false`, if there is one already.
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<bool>;

    /// The content of a file or log.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// The names of what is in a directory, sorted, temporary files left out; none, if there is no
    /// such directory.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Removes a file or log, if it is there.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Begins a log, which must not be there.
    fn begin_log(&self, name: &str) -> io::Result<Box<dyn Append>>;

    /// Whether another start of the job may take over while this one runs.
    fn can_be_taken_over(&self) -> bool;
}

/// The end of a log.
trait Append: Send {
    /// Appends, durably.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether another log should be begun, however few bytes there are in this one.
    fn is_long(&self) -> bool {
        false
    }
}

impl Store {
    /// Opens a place for a job, creating it if need be. A directory belongs to one job at a time; at
    /// an object store whoever comes last takes over.
    pub(crate) fn open(root: &Path) -> Result<Self, RecoveryError> {
        match url(root) {
            Some(url) => Store::objects(root, url),
            None => Ok(Store::of(root, Directory::lock(root)?)),
        }
    }

    /// Opens the place of a job that another process has opened, and holds, for all.
    pub(crate) fn share(root: &Path) -> Result<Self, RecoveryError> {
        match url(root) {
            Some(url) => Store::objects(root, url),
            None => Ok(Store::of(root, Directory::share(root)?)),
        }
    }

    fn of(root: &Path, backend: impl Backend + 'static) -> Self {
        Store { root: Arc::new(root.to_owned()), backend: Arc::new(backend) }
    }

    #[cfg(feature = "object-store")]
    fn objects(root: &Path, url: &str) -> Result<Self, RecoveryError> {
        Ok(Store::of(root, objects::Objects::open(url)?))
    }

    #[cfg(not(feature = "object-store"))]
    fn objects(_: &Path, url: &str) -> Result<Self, RecoveryError> {
        let reason = "this build has no object stores: build with `--features object-store`";
        Err(RecoveryError::Place { url: url.to_owned(), reason: reason.to_owned() })
    }

    /// Where a file lies: for messages.
    fn path_of(&self, name: &str) -> PathBuf {
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

    /// Another start of the job has taken over.
    pub(crate) fn taken_over(&self, generation: u64, by: u64) -> RecoveryError {
        RecoveryError::TakenOver { path: self.root.to_path_buf(), generation, by }
    }

    /// Creates a file with this content, whole or not at all; `false`, if there is one already.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, RecoveryError> {
        self.backend.create(name, bytes).map_err(self.failed(name))
    }

    /// The content of a file or log.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, RecoveryError> {
        self.backend.read(name).map_err(self.failed(name))
    }

    /// The same; `None`, if it is not there.
    pub(crate) fn read_if_there(&self, name: &str) -> Result<Option<Vec<u8>>, RecoveryError> {
        match self.backend.read(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name)(error)),
        }
    }

    /// The names of what is in a directory, sorted; none, if there is no such directory.
    pub(crate) fn list(&self, directory: &str) -> Result<Vec<String>, RecoveryError> {
        self.backend.list(directory).map_err(self.failed(directory))
    }

    /// Removes a file or log, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), RecoveryError> {
        self.backend.remove(name).map_err(self.failed(name))
    }

    /// Whether another start of the job may take over while this one runs.
    pub(crate) fn can_be_taken_over(&self) -> bool {
        self.backend.can_be_taken_over()
    }

    /// Begins a log.
    pub(crate) fn begin_log(&self, name: &str) -> Result<Log, RecoveryError> {
        Ok(Log { end: self.backend.begin_log(name).map_err(self.failed(name))?, bytes: 0 })
    }
}

/// The URL of an object store, if a place is one.
fn url(root: &Path) -> Option<&str> {
    root.to_str().filter(|root| root.contains("://"))
}

/// A file that only grows.
pub(crate) struct Log {
    end: Box<dyn Append>,
    bytes: usize,
}

impl Log {
    /// Appends, durably.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.end.append(bytes)?;
        self.bytes += bytes.len();
        fault::at(Point::Planned)
    }

    /// Whether another log should be begun, which may have so many bytes.
    pub(crate) fn is_full(&self, bytes: usize) -> bool {
        self.bytes >= bytes || self.end.is_long()
    }
}
