//! The mark at the start of a frame's payload, 18 bytes, so that it fits the shortest Ethernet frame: 60 bytes of Ethernet, IPv4
//! and UDP.
//!
//! ```text
//!  0        3      4     6            10       13             18
//! +--------+------+-----+------------+--------+--------------+
//! | ad 17 5e | kind | run |  sequence  | stream |     time     |   kind 1: one of the frames
//! +--------+------+-----+------------+--------+--------------+
//! | ad 17 5e | kind | run | start      | streams| frames sent  |   kind 2: no more will come
//! +--------+------+-----+------------+--------+--------------+
//! ```
//!
//! All numbers are big-endian. Time is `CLOCK_MONOTONIC` in nanoseconds, of which 40 bits are kept: it begins anew every 18
//! minutes. The start of the run is told in steps of 65,536 nanoseconds.

use ebpf::traffic::MARK_LEN;

/// How a mark begins. Nothing else is known to send this.
const MAGIC: [u8; 3] = [0xad, 0x17, 0x5e];
const FRAME: u8 = 1;
const END: u8 = 2;

/// How many streams a mark can tell apart.
pub const STREAMS_MAX: u32 = 1 << 24;
/// How many frames a run can count.
pub const FRAMES_MAX: u64 = (1 << 40) - 1;

const TIME_BITS: u32 = 40;
/// The start of a run is told without this many bits.
const START_BITS: u32 = 16;

/// A mark as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Of a frame that counts.
    Frame {
        /// Which run of a generator.
        run: u16,
        /// Which of its streams.
        stream: u32,
        /// Which frame of the stream, without the higher bits.
        sequence: u32,
        /// When it was sent.
        time: Time,
    },
    /// That a run is over.
    End {
        /// Which run.
        run: u16,
        /// How many streams it had.
        streams: u32,
        /// How many frames it sent.
        sent: u64,
        /// When it began.
        start: Start,
    },
}

/// The lower bits of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub u64);

/// A time told coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start(pub u32);

impl Time {
    /// Of a whole time in nanoseconds.
    #[inline]
    pub fn of(now_ns: u64) -> Time {
        Time(now_ns & ((1 << TIME_BITS) - 1))
    }

    /// How long before `now_ns` it was, in nanoseconds. None: it lies in the future, so it was read from another clock.
    #[inline]
    pub fn until(self, now_ns: u64) -> Option<u64> {
        let passed = now_ns.wrapping_sub(self.0) & ((1 << TIME_BITS) - 1);
        (passed >> (TIME_BITS - 1) == 0).then_some(passed)
    }
}

impl Start {
    /// Of a whole time in nanoseconds.
    pub fn of(now_ns: u64) -> Start {
        Start((now_ns >> START_BITS) as u32)
    }

    /// Whether it was at that time or later.
    pub fn is_after(self, then_ns: u64) -> bool {
        self.0.wrapping_sub(Start::of(then_ns).0) as i32 >= 0
    }
}

impl Mark {
    /// Reads the mark that a payload begins with, if it does.
    #[inline]
    pub fn parse(payload: &[u8]) -> Option<Mark> {
        let bytes: &[u8; MARK_LEN] = payload.first_chunk()?;
        let [m0, m1, m2, kind, r0, r1, a0, a1, a2, a3, b0, b1, b2, c0, c1, c2, c3, c4] = *bytes;
        if [m0, m1, m2] != MAGIC {
            return None;
        }
        let run = u16::from_be_bytes([r0, r1]);
        let first = u32::from_be_bytes([a0, a1, a2, a3]);
        let stream = u32::from_be_bytes([0, b0, b1, b2]);
        let last = u64::from_be_bytes([0, 0, 0, c0, c1, c2, c3, c4]);
        match kind {
            FRAME => Some(Mark::Frame { run, stream, sequence: first, time: Time(last) }),
            // As many streams as can be are told as none.
            END => {
                let streams = if stream == 0 { STREAMS_MAX } else { stream };
                Some(Mark::End { run, streams, sent: last, start: Start(first) })
            }
            _ => None,
        }
    }

    /// The bytes.
    pub fn to_bytes(self) -> [u8; MARK_LEN] {
        let (kind, run, first, stream, last) = match self {
            Mark::Frame { run, stream, sequence, time } => (FRAME, run, sequence, stream, time.0),
            Mark::End { run, streams, sent, start } => (END, run, start.0, streams, sent),
        };
        let ([r0, r1], [a0, a1, a2, a3]) = (run.to_be_bytes(), first.to_be_bytes());
        let ([_, b0, b1, b2], [_, _, _, c0, c1, c2, c3, c4]) = (stream.to_be_bytes(), last.to_be_bytes());
        let [m0, m1, m2] = MAGIC;
        [m0, m1, m2, kind, r0, r1, a0, a1, a2, a3, b0, b1, b2, c0, c1, c2, c3, c4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u16 = 0x1234;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let frame = Mark::Frame { run: RUN, stream: 0xabcdef, sequence: 7, time: Time::of(u64::MAX - 5) };
        let end = Mark::End { run: RUN, streams: STREAMS_MAX, sent: FRAMES_MAX, start: Start(u32::MAX) };
        for mark in [frame, end] {
            let bytes = mark.to_bytes();
            assert_eq!(Mark::parse(&[&bytes[..], b"more"].concat()), Some(mark));
            for len in 0..bytes.len() {
                assert_eq!(Mark::parse(&bytes[..len]), None);
            }
        }
    }

    #[test]
    fn other_payloads_have_no_mark() {
        assert_eq!(Mark::parse(&[0; 64]), None);
        let mut unknown = Mark::Frame { run: RUN, stream: 0, sequence: 0, time: Time(0) }.to_bytes();
        unknown[3] = 3;
        assert_eq!(Mark::parse(&unknown), None);
    }

    #[test]
    fn time_passes_over_the_bits_that_are_not_told() {
        let sent = (3 << TIME_BITS) - 10;
        assert_eq!(Time::of(sent).until(sent + 25), Some(25));
        assert_eq!(Time::of(sent).until(sent - 1), None);
    }

    #[test]
    fn a_start_is_before_or_after() {
        let then = (5 << 48) - 1;
        assert!(Start::of(then + (1 << 20)).is_after(then));
        assert!(!Start::of(then - (1 << 20)).is_after(then));
    }
}
