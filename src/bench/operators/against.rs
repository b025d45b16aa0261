//! A program beside a plain loop that gives as many rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use timely::dataflow::operators::InspectCore;

use super::drive::{Subject, drive, median, plain};
use crate::batch::RowStream;
use crate::bench::Settings;
use crate::bench::report::{BenchRow, Report};
use crate::{Context, DStream, RunError, Strategy};

/// Counts rows where they leave a program.
#[derive(Clone, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts the rows of a stream, with which batches are complete.
    pub(super) fn count<'s, X: Clone + 'static>(&self, ctx: Context<'s>, rows: RowStream<'s, X>) {
        let Counter(seen) = self.clone();
        ctx.complete_with(rows.inspect_container(move |event| {
            if let Ok((_, rows)) = event {
                seen.fetch_add(rows.len() as u64, Ordering::Relaxed);
            }
        }));
    }

    pub(super) fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is measured on which records.
pub(super) struct Family {
    pub(super) bench: &'static str,
    pub(super) dataset: String,
    pub(super) batch: usize,
    pub(super) records: Arc<Vec<u64>>,
}

impl Family {
    /// Measures the loop, which says how many rows each batch gives, and the program on 1 and 2
    /// workers; gives the row of 1 worker, if it is wanted.
    ///
    /// # Panics
    ///
    /// If the program gives another number of rows than the loop.
    pub(super) fn measure<S>(
        &self,
        settings: &Settings,
        report: &mut Report,
        progress: &mut dyn FnMut(&BenchRow),
        begin: impl Fn() -> S,
        step: impl Fn(&mut S, &[u64]) -> u64,
        program: impl Fn(Context<'_>, DStream<'_, u64>, &Counter) + Clone + Send + Sync + 'static,
    ) -> Result<Option<BenchRow>, RunError> {
        const VARIANT: &str = "hash index";
        if !settings.wants(&[self.bench, &self.dataset, VARIANT]) {
            return Ok(None);
        }
        let mut expected = 0;
        let limit = median(settings, || {
            let mut state = begin();
            expected = 0;
            Ok(plain((self.bench, &self.dataset), &self.records, self.batch, |batch| {
                expected += step(&mut state, batch);
            }))
        })?;
        let limit_rate = limit.records_per_s;
        report.add(limit, progress);
        let mut alone = None;
        for workers in [1, 2] {
            let subject = Subject {
                bench: self.bench,
                variant: VARIANT.into(),
                dataset: self.dataset.clone(),
                workers,
                strategy: Strategy::HashIndex,
                batch: self.batch,
                records: Arc::clone(&self.records),
            };
            let mut row = median(settings, || {
                let counter = Counter::default();
                let (seen, program) = (counter.clone(), program.clone());
                let row = drive(&subject, move |ctx, records| program(ctx, records, &seen))?;
                let found = counter.seen();
                assert_eq!(found, expected, "{} on {} gives other rows", self.bench, self.dataset);
                Ok(row)
            })?;
            row.ratio_to_limit = Some(row.records_per_s / limit_rate);
            alone = alone.or_else(|| Some(row.clone()));
            report.add(row, progress);
        }
        Ok(alone)
    }
}
