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

/// How many frames a packet may span when it is sent in copy mode: a head and `MAX_SKB_FRAGS` fragments. The kernel drops
/// a longer one and does not give its frames back.
///
/// See `xsk_build_skb` in <https://github.com/torvalds/linux/blob/v6.18/net/xdp/xsk.c>.
pub const MAX_FRAGMENTS: usize = 18;

/// What a chunk must keep beside the headroom: the kernel's own headroom (256), the shared info behind the packet
/// (320) and the smallest packet worth a chunk (128).
///
/// `xdp_umem_reg` in <https://github.com/torvalds/linux/blob/v6.18/net/xdp/xdp_umem.c> asks for the first alone; the
/// stable releases after it ask for all three (found with 6.18.44), so that is the limit here for every kernel.
const CHUNK_RESERVE: u16 = 704;

/// The size of one chunk. The kernel accepts the first two while chunks are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChunkSize {
    /// 2,048 bytes: room for 1,792 bytes of packet with no extra headroom.
    #[default]
    K2,
    /// 4,096 bytes: room for 3,840 bytes of packet with no extra headroom.
    K4,
    /// 16,384 bytes: room for 16,128 bytes of packet with no extra headroom. The kernel takes no such chunk, so no socket
    /// opens on the area: it is for packets that came in several frames and are put together, and for those that will be
    /// sent in several.
    K16,
}

impl ChunkSize {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::K2 => 2048,
            Self::K4 => 4096,
            Self::K16 => 16_384,
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
                "the headroom leaves no room for packets: it may be 1344 in chunks of 2048, 3392 in chunks of 4096 and \
                 15680 in chunks of 16384",
            ));
        }
        usize::try_from(self.frames)
            .ok()
            .and_then(|frames| frames.checked_mul(self.chunk.bytes()))
            .ok_or(Error::Config("the area is larger than the address space: ask for fewer frames"))
    }
}

/// How the kernel moves packets between the device and the umem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The device reads and writes the umem itself; the driver must know how.
    ZeroCopy,
    /// The kernel copies; works with every device.
    Copy,
}

/// Which [`Mode`] to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModeRequest {
    /// Zero-copy, and copy when the device refuses. [`Socket::mode`](crate::Socket::mode) tells what was got.
    #[default]
    Auto,
    /// Zero-copy or an error.
    ZeroCopy,
    /// Copy, whatever the device can do.
    Copy,
}

impl ModeRequest {
    /// What to try, best first.
    pub(crate) const fn ladder(self) -> &'static [Mode] {
        match self {
            Self::Auto => &[Mode::ZeroCopy, Mode::Copy],
            Self::ZeroCopy => &[Mode::ZeroCopy],
            Self::Copy => &[Mode::Copy],
        }
    }
}

/// Who fills in the checksum that a frame [requests](crate::Frame::request_checksum). Anything but `Off` needs a umem
/// with [`tx_metadata`](UmemConfig::tx_metadata).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TxChecksum {
    /// Nobody: requests are ignored, and the packet leaves as it is.
    #[default]
    Off,
    /// The sending device. In copy mode every device serves: the packet leaves with a partial checksum, as those of a
    /// local stack do, and the stack completes it where the device cannot. In zero-copy mode the driver must offer
    /// `tx-checksum` (see `xsk-features` in `Documentation/netlink/specs/netdev.yaml`); one that does not ignores the
    /// request.
    Offload,
    /// The kernel, in software (`XDP_UMEM_TX_SW_CSUM`). For copy mode, and for packets of one frame: the kernel sums the
    /// first frame alone.
    Software,
}

/// Spinning in the kernel on behalf of this socket. Takes effect where the driver has a NAPI id for the queue.
///
/// See the chapter on preferred busy polling in <https://docs.kernel.org/networking/napi.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusyPoll {
    /// How long one call may spin, in microseconds.
    pub usecs: u32,
    /// How many packets one call may handle.
    pub budget: u32,
}

/// How to open a [`Socket`](crate::Socket).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConfig {
    /// Entries of the ring of empty frames, a power of two.
    pub fill_size: u32,
    /// Entries of the ring of received packets, a power of two.
    pub rx_size: u32,
    /// Entries of the ring of packets to send, a power of two.
    pub tx_size: u32,
    /// Entries of the ring of sent frames, a power of two.
    pub completion_size: u32,
    /// Zero-copy, copy, or the best there is.
    pub mode: ModeRequest,
    /// Let the kernel say when it needs a system call to go on, rather than make one every time. Turn it off only to
    /// measure.
    pub need_wakeup: bool,
    /// Packets may span frames (`XDP_USE_SG`, Linux 6.6). The XDP program of the device must know fragments too.
    pub multi_buffer: bool,
    /// Spin in the kernel.
    pub busy_poll: Option<BusyPoll>,
    /// How many packets one system call may send in copy mode, from 32 (the kernel's default) to the size of the
    /// transmit ring (`XDP_MAX_TX_SKB_BUDGET`, Linux 6.17).
    pub tx_budget: Option<u32>,
    /// Who fills in requested checksums.
    pub tx_checksum: TxChecksum,
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self {
            fill_size: 2048,
            rx_size: 2048,
            tx_size: 2048,
            completion_size: 2048,
            mode: ModeRequest::Auto,
            need_wakeup: true,
            multi_buffer: false,
            busy_poll: None,
            tx_budget: None,
            tx_checksum: TxChecksum::Off,
        }
    }
}

impl SocketConfig {
    /// Checks what the kernel would refuse with a bare `EINVAL`.
    pub(crate) fn check(&self, umem: &UmemConfig) -> Result<(), Error> {
        if umem.chunk == ChunkSize::K16 {
            return Err(Error::Config(
                "the kernel takes chunks of 2048 and 4096 bytes only: ask for K2 or K4",
            ));
        }
        let sizes = [self.fill_size, self.rx_size, self.tx_size, self.completion_size];
        if !sizes.iter().all(|size| size.is_power_of_two()) {
            return Err(Error::Config("the size of a ring is not a power of two: ask for 2048, for example"));
        }
        if self.tx_checksum != TxChecksum::Off && !umem.tx_metadata {
            return Err(Error::Config(
                "checksums were to be left to the sender, but the umem was made without tx_metadata",
            ));
        }
        if self.tx_budget.is_some_and(|budget| budget < 32 || budget > self.tx_size) {
            return Err(Error::Config("tx_budget must lie between 32 and the size of the transmit ring"));
        }
        Ok(())
    }
}
