//! A device through AF_XDP: one socket for each receive queue that this worker serves.
//!
//! Frames are handed to the kernel and back as tokens; nothing is copied here. What the kernel does with them (no copy, a
//! copy) depends on the driver and is told by [`Xsk::mode`].
//!
//! Sockets that were opened for packets in several frames (jumbo frames) are the exception: such a packet is copied into a
//! long frame as it comes in, and out of it as it leaves ([`chain`](super::chain)). A packet that fits one frame of the
//! kernel's stays in it there, too.

use super::chain::{Chain, Piece, cut, pieces};
use super::finish_checksum;
use crate::mem::{Frame, FramePool};
use crate::stats::DropReason;
use af_xdp::{MAX_FRAGMENTS, Mode, Socket};
use std::os::fd::{AsFd, BorrowedFd};

/// A device.
#[derive(Debug)]
pub struct Xsk<'u> {
    sockets: Vec<Socket<'u>>,
    /// What is coming in by each of them; empty, where every packet comes in one frame.
    chains: Vec<Chain<'u>>,
    /// The kernel fills in transport checksums on request (copy mode: the frame becomes an skb that says so).
    fills_checksums: bool,
    queued: bool,
    /// Frames that the device refused, not reported yet.
    dropped: u64,
    /// The queue that is asked first at the next receive, so that none is starved.
    first: usize,
}

impl<'u> Xsk<'u> {
    /// A port of these sockets, all on one device. Frames leave by the first.
    ///
    /// `fills_checksums` promises that the sockets' umem has room for transmit metadata and that the device honours it.
    pub fn new(sockets: Vec<Socket<'u>>, fills_checksums: bool) -> Xsk<'u> {
        let in_several = sockets.iter().any(Socket::is_multi_buffer);
        let chains = sockets.iter().filter(|_| in_several).map(|_| Chain::default()).collect();
        Xsk { sockets, chains, fills_checksums, queued: false, dropped: 0, first: 0 }
    }

    /// Whether packets are copied between the device and the frames.
    pub fn mode(&self) -> Option<Mode> {
        self.sockets.first().map(Socket::mode)
    }

    /// How many frames the kernel could not hand over, on all queues, since the port was opened. A system call each.
    pub(super) fn missed(&self) -> u64 {
        self.sockets.iter().filter_map(|socket| socket.statistics().ok()).map(|s| s.missed()).sum()
    }

    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.sockets.iter().map(AsFd::as_fd).collect()
    }

    #[inline]
    pub(super) fn reap(&mut self, pool: &mut FramePool<'u>) {
        for socket in &mut self.sockets {
            socket.complete(|frame| pool.give(frame));
        }
    }

    #[inline]
    pub(super) fn refill(&mut self, pool: &mut FramePool<'u>) {
        for socket in &mut self.sockets {
            socket.fill(|| pool.take());
        }
    }

    #[inline]
    pub(super) fn rx(
        &mut self,
        pool: &mut FramePool<'u>,
        max: usize,
        out: &mut Vec<Option<Frame<'u>>>,
    ) -> u64 {
        if !self.chains.is_empty() {
            return self.rx_chains(pool, max, out);
        }
        let n = self.sockets.len();
        let mut left = max;
        for i in 0..n {
            left -= self.sockets[(self.first + i) % n].rx(left, |frame| out.push(Some(frame)));
        }
        self.first = if self.first + 1 >= n { 0 } else { self.first + 1 };
        0
    }

    /// [`Xsk::rx`] where packets may come in several frames, of which at most `max` are looked at.
    #[inline(never)]
    fn rx_chains(&mut self, pool: &mut FramePool<'u>, max: usize, out: &mut Vec<Option<Frame<'u>>>) -> u64 {
        let n = self.sockets.len();
        let (mut left, mut refused) = (max, 0);
        for i in 0..n {
            let at = (self.first + i) % n;
            let chain = &mut self.chains[at];
            left -= self.sockets[at].rx(left, |piece| match chain.add(piece, pool) {
                Piece::Whole(frame) => out.push(Some(frame)),
                Piece::Part => {}
                Piece::Refused => refused += 1,
            });
        }
        self.first = if self.first + 1 >= n { 0 } else { self.first + 1 };
        refused
    }

    #[inline]
    pub(super) fn tx(&mut self, mut frame: Frame<'u>, pool: &mut FramePool<'u>) -> Result<(), DropReason> {
        if !self.fills_checksums {
            finish_checksum(&mut frame);
        }
        let Some(socket) = self.sockets.first_mut() else {
            pool.give(frame);
            return Err(DropReason::PortRefused);
        };
        self.queued = true;
        let Err(refused) = socket.tx(frame) else { return Ok(()) };
        if refused.is_long() {
            return self.tx_long(refused, pool);
        }
        // Full: let the kernel send what is there, and try once more.
        self.dropped = self.flush();
        self.reap(pool);
        match self.sockets[0].tx(refused) {
            Ok(()) => {
                self.queued = true;
                Ok(())
            }
            Err(frame) => {
                pool.give(frame);
                Err(DropReason::TxFull)
            }
        }
    }

    /// The way of a frame that is of no use to the kernel: all of its packet leaves in others, or nothing of it.
    #[cold]
    fn tx_long(&mut self, mut frame: Frame<'u>, pool: &mut FramePool<'u>) -> Result<(), DropReason> {
        let pieces = pieces(frame.len(), pool);
        let refuse = |frame, reason, pool: &mut FramePool<'u>| {
            pool.give(frame);
            Err(reason)
        };
        if pieces > 1 && self.chains.is_empty() || pieces > MAX_FRAGMENTS {
            return refuse(frame, DropReason::PortRefused, pool);
        }
        // Where the kernel sums in software it sums the first piece alone; and until commit 93e84fe45b75 of April 2026 it took
        // every socket for packets in several frames for one that had asked for that.
        finish_checksum(&mut frame);
        if self.sockets[0].tx_space() < pieces || pool.len() < pieces {
            self.dropped = self.flush();
            self.reap(pool);
            self.queued = true;
        }
        if self.sockets[0].tx_space() < pieces {
            return refuse(frame, DropReason::TxFull, pool);
        }
        if pool.len() < pieces {
            return refuse(frame, DropReason::PoolEmpty, pool);
        }
        match cut(frame, pool, |piece| self.sockets[0].tx(piece)) {
            true => Ok(()),
            false => Err(DropReason::PortRefused),
        }
    }

    /// Returns how many frames the device refused since the last time.
    #[inline]
    pub(super) fn flush(&mut self) -> u64 {
        let dropped = std::mem::take(&mut self.dropped);
        if !self.queued {
            return dropped;
        }
        // What the kernel cannot take now, or while the device is down, stays in the ring; the next turn asks again.
        match self.sockets[0].wake() {
            Ok(sent) => {
                self.queued = sent.queued > 0;
                dropped + u64::from(sent.dropped)
            }
            Err(_) => dropped,
        }
    }
}
