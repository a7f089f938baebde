//! What a caller may choose, with the limits the kernel sets. Nothing here talks to the kernel.

use crate::Error;

/// Bytes the kernel keeps free in front of every received packet (`XDP_PACKET_HEADROOM`).
///
/// After the packet has been received they belong to the frame: a header of up to this size fits in front without
/// any configured headroom. See `include/uapi/linux/bpf.h`,
/// <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/bpf.h>.
pub const KERNEL_HEADROOM: u16 = 256;

/// Bytes in front of the packet that hold what is asked of the sender (`struct xsk_tx_metadata`).
///
/// See `include/uapi/linux/if_xdp.h`, <https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/if_xdp.h>.
pub const TX_METADATA_LEN: u16 = 24;

/// What a chunk must keep beside the headroom: the kernel's own headroom (256), the shared info behind the packet
/// (320) and the smallest packet worth a chunk (128).
///
/// See `xdp_umem_reg`, <https://github.com/torvalds/linux/blob/v6.18/net/xdp/xdp_umem.c>.
const CHUNK_RESERVE: u16 = 704;

/// The size of one chunk. The kernel accepts just these two while chunks are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChunkSize {
    /// 2,048 bytes: room for 1,792 bytes of packet with no extra headroom.
    #[default]
    K2,
    /// 4,096 bytes: room for 3,840 bytes of packet with no extra headroom.
    K4,
}

impl ChunkSize {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::K2 => 2048,
            Self::K4 => 4096,
        }
    }
}

/// How to lay out a [`Umem`](crate::Umem).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UmemConfig {
    /// How many chunks, and so how many frames there will ever be.
    pub frames: u32,
    /// How large each chunk is.
    pub chunk: ChunkSize,
    /// Bytes in front of the packet, in addition to the [256](KERNEL_HEADROOM) the kernel leaves anyway. At most the
    /// chunk less 704.
    pub headroom: u16,
    /// Try huge pages of 2 MiB; fall back to normal pages when there are none. [`Umem::pages`](crate::Umem::pages)
    /// tells which it became.
    pub huge: bool,
    /// Keep [24 bytes](TX_METADATA_LEN) in front of each packet for what is asked of the sending device. Without it no
    /// checksum can be left to the device.
    pub tx_metadata: bool,
}

impl Default for UmemConfig {
    fn default() -> Self {
        Self { frames: 4096, chunk: ChunkSize::K2, headroom: 0, huge: false, tx_metadata: false }
    }
}

impl UmemConfig {
    /// Checks the limits and returns the size of the area in bytes.
    pub(crate) fn area_len(&self) -> Result<usize, Error> {
        if self.frames == 0 {
            return Err(Error::Config("a umem of 0 frames was asked for: ask for 1 or more"));
        }
        if usize::from(self.headroom) > self.chunk.bytes() - usize::from(CHUNK_RESERVE) {
            return Err(Error::Config(
                "the headroom leaves no room for packets: it may be 1344 in chunks of 2048 and 3392 in chunks of 4096",
            ));
        }
        usize::try_from(self.frames)
            .ok()
            .and_then(|frames| frames.checked_mul(self.chunk.bytes()))
            .ok_or(Error::Config("the area is larger than the address space: ask for fewer frames"))
    }
}
