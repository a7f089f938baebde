//! What has come of each stream. Memory is set aside at the start, for so many streams and no more; what is beyond is counted
//! together.
//!
//! A stream remembers the highest number it has seen and which of the 256 up to it have come, so it knows a frame that comes
//! late from one that comes twice (RFC 4737 section 4.2.2, RFC 5560). One that comes more than 256 frames of its stream late is
//! taken for late.

use crate::traffic::mark::Start;

/// Words of the window.
const WORDS: usize = 4;
const WINDOW: u64 = 64 * WORDS as u64;
/// How many runs are told apart.
const RUNS: usize = 16;

/// One stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stream {
    /// Run and number, and that there is something here.
    key: u64,
    /// The lowest number and the highest, as if numbers had no end.
    first: u64,
    highest: u64,
    /// Which of the last have come: bit `n` is that of `highest - n`.
    window: [u64; WORDS],
    /// Different frames.
    pub(super) received: u64,
    pub(super) duplicated: u64,
    pub(super) reordered: u64,
    pub(super) latency_sum: u64,
    pub(super) latency_max: u64,
    pub(super) timed: u64,
}

/// One run of a generator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) run: u16,
    /// When it was first seen, on our clock.
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    pub(super) bytes: u64,
    pub(super) over: Option<Over>,
}

/// What a run said at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) streams: u32,
    pub(super) sent: u64,
    pub(super) start: Start,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Streams {
    /// A table with open addresses, at most half full.
    slots: Vec<Stream>,
    held: usize,
    room: usize,
    runs: Vec<Run>,
    /// Frames of streams that found no room, and of runs.
    pub(super) beyond: u64,
}

const PRESENT: u64 = 1 << 63;

impl Streams {
    /// Room for so many.
    pub(super) fn new(room: usize) -> Streams {
        let slots = (room.max(1) * 2).next_power_of_two();
        // Zeroed memory costs nothing before it is written.
        Streams {
            slots: vec![Stream::default(); slots],
            held: 0,
            room,
            runs: Vec::with_capacity(RUNS),
            beyond: 0,
        }
    }

    /// A frame of this run, stream and number has come. Returns its stream.
    #[inline]
    pub(super) fn frame(
        &mut self,
        run: u16,
        stream: u32,
        sequence: u32,
        len: usize,
        now_ns: u64,
    ) -> Option<&mut Stream> {
        let Some(known) = self.run(run, now_ns) else {
            self.beyond += 1;
            return None;
        };
        known.last_ns = now_ns;
        known.bytes += len as u64;
        let Some(place) = self.place(run, stream) else {
            self.beyond += 1;
            return None;
        };
        let found = &mut self.slots[place];
        found.take(sequence);
        Some(found)
    }

    /// A run has said that it is over.
    pub(super) fn over(&mut self, run: u16, over: Over, now_ns: u64) {
        if let Some(known) = self.run(run, now_ns) {
            known.over = Some(over);
        }
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Its streams that have been seen, with their numbers, in order.
    pub(super) fn of(&self, run: u16) -> Vec<(u32, &Stream)> {
        let of_run = |slot: &&Stream| slot.key & PRESENT != 0 && (slot.key >> 24) as u16 == run;
        let mut found: Vec<_> =
            self.slots.iter().filter(of_run).map(|slot| ((slot.key & 0xff_ffff) as u32, slot)).collect();
        found.sort_unstable_by_key(|(number, _)| *number);
        found
    }

    #[inline]
    fn run(&mut self, run: u16, now_ns: u64) -> Option<&mut Run> {
        if let Some(known) = self.runs.iter().position(|known| known.run == run) {
            return self.runs.get_mut(known);
        }
        // Not `push` alone: the list was sized once.
        if self.runs.len() == RUNS {
            return None;
        }
        self.runs.push(Run { run, first_ns: now_ns, last_ns: now_ns, bytes: 0, over: None });
        self.runs.last_mut()
    }

    /// Where a stream is kept.
    #[inline]
    fn place(&mut self, run: u16, stream: u32) -> Option<usize> {
        let key = PRESENT | u64::from(run) << 24 | u64::from(stream);
        let mask = self.slots.len() - 1;
        let mut place = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        // Half of the table is empty, so there is an end.
        loop {
            match self.slots[place].key {
                found if found == key => return Some(place),
                0 if self.held < self.room => {
                    self.held += 1;
                    self.slots[place].key = key;
                    return Some(place);
                }
                0 => return None,
                _ => place = (place + 1) & mask,
            }
        }
    }
}

impl Stream {
    /// Frames between the first and the last that came which did not.
    pub(super) fn gaps(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.received)
    }

    /// Of a stream that had so many frames in all, those behind the last that came.
    pub(super) fn missing_behind(&self, all: u64) -> u64 {
        // Numbers have 32 bits, and the nearer one is meant, as in `take`.
        let last = (all as u32).wrapping_sub(1);
        u64::from((last.wrapping_sub(self.highest as u32) as i32).max(0).unsigned_abs())
    }

    pub(super) fn time(&mut self, latency_ns: u64) {
        self.latency_sum += latency_ns;
        self.latency_max = self.latency_max.max(latency_ns);
        self.timed += 1;
    }

