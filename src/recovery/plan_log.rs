//! The plan on disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use tidegate_operators::codec::{Codec, SerdeCodec};

use super::frames;
use super::generation::{self, Cut};
use super::store::{Log, Store};
use crate::batch::BatchId;
use crate::engine::control::lock;
use crate::error::RecoveryError;
use crate::plan::{PlanLog, PlanRow};

/// Writes the plan rows of one generation, each durable before the next.
pub(crate) struct DurablePlan {
    store: Store,
    generation: u64,
    open: Mutex<Open>,
}

struct Open {
    log: Option<Log>,
    segment: u64,
}

/// A log of this many bytes is closed, and another begun, so that old ones can go.
const SEGMENT_BYTES: usize = 4 << 20;

impl DurablePlan {
    pub(super) fn new(store: Store, generation: u64) -> Self {
        let open = Mutex::new(Open { log: None, segment: 0 });
        DurablePlan { store, generation, open }
    }
}

impl PlanLog for DurablePlan {
    fn append(&self, row: &PlanRow) -> io::Result<()> {
        let mut payload = Vec::new();
        SerdeCodec.encode(std::slice::from_ref(row), &mut payload);
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frames::push(&mut frame, &payload);

        let mut open = lock(&self.open);
        if open.log.as_ref().is_some_and(|log| log.is_full(SEGMENT_BYTES)) {
            open.log = None;
            open.segment += 1;
        }
        let log = match &mut open.log {
            Some(log) => log,
            None => {
                let name = name(self.generation, open.segment);
                open.log.insert(self.store.begin_log(&name).map_err(io::Error::other)?)
            }
        };
        log.append(&frame)?;
        // Who claims after this finds the row; who has claimed before may not have found it.
        match self.store.can_be_taken_over() {
            true => generation::is_ours(&self.store, self.generation).map_err(io::Error::other),
            false => Ok(()),
        }
    }
}

fn name(generation: u64, segment: u64) -> String {
    format!("plan/{generation:010}-{segment:06}.log")
}

fn generation_of(name: &str) -> Option<u64> {
    name.strip_prefix("plan/")?.split_once('-')?.0.parse().ok()
}

/// What earlier generations have planned.
pub(super) struct Planned {
    /// Oldest first.
    pub(super) rows: Vec<PlanRow>,
    /// Who has planned it: each generation by its first row.
    planners: BTreeMap<BatchId, u64>,
}

impl Planned {
    /// Whether a generation may have saved a batch. One that has not heard of its end goes on and
    /// saves what it makes of batches that others have planned since, or nobody.
    pub(super) fn may_be_saved_by(&self, generation: u64, batch: BatchId) -> bool {
        match self.planners.range(..=batch).next_back() {
            Some((_, planner)) => {
                let is_planned = self.rows.binary_search_by_key(&batch, |row| row.tick.id).is_ok();
                is_planned && *planner <= generation
            }
            // The plan begins behind it.
            None => true,
        }
    }
}

/// What the generations before one have planned, and the cut that ends their logs for good; all of them,
/// if `None`.
pub(super) fn read(store: &Store, before: Option<u64>) -> Result<(Planned, Cut), RecoveryError> {
    let (cuts, newest_cut) = generation::all_cuts(store)?;
    let names = store.list("plan")?.into_iter().map(|file| format!("plan/{file}"));
    let is_earlier = |name: &String| {
        before.is_none_or(|before| generation_of(name).is_none_or(|generation| generation < before))
    };
    let mut logs = Vec::new();
    for name in names.filter(is_earlier) {
        let known = cuts.get(&name).copied();
        // Who cuts names every log of those before it. What is there all the same was begun afterwards,
        // by a job that was told then that it had been taken over.
        let begun_by = generation_of(&name);
        if known.is_none() && begun_by.is_some() && begun_by < newest_cut {
            continue;
        }
        // One that has gone since it was listed was not needed; nor is what a job that was taken over
        // has written to one that had gone.
        if let Some(bytes) = store.read_if_there(&name)? {
            logs.push((name, bytes, known));
        }
    }
    read_logs(store, logs)
}

/// The same, by the cut that a generation has made.
pub(super) fn read_before(store: &Store, generation: u64) -> Result<Planned, RecoveryError> {
    let cut = generation::read_cut(store, generation)?;
    let mut logs = Vec::new();
    for (name, length) in cut {
        let bytes = store.read(&name)?;
        logs.push((name, bytes, Some(length)));
    }
    Ok(read_logs(store, logs)?.0)
}

fn read_logs(
    store: &Store,
    logs: Vec<(String, Vec<u8>, Option<u64>)>,
) -> Result<(Planned, Cut), RecoveryError> {
    let (mut rows, mut cut) = (Vec::<PlanRow>::new(), Cut::new());
    let mut planners = BTreeMap::new();
    for (name, mut bytes, known) in logs {
        let planner = generation_of(&name)
            .ok_or_else(|| store.damaged(&name, "it is not named as a log of the plan"))?;
        if let Some(length) = known {
            bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        }
        let (frames, length) = frames::whole(&bytes);
        if let Some(known) = known
            && known != length as u64
        {
            let what = format!("{length} bytes of it are whole, where there were {known}");
            return Err(store.damaged(&name, what));
        }
        for frame in frames {
            let decoded: Vec<PlanRow> = SerdeCodec
                .decode(frame)
                .map_err(|error| store.damaged(&name, error.to_string()))?;
            for row in decoded {
                let (last, next) = (rows.last().map_or(0, |row| row.tick.id), row.tick.id);
                if next <= last {
                    let what = format!("batch {next} is planned behind batch {last}");
                    return Err(store.damaged(&name, what));
                }
                planners.entry(planner).or_insert(next);
                rows.push(row);
            }
        }
        cut.insert(name, length as u64);
    }
    let planners = planners.into_iter().map(|(generation, first)| (first, generation)).collect();
    Ok((Planned { rows, planners }, cut))
}

/// The logs whose last row is that of a batch before `oldest`: all but the newest one that are so.
pub(super) fn ended_before(store: &Store, oldest: BatchId) -> Result<Vec<String>, RecoveryError> {
    let mut ended = Vec::new();
    let logs = store.list("plan")?;
    // The newest is being written.
    for file in logs.iter().take(logs.len().saturating_sub(1)) {
        let name = format!("plan/{file}");
        let Some(bytes) = store.read_if_there(&name)? else {
            ended.push(name);
            continue;
        };
        let last = frames::whole(&bytes).0.last().and_then(|frame| {
            let rows: Vec<PlanRow> = SerdeCodec.decode(frame).ok()?;
            rows.last().map(|row| row.tick.id)
        });
        if last.is_some_and(|last| last >= oldest) {
            break;
        }
        ended.push(name);
    }
    Ok(ended)
}
