//! A device through AF_XDP: one socket for each receive queue that this worker serves.
//!
//! Frames are handed to the kernel and back as tokens; nothing is copied here. What the kernel does with them (no copy, a
//! copy) depends on the driver and is told by [`Xsk::mode`].

use super::finish_checksum;
use crate::mem::{Frame, FramePool};
use crate::stats::DropReason;
use af_xdp::{Mode, Socket};
use std::os::fd::{AsFd, BorrowedFd};

/// A device.
#[derive(Debug)]
pub struct Xsk<'u> {
    sockets: Vec<Socket<'u>>,
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
        Xsk { sockets, fills_checksums, queued: false, dropped: 0, first: 0 }
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
    pub(super) fn rx(&mut self, max: usize, out: &mut Vec<Frame<'u>>) -> u64 {
        let n = self.sockets.len();
        let mut left = max;
        for i in 0..n {
            left -= self.sockets[(self.first + i) % n].rx(left, |frame| out.push(frame));
        }
        self.first = if self.first + 1 >= n { 0 } else { self.first + 1 };
        0
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
