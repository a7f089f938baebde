//! The rings of a socket over ordinary memory, and at their other end a kernel that is played: what they cost by themselves,
//! without a device and without a system call.

use super::queues::Queues;
use crate::config::KERNEL_HEADROOM;
use crate::frame::Frame;
use crate::ring::testing::pair_and_memory;
use crate::ring::{Consumer, Producer};
use crate::umem::Umem;
use std::fmt;

/// A socket that nobody is behind. Packets come in when [`receive`](Self::receive) is called, with whatever bytes their
/// frames have, and are sent when [`send`](Self::send) is.
///
/// ```
/// use af_xdp::{Loopback, Umem, UmemConfig};
///
/// let umem = Umem::new(&UmemConfig { frames: 64, ..UmemConfig::default() })?;
/// let mut pool: Vec<_> = umem.take_frames().collect();
/// let mut rings = Loopback::new(&umem, 64);
/// rings.fill(|| pool.pop());
/// assert_eq!(rings.receive(8, 60), 8);
/// let mut batch = Vec::new();
/// rings.rx(64, |frame| batch.push(frame));
/// assert!(batch.drain(..).all(|frame| rings.tx(frame).is_ok()));
/// assert_eq!(rings.send(), 8);
/// assert_eq!(rings.complete(|frame| pool.push(frame)), 8);
/// # Ok::<(), af_xdp::Error>(())
/// ```
pub struct Loopback<'u> {
    queues: Queues<'u>,
    chunk: u64,
    filled: Consumer<u64>,
    received: Producer<libc::xdp_desc>,
    waiting: Consumer<libc::xdp_desc>,
    sent: Producer<u64>,
}

impl<'u> Loopback<'u> {
    /// Four rings of so many entries.
    ///
    /// # Panics
    /// When that is no power of two.
    #[must_use]
    pub fn new(umem: &'u Umem, entries: u32) -> Self {
        assert!(entries.is_power_of_two(), "a ring of {entries} entries");
        let nothing = libc::xdp_desc { addr: 0, len: 0, options: 0 };
        let (fill, filled, _) = pair_and_memory(entries, 0, 0);
        let (received, rx, _) = pair_and_memory(entries, 0, nothing);
        let (tx, waiting, _) = pair_and_memory(entries, 0, nothing);
        let (sent, completion, _) = pair_and_memory(entries, 0, 0);
        let chunk = umem.config().chunk.bytes() as u64;
        Self {
            queues: Queues::new(umem, (fill, rx), (tx, completion), false),
            chunk,
            filled,
            received,
            waiting,
            sent,
        }
    }

    /// As [`Socket::fill`](crate::Socket::fill).
    pub fn fill(&mut self, frames: impl FnMut() -> Option<Frame<'u>>) -> usize {
        self.queues.fill(frames)
    }

    /// As [`Socket::rx`](crate::Socket::rx).
    pub fn rx(&mut self, max: usize, take: impl FnMut(Frame<'u>)) -> usize {
        self.queues.rx(max, take)
    }

    /// As [`Socket::tx`](crate::Socket::tx).
    ///
    /// # Errors
    /// The frame, when the ring is full or the frame cannot be sent.
    pub fn tx(&mut self, frame: Frame<'u>) -> Result<(), Frame<'u>> {
        self.queues.tx(frame)
    }

    /// As [`Socket::complete`](crate::Socket::complete).
    pub fn complete(&mut self, take: impl FnMut(Frame<'u>)) -> usize {
        self.queues.complete(take)
    }

    /// Plays the kernel: up to `count` packets of `len` bytes arrive in frames that were filled in, as far as there is room for them. How many did.
    pub fn receive(&mut self, count: usize, len: u32) -> usize {
        let (before, after) = self.filled.take(count.min(self.received.space() as usize));
        let mut received = 0;
        for address in before.iter().chain(after) {
            let addr = address / self.chunk * self.chunk + u64::from(KERNEL_HEADROOM);
            received += usize::from(self.received.push(libc::xdp_desc { addr, len, options: 0 }));
        }
        self.filled.publish();
        self.received.publish();
        received
    }

    /// As [`Socket::wake`](crate::Socket::wake), and plays the kernel: all that was given to send is sent and completed, as far as there is room. How many packets it was.
    pub fn send(&mut self) -> usize {
        self.queues.tx.publish();
        let (before, after) = self.waiting.take(self.sent.space() as usize);
        let mut sent = 0;
        for packet in before.iter().chain(after) {
            sent += usize::from(self.sent.push(packet.addr));
        }
        self.waiting.publish();
        self.sent.publish();
        sent
    }
}

impl fmt::Debug for Loopback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loopback").field("outstanding", &self.queues.outstanding).finish_non_exhaustive()
    }
}
