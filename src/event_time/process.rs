//! A user's own process by key, with timers in event time.

use tidegate_operators::Record;
use tidegate_operators::event_time::micros;
use tidegate_operators::keyed::Process;

use super::EventStream;
use crate::dstream::StateStream;

impl<'s, K: Record, V: Record> EventStream<'s, (K, V)> {
    /// Calls a [`Process`] as [`DStream::process_by_key`](crate::DStream::process_by_key) does:
    /// its rows are pairs of an event time, in milliseconds, and a value, and its timers may be in
    /// event time: they are due when the watermark has reached them. Late records are dropped;
    /// [`split_late`](EventStream::split_late) has them.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Process, Timer, Turn, ValueState};
    ///
    /// /// Says when a key has been silent for five milliseconds.
    /// #[derive(Clone)]
    /// struct Silence;
    ///
    /// impl Process<char, (i64, String)> for Silence {
    ///     type State = ValueState<i64>;
    ///     type Emitted = (char, i64);
    ///
    ///     fn on_rows(
    ///         &mut self,
    ///         _key: &char,
    ///         rows: Vec<(i64, String)>,
    ///         last: &mut ValueState<i64>,
    ///         turn: &mut Turn<'_, (char, i64)>,
    ///     ) {
    ///         let newest = rows.iter().map(|(at_ms, _)| *at_ms).chain(last.get().copied()).max();
    ///         turn.timers().to_vec().into_iter().for_each(|timer| turn.delete_timer(timer));
    ///         if let Some(newest) = newest {
    ///             last.update(newest);
    ///             turn.set_timer(Timer::EventTime(newest + 5));
    ///         }
    ///     }
    ///
    ///     fn on_timer(
    ///         &mut self,
    ///         key: &char,
    ///         _timer: Timer,
    ///         last: &mut ValueState<i64>,
    ///         turn: &mut Turn<'_, (char, i64)>,
    ///     ) {
    ///         last.get().copied().into_iter().for_each(|last| turn.emit((*key, last)));
    ///         last.clear();
    ///     }
    /// }
    ///
    /// let silent = batches(vec![vec!["a3", "b4"], vec!["a9"], vec![], vec!["a2"]], |words| {
    ///     let events = words.with_watermark(|word| word[1..].parse().unwrap_or(0), 0);
    ///     let events = events.key_by(|word| word.chars().next().unwrap_or(' '));
    ///     events.process_by_key(Silence).emitted()
    /// });
    /// // After the second batch the watermark is 9.
    /// assert_eq!(silent, [vec![], vec![], vec![('b', 4)], vec![]]);
    /// ```
    pub fn process_by_key<P: Process<K, (i64, V)>>(
        self,
        process: P,
    ) -> StateStream<'s, K, P::State, P::Emitted> {
        let (ctx, options, slide) = (self.ctx(), self.rows.options.clone(), self.rows.slide);
        let rows = match &self.clock {
            None => self.rows.clone(),
            Some(_) => self.sift("In time", |(stamp, _), mark| {
                stamp.at_us > micros(stamp.judged_by(mark).late_ms)
            }),
        };
        let pairs = rows.map(|(stamp, (key, value))| (key, (stamp.at_ms(), value)));
        let paced = self.paced(pairs.shipped_by_key());
        StateStream::of_process(ctx, &options, paced, slide, process)
    }
}
