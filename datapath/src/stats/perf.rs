//! What turns cost: how many frames they had, and how many cycles each stage took in those turns that were timed.

/// The stages of a turn, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Newer rules are adopted.
    Adopt,
    /// Frames that the device has sent come back.
    Reap,
    /// What controllers send is done.
    Inject,
    /// Free frames go to the device.
    Refill,
    /// Frames that came in form a batch.
    Rx,
    /// Outer headers are checked and cut off; frames become keys.
    Classify,
    /// The exact cache is asked.
    Lookup,
    /// The megaflows are asked, and the rules.
    Translate,
    /// Frames are edited, encapsulated, put out, dropped.
    Execute,
    /// Devices are woken up.
    Flush,
    /// Counts go to the rules; flows that nobody uses go.
    Sweep,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = Stage::ALL.len();
    /// All of them, in their order.
    pub const ALL: [Stage; 11] = [
        Stage::Adopt,
        Stage::Reap,
        Stage::Inject,
        Stage::Refill,
        Stage::Rx,
        Stage::Classify,
        Stage::Lookup,
        Stage::Translate,
        Stage::Execute,
        Stage::Flush,
        Stage::Sweep,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Adopt => "adopt",
            Stage::Reap => "reap",
            Stage::Inject => "inject",
            Stage::Refill => "refill",
            Stage::Rx => "rx",
            Stage::Classify => "classify",
            Stage::Lookup => "lookup",
            Stage::Translate => "translate",
            Stage::Execute => "execute",
            Stage::Flush => "flush",
            Stage::Sweep => "sweep",
        }
    }
}

/// How turns are told apart by their frames: 1, 2 to 3, 4 to 7, and so on; the last is for 128 and more, of several ports.
pub const SIZES: usize = 8;

/// What turns cost. Only turns in which a frame came in count here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerfCounters {
    /// Frames that came in.
    pub frames: u64,
    /// Turns by how many frames they had: entry `i` those of `2^i` to `2^(i+1) - 1`, the last one also those of more.
    pub turns: [u64; SIZES],
    /// Turns that were timed.
    pub timed_turns: u64,
    /// Their frames.
    pub timed_frames: u64,
    /// Cycles of all of them, from beginning to end.
    pub timed_cycles: u64,
    /// Cycles of each stage in them, in the order of [`Stage::ALL`].
    pub stages: [u64; Stage::COUNT],
}

impl PerfCounters {
    /// How many numbers these are.
    pub const FIELDS: usize = 4 + SIZES + Stage::COUNT;

    /// A turn had so many frames; none do not count.
    #[inline]
    pub fn turn(&mut self, frames: usize) {
        if let Some(size) = frames.checked_ilog2() {
            self.frames += frames as u64;
            self.turns[(size as usize).min(SIZES - 1)] += 1;
        }
    }

    /// The numbers in their order.
    pub fn values(&self) -> [u64; PerfCounters::FIELDS] {
        let PerfCounters { frames, turns, timed_turns, timed_frames, timed_cycles, stages } = self;
        let mut values = [0; PerfCounters::FIELDS];
        let all = [frames, timed_turns, timed_frames, timed_cycles].into_iter().chain(turns).chain(stages);
        values.iter_mut().zip(all).for_each(|(value, number)| *value = *number);
        values
    }

    /// Counters of these numbers.
    pub fn of(values: [u64; PerfCounters::FIELDS]) -> PerfCounters {
        let [frames, timed_turns, timed_frames, timed_cycles, ..] = values;
        let turns = std::array::from_fn(|i| values[4 + i]);
        let stages = std::array::from_fn(|i| values[4 + SIZES + i]);
        PerfCounters { frames, turns, timed_turns, timed_frames, timed_cycles, stages }
    }

    /// The sum with others.
    pub fn plus(&self, other: &PerfCounters) -> PerfCounters {
        let (ours, theirs) = (self.values(), other.values());
        PerfCounters::of(std::array::from_fn(|i| ours[i] + theirs[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_in_their_order() {
        assert!(Stage::ALL.iter().enumerate().all(|(i, stage)| *stage as usize == i));
    }

    #[test]
    fn turns_are_told_apart_by_their_frames() {
        let mut counters = PerfCounters::default();
        [0, 1, 2, 3, 4, 63, 64, 127, 128, 5000].into_iter().for_each(|frames| counters.turn(frames));
        assert_eq!(counters.turns, [1, 2, 1, 0, 0, 1, 2, 2]);
        assert_eq!(counters.frames, 1 + 2 + 3 + 4 + 63 + 64 + 127 + 128 + 5000);
    }

    #[test]
    fn counters_are_their_numbers() {
        let values = std::array::from_fn(|i| 1 + i as u64);
        let counters = PerfCounters::of(values);
        assert_eq!(counters.values(), values);
        assert_eq!(counters.plus(&counters).values(), values.map(|value| 2 * value));
    }
}
