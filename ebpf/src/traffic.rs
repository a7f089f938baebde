//! The contract between the program that makes traffic and `adit gen`.
//!
//! The program is run by the kernel's test facility over live frames: the kernel hands it one buffer after another, it writes
//! a frame of the next stream into it and redirects it to the device. All that differs from stream to stream stands in
//! [`TEMPLATES`]; sequence number, time and checksum are written by the program.
//!
//! ```text
//!  0                  headers              + MARK_LEN     SEED
//!  |  headers .. UDP  |  mark (18)         |   (unused)   | 2 bytes |
//! ```
//!
//! The program is in `generate.rs`; `scripts/build-ebpf` builds it and compares it with the committed object.

/// The program.
pub const PROGRAM: &str = "adit_generate";

/// Array of one [`Order`].
pub const ORDER: &str = "ORDER";

/// Array of one [`Progress`].
pub const PROGRESS: &str = "PROGRESS";

/// Array of [`Turn`]: the sizes in turn.
pub const TURNS: &str = "TURNS";

/// Array of templates of [`TEMPLATE_LEN`] bytes: all streams of the first size, all of the second, and so on.
pub const TEMPLATES: &str = "TEMPLATES";

/// Map of one device: where frames go.
pub const DEVICES: &str = "DEVICES";

/// The built program: a BPF ELF object, aligned for parsers that read it in place.
#[cfg(not(target_arch = "bpf"))]
pub static OBJECT: &[u8] = &OBJECT_ALIGNED.0;

#[cfg(not(target_arch = "bpf"))]
static OBJECT_ALIGNED: crate::Aligned<{ include_bytes!("../obj/traffic.bpf.o").len() }> =
    crate::Aligned(*include_bytes!("../obj/traffic.bpf.o"));

/// How many sizes can take turns.
pub const TURNS_MAX: u32 = 64;

/// The longest headers: Ethernet, IPv6, UDP and VXLAN or Geneve; in it Ethernet, a VLAN tag, IPv6 and UDP.
pub const HEADERS_MAX: usize = (14 + 40 + 8 + 8) + (14 + 4 + 40 + 8);

/// Length of the mark at the start of the payload.
pub const MARK_LEN: usize = 18;

/// Where the checksum of UDP is, so far in front of the mark.
pub const CHECKSUM_BEFORE: usize = 2;

/// In the mark: where the sequence number is, four bytes, big-endian.
pub const SEQUENCE: usize = 6;

/// In the mark: where the time is, five bytes, big-endian: nanoseconds of `CLOCK_MONOTONIC` without the higher bits.
pub const TIME: usize = 13;

/// In a template: the sum of all that UDP's checksum is made of, where sequence number, time and checksum are zero. Two
/// bytes in the processor's order, folded and not inverted.
pub const SEED: usize = HEADERS_MAX + MARK_LEN;

/// Length of a template.
pub const TEMPLATE_LEN: usize = 160;

const _: () = assert!(SEED + 2 <= TEMPLATE_LEN && TEMPLATE_LEN.is_multiple_of(8));

/// Fractions of a nanosecond in which the distance of frames is counted, as a power of two.
pub const FRACTION_BITS: u32 = 12;

/// What shall be done. Read by the program alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// When the run began, in nanoseconds of `CLOCK_MONOTONIC`.
    pub start: u64,
    /// When it ends.
    pub end: u64,
    /// How many frames at most.
    pub count: u64,
    /// Time from frame to frame, in `2^-FRACTION_BITS` nanoseconds; 0: as many as there can be.
    pub interval: u64,
    /// How much of lost time is made up for, in the same unit.
    pub patience: u64,
    /// How many streams there are.
    pub streams: u64,
    /// How many [`Turn`]s.
    pub turns: u64,
    /// Length of the headers: [`HEADERS_MAX`] at most.
    pub headers: u64,
}

impl Order {
    /// The value as the map holds it.
    pub fn to_words(self) -> [u64; 8] {
        let Order { start, end, count, interval, patience, streams, turns, headers } = self;
        [start, end, count, interval, patience, streams, turns, headers]
    }
}

/// How far it is. Written by the program alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many frames were sent.
    pub sent: u64,
    /// And their bytes.
    pub bytes: u64,
    /// When the next frame is due, after the start, in `2^-FRACTION_BITS` nanoseconds.
    pub due: u64,
    /// The stream of the next frame.
    pub stream: u64,
    /// Its sequence number.
    pub sequence: u64,
    /// Which turn the next frame takes.
    pub turn: u64,
    /// Which turn stream 0 has in this round: another one in the next, so that every stream gets every size.
    pub first_turn: u64,
    /// When the last frame was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub last: u64,
}

impl Progress {
    /// From the value as the map holds it.
    pub fn from_words([sent, bytes, due, stream, sequence, turn, first_turn, last]: [u64; 8]) -> Progress {
        Progress { sent, bytes, due, stream, sequence, turn, first_turn, last }
    }
}

/// A size.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Where its templates begin.
    pub templates: u32,
    /// The length of the frame.
    pub len: u32,
    /// By how much it is shorter than the longest.
    pub shorter: u32,
}

impl Turn {
    /// The value as the map holds it.
    pub fn to_words(self) -> [u32; 3] {
        [self.templates, self.len, self.shorter]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_an_aligned_elf_file() {
        assert!(OBJECT.starts_with(b"\x7fELF"));
        assert_eq!(OBJECT.as_ptr().align_offset(64), 0);
    }

    #[test]
    fn words_are_the_fields_in_their_order() {
        let order =
            Order { start: 1, end: 2, count: 3, interval: 4, patience: 5, streams: 6, turns: 7, headers: 8 };
        assert_eq!(order.to_words(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(size_of::<Order>(), size_of_val(&order.to_words()));
        assert_eq!(Progress::from_words([1, 2, 3, 4, 5, 6, 7, 8]).last, 8);
        assert_eq!(size_of::<Progress>(), 8 * 8);
        assert_eq!(Turn { templates: 1, len: 2, shorter: 3 }.to_words(), [1, 2, 3]);
    }
}
