//! A user's own process by key, with state of several kinds and timers.

use tidegate_operators::Record;
use tidegate_operators::event_time::pace;
use tidegate_operators::keyed::Process;
use timely::dataflow::operators::generic::operator::empty;

use super::{DStream, StateStream};

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// Calls a [`Process`] for each key that has records in a batch, and when a timer is due that
    /// it has set: Spark's `transformWithState`. The state of a key is made of values, lists and
    /// maps, whose parts may expire; both timers and expiry go by batch time, so that they are the
    /// same in every run. For timers in event time begin with a watermark
    /// ([`EventStream::process_by_key`](crate::EventStream::process_by_key)).
    ///
    /// Kept, in a hash index whatever the strategy: the state and the timers of each key, until
    /// nothing is left of them. A batch costs the records that it has, and what is due or expires
    /// in it; keys that are idle cost nothing.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{ListState, Process, Timer, Turn};
    ///
    /// /// Gathers the words of each length for two seconds.
    /// #[derive(Clone)]
    /// struct Gather;
    ///
    /// impl Process<usize, String> for Gather {
    ///     type State = ListState<String>;
    ///     type Emitted = String;
    ///
    ///     fn on_rows(
    ///         &mut self,
    ///         _length: &usize,
    ///         words: Vec<String>,
    ///         gathered: &mut ListState<String>,
    ///         turn: &mut Turn<'_, String>,
    ///     ) {
    ///         if gathered.is_empty() {
    ///             turn.set_timer(Timer::BatchTime(turn.tick().time_ms + 2_000));
    ///         }
    ///         words.into_iter().for_each(|word| gathered.push(word));
    ///     }
    ///
    ///     fn on_timer(
    ///         &mut self,
    ///         _length: &usize,
    ///         _timer: Timer,
    ///         gathered: &mut ListState<String>,
    ///         turn: &mut Turn<'_, String>,
    ///     ) {
    ///         turn.emit(gathered.iter().cloned().collect::<Vec<_>>().join(" "));
    ///         gathered.clear();
    ///     }
    /// }
    ///
    /// let words = vec![vec!["tide", "in"], vec!["gate"], vec![], vec!["time"]];
    /// let given = batches(words, |words| {
    ///     words.map(|word| (word.len(), word)).process_by_key(Gather).emitted()
    /// });
    /// assert_eq!(given[..2], [[""; 0], [""; 0]]);
    /// assert_eq!(given[2].len(), 2);
    /// assert!(given[2].contains(&"tide gate".to_string()));
    /// ```
    ///
    /// # Panics
    ///
    /// In the job, if the process sets a timer in event time.
    pub fn process_by_key<P: Process<K, V>>(
        self,
        process: P,
    ) -> StateStream<'s, K, P::State, P::Emitted> {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        let rows = pace(self.shipped_by_key(), empty(ctx.scope()));
        StateStream::of_process(ctx, &options, rows, slide, process)
    }
}
