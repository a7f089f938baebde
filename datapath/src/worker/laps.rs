//! How long the stages of a turn take: in one turn of 64 that have frames, the processor's counter of cycles is read at the end of
//! each stage.
//!
//! Which turns are timed does not depend on what is in them, and all others pay a comparison for each stage. Nothing that a worker does
//! depends on what the counter shows.

use crate::stats::{PerfCounters, Stage, cycles};

/// One turn of so many that have frames is timed.
const EVERY: u32 = 64;

/// The times of a turn.
#[derive(Debug, Default)]
pub(super) struct Laps {
    /// This turn is timed.
    timing: bool,
    /// How many turns with frames go by before the next one is.
    until: u32,
    first: u64,
    last: u64,
    stages: [u64; Stage::COUNT],
}

impl Laps {
    /// A turn begins.
    #[inline]
    pub(super) fn begin(&mut self) {
        if self.until == 0 {
            self.start();
        }
    }

    #[cold]
    fn start(&mut self) {
        let Some(now) = cycles::now() else { return };
        self.timing = true;
        (self.first, self.last) = (now, now);
        self.stages = [0; Stage::COUNT];
    }

    /// A stage has ended, of which a turn may have several, one a port.
    #[inline(always)]
    pub(super) fn end_of(&mut self, stage: Stage) {
        if self.timing {
            self.take(stage);
        }
    }

    #[cold]
    fn take(&mut self, stage: Stage) {
        // A counter that went back, when a virtual machine was moved, has counted nothing.
        let now = cycles::now().unwrap_or_default().max(self.last);
        self.stages[stage as usize] += now - self.last;
        self.last = now;
    }

    /// The turn has ended, with so many frames. One that had none does not count, and the next one is timed in its place.
    #[inline]
    pub(super) fn end(&mut self, frames: usize, counters: &mut PerfCounters) {
        if frames == 0 {
            return;
        }
        counters.turn(frames);
        if self.timing {
            self.keep(frames, counters);
        }
        self.until = self.until.checked_sub(1).unwrap_or(EVERY - 1);
    }

    #[cold]
    fn keep(&mut self, frames: usize, counters: &mut PerfCounters) {
        self.timing = false;
        counters.timed_turns += 1;
        counters.timed_frames += frames as u64;
        counters.timed_cycles += self.last - self.first;
        counters.stages.iter_mut().zip(self.stages).for_each(|(sum, cycles)| *sum += cycles);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_turn_of_64_with_frames_is_timed_and_its_stages_are_all_of_it() {
        let (mut laps, mut counters) = (Laps::default(), PerfCounters::default());
        for n in 0..20 * EVERY as usize {
            laps.begin();
            laps.end_of(Stage::Rx);
            laps.end_of(Stage::Execute);
            laps.end_of(Stage::Rx);
            laps.end((n % 2) * 3, &mut counters);
        }
        assert_eq!((counters.frames, counters.turns[1]), (30 * u64::from(EVERY), 10 * u64::from(EVERY)));
        let timed = if cycles::now().is_some() { 10 } else { 0 };
        assert_eq!((counters.timed_turns, counters.timed_frames), (timed, 3 * timed));
        assert_eq!(counters.timed_cycles, counters.stages.iter().sum());
        let (rx, execute) = (counters.stages[Stage::Rx as usize], counters.stages[Stage::Execute as usize]);
        assert_eq!(rx + execute, counters.timed_cycles);
    }
}
