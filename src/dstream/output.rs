//! Where a stream ends.

use std::rc::Rc;

use tidegate_operators::{Record, Tick, ship};

use super::{DStream, Order};
use crate::error::SinkError;
use crate::sink::{self, Console, ForeachBatch, Sink, TextFiles};

impl<D: Record> DStream<'_, D> {
    /// Writes each batch to a sink.
    ///
    /// A batch is complete when it is written, and each batch is written once, in order.
    pub fn sink(self, sink: impl Sink<D>) {
        self.end_in(Box::new(sink));
    }

    /// The same for all sinks: what follows is compiled once for a type of rows.
    fn end_in(self, sink: Box<dyn Sink<D>>) {
        let ctx = self.ctx;
        let slot = ctx.build().sink(sink);
        let peers = ctx.peers();
        let (workers, shards) = (peers.count(), slot.shards);
        let sort = match &self.order {
            Order::Tags => None,
            Order::Rows(order) => Some(order.sort),
        };
        let rows = if shards == 1 {
            ship::ship_chunks(self.chunks.clone(), peers, "to the sink", |_| 0)
        } else {
            let shard_of = Rc::clone(&slot.shard_of);
            ship::ship(self.chunks.clone(), peers, "to the sink", move |row| {
                shard_of(row) % shards % workers
            })
        };
        let wiring = sink::Wiring {
            index: slot.index,
            name: slot.name,
            writers: slot.writers,
            shard_of: slot.shard_of,
            sort,
            slide: self.slide,
            control: std::sync::Arc::clone(&ctx.build().control),
        };
        match sink::build(rows, ctx.build().plan.clone(), ctx.ticks(), wiring) {
            Ok(reports) => {
                let collector = Rc::clone(&ctx.build().collector);
                ctx.gather(reports, move |batch, report| {
                    collector.borrow_mut().written(batch, &report);
                });
            }
            Err(error) => ctx.abandon(error),
        }
    }

    /// Calls a function once for each batch with all its rows, on a thread of its own.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use tidegate::source::Queue;
    /// use tidegate::{Config, Local};
    ///
    /// let (numbers, seen) = (Queue::<u32>::new(1), Arc::new(Mutex::new(Vec::new())));
    /// let (input, log) = (numbers.clone(), Arc::clone(&seen));
    /// let mut local = Local::start(Config::new("job"), move |ctx| {
    ///     let log = Arc::clone(&log);
    ///     ctx.source(input.clone()).foreach_batch(move |tick, rows| {
    ///         log.lock().unwrap().push((tick.id, rows.len()));
    ///         Ok(())
    ///     });
    /// })
    /// .unwrap();
    /// numbers.push([1, 2, 3]);
    /// local.tick();
    /// local.tick();
    /// local.stop().unwrap();
    /// assert_eq!(*seen.lock().unwrap(), [(1, 3), (2, 0)]);
    /// ```
    pub fn foreach_batch<F>(self, function: F)
    where
        F: FnMut(&Tick, &[D]) -> Result<(), SinkError> + Clone + Send + 'static,
    {
        self.sink(ForeachBatch::new(function));
    }

    /// Prints the first ten rows of each batch to standard output.
    pub fn print(self) {
        self.sink(Console::new());
    }

    /// Writes each batch to a file `prefix-TIME[.suffix]`, one row a line.
    ///
    /// ```
    /// use tidegate::source::Queue;
    /// use tidegate::{Config, Local};
    ///
    /// let place = tempfile::tempdir()?;
    /// let (numbers, prefix) = (Queue::<u32>::new(1), place.path().join("numbers"));
    /// let (input, prefix) = (numbers.clone(), prefix.display().to_string());
    /// let mut local = Local::start(Config::new("job"), move |ctx| {
    ///     ctx.source(input.clone()).save_as_text_files(&prefix, Some("txt"));
    /// })?;
    /// numbers.push([1, 2]);
    /// local.tick();
    /// local.stop()?;
    /// let files: Vec<_> = std::fs::read_dir(place.path())?.collect::<Result<_, _>>()?;
    /// assert_eq!(files.len(), 1);
    /// assert_eq!(files[0].path().extension(), Some("txt".as_ref()));
    /// assert_eq!(std::fs::read_to_string(files[0].path())?, "1\n2\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_as_text_files(self, prefix: &str, suffix: Option<&str>) {
        let files = TextFiles::new(prefix);
        self.sink(match suffix {
            Some(suffix) => files.suffix(suffix),
            None => files,
        });
    }
}
