//! What routers say of a tunnel of which nobody knows yet that something was sent into it: a worker tells that a second later or two,
//! and the first packet of a guest may be answered within a millisecond. So the workers are asked for their counts, and the report
//! is judged when they have answered. They are not asked often: a flood of made-up reports must not keep them counting.

use super::sweep::Sweeper;
use crate::allowance::{Allowance, Limit};
use crate::pmtu::Report;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How many wait at a time.
const MOST: usize = 16;
/// How often workers are asked for it: so many times a second, and so many at once after a pause.
const ASKED: Limit = Limit { per_second: 10, burst: 20 };
/// When to look whether they have answered, and how long at the most.
const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_millis(500);

/// One that waits.
struct Doubt {
    report: Report,
    sweeper: Sweeper,
    asked: Vec<u64>,
    until: Instant,
}

/// Those that wait, in the order in which they were heard.
pub(super) struct Doubts {
    waiting: VecDeque<Doubt>,
    look_at: Instant,
    since: Instant,
    allowance: Allowance,
}

impl Default for Doubts {
    fn default() -> Doubts {
        let now = Instant::now();
        Doubts { waiting: VecDeque::new(), look_at: now, since: now, allowance: Allowance::default() }
    }
}

impl Doubts {
    /// One more, for which the workers are asked. False where they were asked too often.
    pub(super) fn add(&mut self, report: Report, sweeper: Sweeper, now: Instant) -> bool {
        let ms = now.saturating_duration_since(self.since).as_millis() as u64;
        let may = self.waiting.len() < MOST && self.allowance.take(ASKED, ms);
        if may {
            let (asked, until) = (sweeper.ask(), now + PATIENCE);
            self.waiting.push_back(Doubt { report, sweeper, asked, until });
            self.look_at = now + PAUSE;
        }
        may
    }

    /// Those for which the workers have answered, or never will.
    pub(super) fn answered(&mut self, now: Instant) -> Vec<Report> {
        self.look_at = now + PAUSE;
        let is_answered = |doubt: &Doubt| doubt.until <= now || doubt.sweeper.has_swept(&doubt.asked);
        let (answered, waiting): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(is_answered);
        self.waiting = waiting.into();
        answered.into_iter().map(|doubt| doubt.report).collect()
    }

    /// When to look for them.
    pub(super) fn until(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.look_at)
    }
}
