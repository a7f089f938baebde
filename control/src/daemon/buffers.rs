//! How large the buffers of workers are: as large as the longest frames of their devices want them.

use af_xdp::ChunkSize;
use datapath::mem::LONG_MAX;

/// What a worker's frames lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffers {
    pub(super) chunk: ChunkSize,
    /// Besides there are long frames, for packets that fit no chunk.
    pub(super) long: bool,
}

impl Buffers {
    /// For devices with this MTU and smaller ones.
    pub(super) fn of(mtu: u32) -> Buffers {
        let longest = mtu.saturating_add(LINK);
        let chunk = if longest <= room(ChunkSize::K2) { ChunkSize::K2 } else { ChunkSize::K4 };
        Buffers { chunk, long: exceeds_one(mtu) }
    }
}

/// A frame is its MTU, an Ethernet header and up to two tags.
const LINK: u32 = 14 + 8;

fn room(chunk: ChunkSize) -> u32 {
    chunk.bytes() as u32 - u32::from(af_xdp::KERNEL_HEADROOM)
}

/// Whether the longest frames of a device with this MTU fit no chunk.
pub(super) fn exceeds_one(mtu: u32) -> bool {
    mtu.saturating_add(LINK) > room(ChunkSize::K4)
}

/// Whether they fit no buffer that there is.
pub(super) fn exceeds_all(mtu: u32) -> bool {
    mtu.saturating_add(LINK) > LONG_MAX as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_as_large_as_the_longest_frame_wants_them() {
        let of = |mtu| (Buffers::of(mtu).chunk, Buffers::of(mtu).long);
        assert_eq!([of(0), of(1770)], [(ChunkSize::K2, false); 2], "1,792 bytes");
        assert_eq!([of(1771), of(3818)], [(ChunkSize::K4, false); 2], "3,840 bytes");
        assert_eq!([of(3819), of(9000), of(u32::MAX)], [(ChunkSize::K4, true); 3]);
        assert_eq!([16_106, 16_107, u32::MAX].map(exceeds_all), [false, true, true], "16,128 bytes");
    }
}
