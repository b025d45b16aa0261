//! What makes up a checkpoint.

use serde::{Deserialize, Serialize};
use tidegate_operators::Tick;
use tidegate_operators::batched::SavedForm;
use xxhash_rust::xxh3::xxh3_128;

use super::generation::json;
use super::migration::Migration;
use super::schema::Schema;
use super::store::Store;
use crate::batch::BatchId;
use crate::engine::registry::DeclaredState;
use crate::error::RecoveryError;
use crate::fault::{self, Point};

/// A checkpoint: the state of a job through one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format: 1.
    pub version: u32,
    /// The batch through which the state goes.
    pub tick: Tick,
    /// The generation that made it.
    pub generation: u64,
    /// The checkpoint before it.
    pub previous: Option<BatchId>,
    /// How far each source has been read, by its number in the program.
    pub sources: Vec<Vec<Position>>,
    /// The operators with a state.
    pub operators: Vec<OperatorState>,
}

/// The batch of a checkpoint, and the generation that has made it.
pub(super) type ManifestId = (BatchId, u64);

/// How far a partition has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The partition's number.
    pub partition: u32,
    /// Its name.
    pub name: String,
    /// The offset of the record to be read next.
    pub next: u64,
}

/// The state of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorState {
    /// Its name.
    pub uid: String,
    /// What the rows that are saved are made of.
    pub schema: Schema,
    /// What they say together.
    pub form: SavedForm,
    /// The files, oldest first.
    pub files: Vec<StateFile>,
}

/// A file of saved state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Where it lies, from the checkpoints' directory.
    pub path: String,
    /// The last batch that it tells of.
    pub through: BatchId,
    /// The number of rows.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// Its XXH3 hash of 128 bits, in hexadecimal digits.
    pub xxh3: String,
}

impl StateFile {
    pub(super) fn of(path: String, through: BatchId, rows: u64, content: &[u8]) -> Self {
        let (bytes, xxh3) = (content.len() as u64, format!("{:032x}", xxh3_128(content)));
        StateFile { path, through, rows, bytes, xxh3 }
    }

    /// The content, if it is what was written.
    pub(super) fn read(&self, store: &Store) -> Result<Vec<u8>, RecoveryError> {
        let content = store.read(&self.path)?;
        if content.len() as u64 != self.bytes {
            let what = format!("it has {} bytes, where {} were written", content.len(), self.bytes);
            return Err(store.damaged(&self.path, what));
        }
        if format!("{:032x}", xxh3_128(&content)) != self.xxh3 {
            return Err(store.damaged(&self.path, "its hash is not that of what was written"));
        }
        Ok(content)
    }
}

impl Manifest {
    /// The checkpoint's name: two generations that save the same batch don't get in each other's
    /// way, be the older one's damaged or not.
    pub(super) fn id(&self) -> ManifestId {
        (self.tick.id, self.generation)
    }

    fn name((batch, generation): ManifestId) -> String {
        format!("ckpt/{batch:020}-{generation:010}.manifest")
    }

    /// Publishes it: from now on a restart begins with it.
    pub(super) fn publish(&self, store: &Store) -> Result<(), RecoveryError> {
        let name = Manifest::name(self.id());
        let body = json(self);
        // The hash of what follows comes first.
        let mut text = format!("{:032x}\n", xxh3_128(&body)).into_bytes();
        text.extend_from_slice(&body);
        fault::at(Point::Publishing).map_err(store.failed(&name))?;
        match store.create(&name, &text)? {
            true => fault::at(Point::Published).map_err(store.failed(&name)),
            false => Err(store.damaged(&name, "another job has written it")),
        }
    }

    /// The checkpoints that there are, the newest first.
    pub(super) fn list(store: &Store) -> Result<Vec<ManifestId>, RecoveryError> {
        let names = store.list("ckpt")?;
        let ids = names.iter().filter_map(|name| {
            let (batch, generation) = name.strip_suffix(".manifest")?.split_once('-')?;
            Some((batch.parse().ok()?, generation.parse().ok()?))
        });
        let mut ids: Vec<ManifestId> = ids.collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// Reads the manifest of a checkpoint.
    pub(super) fn read(store: &Store, id: ManifestId) -> Result<Self, RecoveryError> {
        let name = Manifest::name(id);
        let text = store.read(&name)?;
        let body = text.get(33..).unwrap_or_default();
        if text.get(..33) != Some(format!("{:032x}\n", xxh3_128(body)).as_bytes()) {
            return Err(store.damaged(&name, "its hash is not that of what was written"));
        }
        let manifest: Manifest = serde_json::from_slice(body)
            .map_err(|error| store.damaged(&name, error.to_string()))?;
        match manifest.version {
            1 => Ok(manifest),
            other => Err(store.damaged(&name, format!("it has the unknown version {other}"))),
        }
    }

    /// That a program has every operator whose state was saved, and can read it.
    pub(crate) fn check(
        &self,
        states: &[DeclaredState],
        migrations: &[Migration],
    ) -> Result<(), RecoveryError> {
        for saved in self.operators.iter().filter(|saved| !saved.files.is_empty()) {
            let uid = saved.uid.clone();
            let Some(state) = states.iter().find(|state| state.uid == uid) else {
                return Err(RecoveryError::OperatorGone { uid });
            };
            let is_migrated = saved.schema.row_format().is_some()
                && migrations.iter().any(|migration| migration.uid == uid);
            if let Some(difference) = saved.schema.difference(&state.schema)
                && !is_migrated
            {
                return Err(RecoveryError::SchemaChanged { uid, difference });
            }
        }
        Ok(())
    }

    /// The files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &StateFile> {
        self.operators.iter().flat_map(|operator| &operator.files)
    }

    pub(super) fn remove(store: &Store, id: ManifestId) -> Result<(), RecoveryError> {
        store.remove(&Manifest::name(id))
    }
}
