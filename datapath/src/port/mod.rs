//! Ports: where frames come from and go to.
//!
//! Every kind has the same five verbs, called in this order once a turn: `reap` what the device is done with, `refill` what
//! it may write into, `rx`, `tx` (queues), `flush` (one wake-up). A port is owned by one worker.

mod chain;
mod checksum;
pub mod memory;
pub mod null;
pub mod packet;
pub mod pcap;
pub mod xsk;

pub use checksum::finish_checksum;
pub use memory::Memory;
pub use null::Null;
pub use packet::Packet;
pub use pcap::Pcap;
pub use xsk::Xsk;

use crate::mem::{Frame, FramePool};
use crate::stats::{DropReason, PortCounters};
use std::fmt;
use std::os::fd::BorrowedFd;

/// Index of a port in a worker's list. Not the number that OpenFlow uses: that is [`crate::flow::OfPort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u16);

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A port of some kind.
#[derive(Debug)]
pub enum Port<'u> {
    /// AF_XDP sockets on a device.
    Xsk(Xsk<'u>),
    /// An AF_PACKET socket on a device: where XDP cannot be had.
    Packet(Packet),
    /// Capture files.
    Pcap(Box<Pcap>),
    /// Queues of this process.
    Memory(Memory),
    /// A source of the same frames for ever, and a sink.
    Null(Null),
}

impl<'u> Port<'u> {
    /// Takes back the frames that the device has sent. `now_ns` is the turn's time, in nanoseconds.
    #[inline]
    pub fn reap(&mut self, pool: &mut FramePool<'u>, now_ns: u64) {
        match self {
            Port::Xsk(port) => port.reap(pool),
            Port::Pcap(port) => port.set_time(now_ns),
            Port::Packet(_) | Port::Memory(_) | Port::Null(_) => {}
        }
    }

    /// Gives the device frames to write into.
    #[inline]
    pub fn refill(&mut self, pool: &mut FramePool<'u>) {
        if let Port::Xsk(port) = self {
            port.refill(pool);
        }
    }

    /// Appends at most `max` frames that came in to `out`. Returns how many came in that no frame could hold.
    #[inline]
    pub fn rx(&mut self, pool: &mut FramePool<'u>, max: usize, out: &mut Vec<Option<Frame<'u>>>) -> u64 {
        match self {
            Port::Xsk(port) => port.rx(pool, max, out),
            Port::Packet(port) => port.rx(pool, max, out),
            Port::Pcap(port) => port.rx(pool, max, out),
            Port::Memory(port) => port.rx(pool, max, out),
            Port::Null(port) => port.rx(pool, max, out),
        }
    }

    /// Queues the frames of a run to be sent, or takes copies of them; either way they are gone. Which kind of port it is, is
    /// decided once. Returns what came through; `refused` hears of the others.
    #[inline(never)]
    pub fn tx(
        &mut self,
        run: &mut [Option<Frame<'u>>],
        pool: &mut FramePool<'u>,
        mut refused: impl FnMut(DropReason),
    ) -> Sent {
        match self {
            Port::Xsk(port) => {
                let mut sent = Sent::default();
                for frame in run.iter_mut().filter_map(Option::take) {
                    let bytes = frame.len();
                    sent.count(bytes, port.tx(frame, pool), &mut refused);
                }
                sent
            }
            Port::Packet(port) => copy(run, pool, refused, |frame| port.tx(frame)),
            Port::Pcap(port) => copy(run, pool, refused, |frame| port.tx(frame)),
            Port::Memory(port) => copy(run, pool, refused, |frame| port.tx(frame)),
            Port::Null(port) => copy(run, pool, refused, |frame| port.tx(frame)),
        }
    }

    /// Tells the device about what was queued. Returns how many queued frames it refused.
    #[inline]
    pub fn flush(&mut self) -> u64 {
        match self {
            Port::Xsk(port) => port.flush(),
            Port::Packet(_) | Port::Pcap(_) | Port::Memory(_) | Port::Null(_) => 0,
        }
    }

    /// The descriptors that become readable when frames come in.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Port::Xsk(port) => port.fds(),
            Port::Packet(port) => vec![port.fd()],
            Port::Pcap(_) | Port::Memory(_) | Port::Null(_) => Vec::new(),
        }
    }
}

/// How many packets and bytes a port took to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sent {
    #[inline(always)]
    fn count(&mut self, bytes: usize, taken: Result<(), DropReason>, refused: impl FnOnce(DropReason)) {
        match taken {
            Ok(()) => (self.packets, self.bytes) = (self.packets + 1, self.bytes + bytes as u64),
            Err(reason) => refused(reason),
        }
    }
}

/// For ports that copy: hands each frame over with its checksum filled in, then frees them all.
#[inline(always)]
fn copy<'u>(
    run: &mut [Option<Frame<'u>>],
    pool: &mut FramePool<'u>,
    mut refused: impl FnMut(DropReason),
    mut take: impl FnMut(&Frame<'u>) -> Result<(), DropReason>,
) -> Sent {
    let mut sent = Sent::default();
    pool.give_each(run, |frame| {
        finish_checksum(frame);
        sent.count(frame.len(), take(frame), &mut refused);
    });
    sent
}

/// A port in a worker's list, with its counters.
#[derive(Debug)]
pub struct Slot<'u> {
    /// The port.
    pub port: Port<'u>,
    /// What went through it.
    pub counters: PortCounters,
}

impl<'u> Slot<'u> {
    /// A port that nothing went through yet.
    pub fn new(port: Port<'u>) -> Slot<'u> {
        Slot { port, counters: PortCounters::default() }
    }

    /// [`Port::rx`], counted, but for the bytes: whoever looks at the frames counts them.
    #[inline]
    pub fn rx(&mut self, pool: &mut FramePool<'u>, max: usize, out: &mut Vec<Option<Frame<'u>>>) -> u64 {
        let before = out.len();
        let refused = self.port.rx(pool, max, out);
        self.counters.rx_packets += (out.len() - before) as u64 + refused;
        refused
    }

    /// [`Port::tx`], counted.
    #[inline]
    pub fn tx(
        &mut self,
        run: &mut [Option<Frame<'u>>],
        pool: &mut FramePool<'u>,
        refused: impl FnMut(DropReason),
    ) -> Sent {
        let sent = self.port.tx(run, pool, refused);
        self.counters.tx_packets += sent.packets;
        self.counters.tx_bytes += sent.bytes;
        sent
    }

    /// [`Port::flush`], counted.
    #[inline]
    pub fn flush(&mut self) {
        self.counters.tx_errors += self.port.flush();
    }

    /// The counters, with what the kernel counted for this port.
    pub fn counted(&mut self) -> &PortCounters {
        if let Port::Xsk(port) = &self.port {
            self.counters.rx_missed = port.missed();
        }
        &self.counters
    }
}
