//! Sliding windows: the rule that says when a record goes again, and the ring that acts on it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::Tick;

/// A window of `length` batches that slides by `slide` batches.
///
/// A record of batch `t` is in the window from `ceil(t / slide) * slide` until
/// `ceil((t + length) / slide) * slide`, and never if the two are equal.
///
/// ```
/// use tidegate_operators::WindowRule;
///
/// let rule = WindowRule::new(4, 2);
/// assert_eq!(rule.stay(3), Some((4, 8)));
///
/// // A slide longer than the window leaves gaps.
/// let gaps = WindowRule::new(2, 3);
/// assert_eq!(gaps.stay(1), None);
/// assert_eq!(gaps.stay(2), Some((3, 6)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WindowRule {
    length: u64,
    slide: u64,
}

impl WindowRule {
    /// A window of `length` batches that slides by `slide` batches.
    ///
    /// # Panics
    ///
    /// If either is 0.
    pub fn new(length: u64, slide: u64) -> Self {
        assert!(length > 0 && slide > 0, "a window of {length} batches that slides by {slide}");
        WindowRule { length, slide }
    }

    /// The window's length, in batches.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// By how many batches the window slides.
    pub fn slide(&self) -> u64 {
        self.slide
    }

    /// When a record of batch `id` comes into the window and when it goes again.
    pub fn stay(&self, id: u64) -> Option<(u64, u64)> {
        let enter = id.next_multiple_of(self.slide);
        let exit = (id + self.length).next_multiple_of(self.slide);
        (enter < exit).then_some((enter, exit))
    }
}

/// What a window holds, by the batch at which it falls due: a ring of panes.
///
/// A pane is what comes and goes together. Panes enter and exit in the order in which they were
/// pushed, so both ends of the queue are all that is ever looked at.
///
/// ```
/// use tidegate_operators::window::{Due, Ring};
/// use tidegate_operators::{Tick, WindowRule};
///
/// let (rule, mut ring) = (WindowRule::new(2, 1), Ring::<Vec<char>>::default());
/// ring.pane(rule, 1).unwrap().content.push('a');
/// let mut told = Vec::new();
/// for id in 1..=3 {
///     let tick = Tick { id, previous: id - 1, time_ms: 0, last: false };
///     ring.advance(&tick, |due| match due {
///         Due::Enter(pane) => told.push((id, "comes", pane.content.clone())),
///         Due::Exit(pane) | Due::Missed(pane) => told.push((id, "goes", pane.content)),
///     });
/// }
/// assert_eq!(told, [(1, "comes", vec!['a']), (3, "goes", vec!['a'])]);
/// ```
#[derive(Clone, Debug)]
pub struct Ring<P> {
    /// Panes still to come.
    waiting: VecDeque<Pane<P>>,
    /// Panes in the window.
    inside: VecDeque<Pane<P>>,
}

/// What comes and goes together.
#[derive(Clone, Debug)]
pub struct Pane<P> {
    /// The batch at which it comes.
    pub enter: u64,
    /// The batch at which it goes.
    pub exit: u64,
    /// What it is.
    pub content: P,
}

/// A pane that falls due.
#[derive(Debug)]
pub enum Due<'a, P> {
    /// It comes into the window.
    Enter(&'a mut Pane<P>),
    /// It goes.
    Exit(Pane<P>),
    /// The batches of its whole stay were skipped: it was never in the window.
    Missed(Pane<P>),
}

impl<P> Default for Ring<P> {
    fn default() -> Self {
        Ring { waiting: VecDeque::new(), inside: VecDeque::new() }
    }
}

impl<P> Ring<P> {
    /// The pane for what comes with batch `id`; `None` if that is never in the window.
    pub fn pane(&mut self, rule: WindowRule, id: u64) -> Option<&mut Pane<P>>
    where
        P: Default,
    {
        let (enter, exit) = rule.stay(id)?;
        Some(self.waiting_pane(enter, exit))
    }

    /// The pane of a batch's rows by a rule, or by none: then nothing ever goes.
    pub(crate) fn pane_by(&mut self, rule: Option<WindowRule>, id: u64) -> Option<&mut Pane<P>>
    where
        P: Default,
    {
        const NEVER: u64 = u64::MAX;
        match rule {
            Some(rule) => self.pane(rule, id),
            None => Some(self.waiting_pane(id, NEVER)),
        }
    }

    /// The pane that comes and goes at these batches, at the end of those still to come; for
    /// restoring. Panes must be asked for in the order of their entry.
    pub fn waiting_pane(&mut self, enter: u64, exit: u64) -> &mut Pane<P>
    where
        P: Default,
    {
        let last = self.waiting.back();
        if last.is_none_or(|pane| (pane.enter, pane.exit) != (enter, exit)) {
            self.waiting.push_back(Pane { enter, exit, content: P::default() });
        }
        self.waiting.back_mut().expect("pushed if there was none")
    }

    /// Calls `due` for each pane that falls due at the tick: those that come, then those that go.
    pub fn advance(&mut self, tick: &Tick, mut due: impl FnMut(Due<'_, P>)) {
        while let Some(mut pane) = self.waiting.pop_front_if(|pane| pane.enter <= tick.id) {
            if pane.exit > tick.id {
                due(Due::Enter(&mut pane));
                self.inside.push_back(pane);
            } else {
                due(Due::Missed(pane));
            }
        }
        while let Some(pane) = self.inside.pop_front_if(|pane| pane.exit <= tick.id) {
            due(Due::Exit(pane));
        }
    }

    /// The panes in the window, oldest first.
    pub fn inside(&self) -> impl Iterator<Item = &Pane<P>> {
        self.inside.iter()
    }

    /// All panes, those still to come included, oldest first.
    pub fn panes(&self) -> impl Iterator<Item = &Pane<P>> {
        self.inside.iter().chain(&self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(previous: u64, id: u64) -> Tick {
        Tick { id, previous, time_ms: 0, last: false }
    }

    /// The window at each cut batch, by the rule's definition and by the ring.
    fn agrees(length: u64, slide: u64, cuts: &[u64]) {
        let rule = WindowRule::new(length, slide);
        let mut ring: Ring<Vec<u64>> = Ring::default();
        let mut held: Vec<u64> = Vec::new();
        let mut previous = 0;
        for (index, id) in cuts.iter().copied().enumerate() {
            if let Some(pane) = ring.pane(rule, id) {
                pane.content.push(id);
            }
            let mut gone = Vec::new();
            ring.advance(&tick(previous, id), |due| match due {
                Due::Enter(pane) => held.extend(&pane.content),
                Due::Exit(pane) => gone.extend(pane.content),
                Due::Missed(pane) => assert!(pane.exit <= id),
            });
            held.retain(|batch| !gone.contains(batch));
            let expected: Vec<u64> = cuts[..=index]
                .iter()
                .copied()
                .filter(|batch| rule.stay(*batch).is_some_and(|(a, b)| a <= id && id < b))
                .collect();
            assert_eq!(held, expected, "length {length}, slide {slide}, at {id} of {cuts:?}");
            previous = id;
        }
    }

    #[test]
    fn the_ring_holds_what_the_rule_says_whatever_ticks_are_skipped() {
        let mut word = 1u64;
        for length in 1..7 {
            for slide in 1..7 {
                agrees(length, slide, &(1..30).collect::<Vec<_>>());
                for _ in 0..20 {
                    let mut id = 0;
                    let cuts: Vec<u64> = (0..20)
                        .map(|_| {
                            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            id += 1 + (word >> 60) % 5;
                            id
                        })
                        .collect();
                    agrees(length, slide, &cuts);
                }
            }
        }
    }
}
