//! Where sources that can't be read again are written down.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frames;
use super::manifest::Manifest;
use super::store::{Log, Store};
use crate::error::RecoveryError;

/// The journal of one partition: logs that follow each other, by generation.
pub(crate) struct JournalLog {
    store: Store,
    source: usize,
    partition: u32,
    generation: u64,
    open: Option<Log>,
    written: u64,
}

/// Copies all journals: what is planned behind a checkpoint is read from there again.
pub(super) fn copy(from: &Store, to: &Store) -> Result<(), RecoveryError> {
    for directory in from.list("journal")? {
        for log in from.list(&format!("journal/{directory}"))? {
            let name = format!("journal/{directory}/{log}");
            to.create(&name, &from.read(&name)?)?;
        }
    }
    Ok(())
}

/// A log of this many bytes is closed, and another begun, so that old ones can go.
const LOG_BYTES: usize = 16 << 20;

impl JournalLog {
    pub(super) fn new(store: Store, generation: u64, source: usize, partition: u32) -> Self {
        JournalLog { store, source, partition, generation, open: None, written: 0 }
    }

    fn directory(&self) -> String {
        format!("journal/{}-{}", self.source, self.partition)
    }

    fn logs(&self) -> Result<Vec<String>, RecoveryError> {
        let directory = self.directory();
        let names = self.store.list(&directory)?.into_iter();
        Ok(names.map(|name| format!("{directory}/{name}")).collect())
    }

    /// Reads everything that is whole, oldest first.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        mut give: impl FnMut(T),
    ) -> Result<(), RecoveryError> {
        for name in self.logs()? {
            let bytes = self.store.read(&name)?;
            for frame in frames::whole(&bytes).0 {
                let entry = postcard::from_bytes(frame)
                    .map_err(|error| self.store.damaged(&name, error.to_string()))?;
                give(entry);
            }
        }
        Ok(())
    }

    /// Appends, durably.
    pub(crate) fn append<T: Serialize>(&mut self, entry: &T) -> Result<(), RecoveryError> {
        let payload = postcard::to_stdvec(entry).map_err(|error| {
            self.store.damaged(&self.directory(), format!("a record can't be encoded: {error}"))
        })?;
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frames::push(&mut frame, &payload);
        if self.open.as_ref().is_some_and(|log| log.is_full(LOG_BYTES)) {
            self.open = None;
            self.tidy()?;
        }
        let name = format!("{}/{:010}-{:06}.log", self.directory(), self.generation, self.written);
        let log = match &mut self.open {
            Some(log) => log,
            None => {
                self.written += 1;
                self.open.insert(self.store.begin_log(&name)?)
            }
        };
        log.append(&frame).map_err(self.store.failed(&name))
    }

    /// Removes logs that end before the oldest checkpoint's offset: all before the last one whose
    /// first entry is no later.
    fn tidy(&self) -> Result<(), RecoveryError> {
        let Some(oldest) = Manifest::list(&self.store)?.pop() else { return Ok(()) };
        // It may have been removed this very moment; then the next one is as good, next time.
        let Ok(oldest) = Manifest::read(&self.store, oldest) else { return Ok(()) };
        let positions = oldest.sources.get(self.source).into_iter().flatten();
        let Some(position) = positions.into_iter().find(|p| p.partition == self.partition) else {
            return Ok(());
        };
        let logs = self.logs()?;
        let mut firsts = Vec::new();
        for name in &logs {
            let bytes = self.store.read(name)?;
            // An entry begins with its first offset.
            let first = frames::whole(&bytes).0.first().and_then(|frame| {
                postcard::take_from_bytes::<u64>(frame).ok().map(|(first, _)| first)
            });
            firsts.push(first.unwrap_or(u64::MAX));
        }
        let needed = firsts.iter().rposition(|first| *first <= position.next).unwrap_or(0);
        logs[..needed].iter().try_for_each(|name| self.store.remove(name))
    }
}
