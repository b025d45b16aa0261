//! An object store: S3 and what speaks like it, Google Cloud Storage, Azure.
//!
//! Objects are whole or not there, and created only where there is nothing yet (`If-None-Match`), so
//! claims and manifests need nothing else. A log is a row of objects, one for each append:
//! `plan/0000000001-000000.log/00000000`.

use std::io;
use std::sync::OnceLock;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, parse_url_opts,
};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::{Append, Backend};
use crate::error::RecoveryError;

#[derive(Clone, Debug)]
pub(super) struct Objects {
    store: std::sync::Arc<dyn ObjectStore>,
    prefix: Path,
}

/// So many objects of a log are read at a time.
const READS: usize = 16;

/// A log has so many objects at most: what reads it has to ask for each.
const APPENDS_MAX: u64 = 256;

impl Objects {
    /// Opens a place by its URL: `s3://bucket/prefix`. Credentials, regions and endpoints come from
    /// the environment, as for the providers' own tools: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`,
    /// `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME` and so on.
    pub(super) fn open(url: &str) -> Result<Self, RecoveryError> {
        let wrong = |reason: String| RecoveryError::Place { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            let url = parsed.host_str().unwrap_or_default().to_owned();
            let reason = "credentials belong in the environment, where no log shows them";
            return Err(RecoveryError::Place { url, reason: reason.into() });
        }
        let known = ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "https"];
        if !known.contains(&parsed.scheme()) {
            return Err(wrong(
                "give a directory, or a URL that begins with s3:, gs: or az:".into(),
            ));
        }
        let is_provider =
            |name: &str| ["aws_", "google_", "azure_"].iter().any(|p| name.starts_with(p));
        let variables = std::env::vars()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(name, _)| is_provider(name));
        // Another part of the program may have chosen how connections are encrypted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (store, prefix) =
            parse_url_opts(&parsed, variables).map_err(|error| wrong(error.to_string()))?;
        Ok(Objects { store: store.into(), prefix })
    }

    fn path(&self, name: &str) -> io::Result<Path> {
        let name = Path::parse(name).map_err(io::Error::other)?;
        Ok(self.prefix.parts().chain(name.parts()).collect())
    }

    /// The names of the objects of a log, in order.
    fn parts(&self, log: &str) -> io::Result<Vec<Path>> {
        let listed = self.store.list(Some(&self.path(log)?));
        let listed = listed.map_ok(|object| object.location).try_collect::<Vec<Path>>();
        let mut parts = runtime()?.block_on(listed)?;
        parts.sort_unstable();
        Ok(parts)
    }

    fn get(&self, path: Path) -> impl Future<Output = Result<Vec<u8>, Error>> + use<> {
        let store = self.store.clone();
        async move { Ok(store.get(&path).await?.bytes().await?.to_vec()) }
    }
}

/// One thread for all requests: the threads that make them wait anyway.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("object-store")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

fn is_log(name: &str) -> bool {
    name.ends_with(".log")
}

fn part(log: &str, number: u64) -> String {
    format!("{log}/{number:08}")
}

impl Backend for Objects {
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        if is_log(name) {
            return self.create(&part(name, 0), bytes);
        }
        let path = self.path(name)?;
        let payload = PutPayload::from(bytes.to_vec());
        let options = PutOptions::from(PutMode::Create);
        match runtime()?.block_on(self.store.put_opts(&path, payload, options)) {
            Ok(_) => Ok(true),
            // A request whose answer was lost is made again, and finds what it has created.
            Err(Error::AlreadyExists { .. }) => Ok(self.read(name)? == bytes),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        if !is_log(name) {
            return Ok(runtime()?.block_on(self.get(self.path(name)?))?);
        }
        let parts = self.parts(name)?;
        // What a job leaves that was taken over may come after the log has gone.
        if parts.first() != Some(&self.path(&part(name, 0))?) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the log has no beginning"));
        }
        let reads = parts.into_iter().map(|path| self.get(path));
        let reads = stream::iter(reads).buffered(READS).try_concat();
        Ok(runtime()?.block_on(reads)?)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let path = self.path(directory)?;
        let found = runtime()?.block_on(self.store.list_with_delimiter(Some(&path)))?;
        let objects = found.objects.into_iter().map(|object| object.location);
        let names = objects.chain(found.common_prefixes);
        let mut names: Vec<String> =
            names.filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut paths = vec![self.path(name)?];
        if is_log(name) {
            // Without its beginning it has gone, however much of it is left.
            self.remove(&part(name, 0))?;
            paths = self.parts(name)?;
        }
        let removals = self.store.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
        let gone = removals.filter_map(async |removed| match removed {
            Ok(_) | Err(Error::NotFound { .. }) => None,
            Err(error) => Some(error),
        });
        match runtime()?.block_on(gone.collect::<Vec<Error>>()).pop() {
            None => Ok(()),
            Some(error) => Err(error.into()),
        }
    }

    fn begin_log(&self, name: &str) -> io::Result<Box<dyn Append>> {
        match self.parts(name)?.is_empty() {
            true => Ok(Box::new(Parts { objects: self.clone(), log: name.to_owned(), next: 0 })),
            false => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the log is there already")),
        }
    }

    fn can_be_taken_over(&self) -> bool {
        true
    }
}

/// A log that is being written.
struct Parts {
    objects: Objects,
    log: String,
    next: u64,
}

impl Append for Parts {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let name = part(&self.log, self.next);
        self.next += 1;
        match self.objects.create(&name, bytes)? {
            true => Ok(()),
            false => Err(io::Error::other("another process writes the same log")),
        }
    }

    fn is_long(&self) -> bool {
        self.next >= APPENDS_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn what_comes_after_a_log_has_gone_is_no_log_and_goes_with_it() {
        let objects = Objects { store: Arc::new(InMemory::new()), prefix: Path::default() };
        let name = "plan/0000000001-000000.log";
        let mut log = objects.begin_log(name).unwrap();
        log.append(b"one").unwrap();
        log.append(b"two").unwrap();
        assert_eq!(objects.read(name).unwrap(), b"onetwo");
        objects.remove(name).unwrap();
        assert!(objects.list("plan").unwrap().is_empty());
        // Whoever writes it was asleep meanwhile.
        log.append(b"three").unwrap();
        assert_eq!(objects.list("plan").unwrap(), ["0000000001-000000.log"]);
        assert_eq!(objects.read(name).unwrap_err().kind(), io::ErrorKind::NotFound);
        objects.remove(name).unwrap();
        assert!(objects.list("plan").unwrap().is_empty());
    }
}