    #[inline]
    fn take(&mut self, sequence: u32) {
        if self.received == 0 {
            (self.first, self.highest, self.received) = (u64::from(sequence), u64::from(sequence), 1);
            self.window[0] = 1;
            return;
        }
        // RFC 1982: of two numbers 2^32 apart, the nearer one is meant.
        let ahead = i64::from(sequence.wrapping_sub(self.highest as u32) as i32);
        if ahead > 0 {
            self.highest += ahead as u64;
            self.shift(ahead as u64);
            self.window[0] |= 1;
            self.received += 1;
            return;
        }
        let behind = ahead.unsigned_abs();
        if behind > self.highest {
            // From before the first frame of all: of another run by the same name, at best.
            self.duplicated += 1;
            return;
        }
        if behind < WINDOW {
            let (word, bit) = ((behind / 64) as usize, 1_u64 << (behind % 64));
            if self.window[word] & bit != 0 {
                self.duplicated += 1;
                return;
            }
            self.window[word] |= bit;
        }
        self.first = self.first.min(self.highest - behind);
        self.received += 1;
        self.reordered += 1;
    }

    /// Moves the window on.
    #[inline]
    fn shift(&mut self, by: u64) {
        if by == 1 {
            let [a, b, c, d] = self.window;
            self.window = [a << 1, b << 1 | a >> 63, c << 1 | b >> 63, d << 1 | c >> 63];
            return;
        }
        let (words, bits) = ((by / 64).min(WORDS as u64) as usize, by % 64);
        let old = self.window;
        let word = |n: usize| n.checked_sub(words).and_then(|n| old.get(n)).copied().unwrap_or(0);
        let below = |n: usize| if n == 0 { 0 } else { word(n - 1) };
        for (n, slot) in self.window.iter_mut().enumerate() {
            *slot = if bits == 0 { word(n) } else { word(n) << bits | below(n) >> (64 - bits) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn taken(numbers: &[u32]) -> Stream {
        let mut stream = Stream::default();
        numbers.iter().for_each(|number| stream.take(*number));
        stream
    }

    fn counts(numbers: &[u32]) -> [u64; 4] {
        let stream = taken(numbers);
        [stream.received, stream.gaps(), stream.duplicated, stream.reordered]
    }

    #[test]
    fn what_comes_is_counted_for_what_it_is() {
        assert_eq!(counts(&[0, 1, 2, 3]), [4, 0, 0, 0]);
        assert_eq!(counts(&[0, 1, 4, 5]), [4, 2, 0, 0], "a gap");
        assert_eq!(counts(&[0, 1, 1, 2, 0]), [3, 0, 2, 0], "twice");
        assert_eq!(counts(&[0, 2, 1, 3]), [4, 0, 0, 1], "late");
        assert_eq!(counts(&[5, 3, 4]), [3, 0, 0, 2], "before the first");
        assert_eq!(counts(&[0, 1000, 1]), [3, 998, 0, 1], "later than the window");
        assert_eq!(counts(&[u32::MAX - 1, u32::MAX, 0, 1]), [4, 0, 0, 0], "numbers begin anew");
    }

    proptest! {
        /// Against a set, with numbers that do not jump further than the window remembers.
        #[test]
        fn counts_are_those_of_a_set(steps in proptest::collection::vec(-30_i64..60, 1..300)) {
            let (mut stream, mut seen) = (Stream::default(), HashSet::new());
            let (mut now, mut highest) = (10_000_i64, 0_i64);
            let (mut duplicated, mut reordered, mut first) = (0, 0, i64::MAX);
            for step in steps {
                now += step;
                if highest - now >= 256 { now = highest; }
                stream.take(now as u32);
                if !seen.insert(now) { duplicated += 1; } else if now < highest { reordered += 1; }
                highest = highest.max(now);
                first = first.min(now);
            }
            prop_assert_eq!(stream.received, seen.len() as u64);
            prop_assert_eq!((stream.duplicated, stream.reordered), (duplicated, reordered));
            prop_assert_eq!(stream.gaps(), (highest - first + 1) as u64 - seen.len() as u64);
        }
    }

    #[test]
    fn more_streams_than_there_is_room_for_are_counted_together() {
        let mut streams = Streams::new(100);
        for n in 0..150 {
            streams.frame(1, n, 0, 64, 5);
        }
        assert_eq!((streams.of(1).len(), streams.beyond), (100, 50));
        for run in 2..40 {
            streams.frame(run, 0, 0, 64, 5);
        }
        assert_eq!(streams.runs().len(), RUNS);
    }

    #[test]
    fn what_is_missing_behind_the_last_is_what_was_sent_after_it() {
        let stream = |last: u32| {
            let mut stream = Stream::default();
            [last - 1, last].into_iter().for_each(|sequence| stream.take(sequence));
            stream
        };
        assert_eq!(stream(9).missing_behind(10), 0);
        assert_eq!(stream(9).missing_behind(15), 5);
        // Another run by the same name.
        assert_eq!(stream(9).missing_behind(3), 0);
        // Numbers began anew meanwhile.
        assert_eq!(stream(u32::MAX).missing_behind((1 << 32) + 4), 4);
        assert_eq!(stream(2).missing_behind((1 << 32) + 4), 1);
    }
}
