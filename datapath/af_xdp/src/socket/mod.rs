//! One socket, bound to one queue of one device. See [`Socket`].

#[cfg(all(feature = "loopback", not(loom)))]
mod loopback;
mod open;
mod queues;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::config::{Mode, SocketConfig, TxChecksum};
use crate::error::{Error, Step};
use crate::frame::Frame;
use crate::sys;
use crate::umem::Umem;
#[cfg(all(feature = "loopback", not(loom)))]
pub use loopback::Loopback;
use open::Place;
use queues::Queues;

/// How many packets the kernel sends with one call at least, in copy mode (`TX_BATCH_SIZE`).
///
/// See <https://github.com/torvalds/linux/blob/v6.18/net/xdp/xsk.c>.
const PACKETS_PER_CALL: u32 = 32;

/// A socket on one queue of one device.
///
/// Frames go in by [`fill`](Self::fill) and [`tx`](Self::tx) and come out by [`rx`](Self::rx) and
/// [`complete`](Self::complete); in between the kernel owns them. To get packets at all, an XDP program on the device
/// must redirect them to this socket, which it finds in a map (`BPF_MAP_TYPE_XSKMAP`) under the number of the queue;
/// loading the program is not this crate's business.
///
/// Dropping the socket closes it. The frames that the kernel holds then ([`outstanding`](Self::outstanding)) are lost
/// for as long as the umem lives: the kernel may go on using them for a while, so nobody else can.
pub struct Socket<'u> {
    queues: Queues<'u>,
    mode: Mode,
    need_wakeup: bool,
    busy_poll: bool,
    multi_buffer: bool,
    tx_size: u32,
    fd: OwnedFd,
}

/// What a [`wake`](Socket::wake) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// How many system calls were made.
    pub calls: u32,
    /// How many packets the device dropped; their frames come back as completed all the same.
    pub dropped: u32,
    /// How many packets are still queued. They are sent by later calls, or by the device in its own time.
    pub queued: u32,
}

/// What the kernel and this side have counted since the socket was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Packets dropped for other reasons than a full receive ring: too long for a frame, or no frame to receive into.
    pub rx_dropped: u64,
    /// Entries of the fill ring that the kernel refused.
    pub rx_invalid_descs: u64,
    /// Entries of the transmit ring that the kernel refused.
    pub tx_invalid_descs: u64,
    /// Packets dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// How often there was no frame to receive into. In copy mode the packet counts as dropped above as well; in
    /// zero-copy mode one shortage may count several times, and the driver counts what it drops.
    pub rx_fill_ring_empty_descs: u64,
    /// How often the kernel found nothing to send.
    pub tx_ring_empty_descs: u64,
    /// Entries from the kernel that lay outside of the area or left their chunk: dropped here, their frames lost.
    pub bad_descriptors: u64,
    /// Frames of another umem that [`fill`](Socket::fill) was given: dropped here, lost to their umem.
    pub foreign_frames: u64,
}

impl Statistics {
    /// How many packets were meant for this socket and could not be handed over, each counted once.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.rx_dropped + self.rx_ring_full
    }
}

impl<'u> Socket<'u> {
    /// Opens a socket that registers the area with the kernel itself.
    ///
    /// Several sockets may do so with one umem; frames then move between them as they like, and each has its own mode
    /// and flags. The kernel counts the locked memory once for each. Sleeps up to half a second while the queue is
    /// busy, as a queue that was closed just now is.
    ///
    /// # Errors
    /// [`Error::Config`] when the configuration cannot work, else [`Error::Open`] with the step that failed.
    pub fn open(umem: &'u Umem, ifindex: u32, queue: u32, config: &SocketConfig) -> Result<Self, Error> {
        config.check(umem.config())?;
        let place = Place { ifindex, queue };
        let opened = || {
            let fd = open::register(umem, config)?;
            let queues = open::queues(umem, fd.as_fd(), config, config.tx_checksum != TxChecksum::Off)?;
            open::tune(fd.as_fd(), config)?;
            open::bind_own(fd.as_fd(), place, config)?;
            let mode = open::mode(fd.as_fd(), Step::BindCopy)?;
            Ok(Self::new(fd, queues, mode, config))
        };
        opened().map_err(|error| place.error(error))
    }

    /// Opens a socket on the registration of another (`XDP_SHARED_UMEM`), for another queue or another device.
    ///
    /// Mode, wake-up, fragments and checksums are those of `with`, whatever `config` says: the kernel allows one choice
    /// per registration. So a device that can do zero-copy and one that cannot do not go together here; give each its
    /// own with [`open`](Self::open).
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_shared(with: &Self, ifindex: u32, queue: u32, config: &SocketConfig) -> Result<Self, Error> {
        let umem = with.queues.umem;
        config.check(umem.config())?;
        let place = Place { ifindex, queue };
        let opened = || {
            let fd = sys::socket().map_err(|error| (Step::Create, error))?;
            let queues = open::queues(umem, fd.as_fd(), config, with.queues.checksums)?;
            open::tune(fd.as_fd(), config)?;
            open::bind_shared(fd.as_fd(), place, with.as_fd())?;
            let mode = open::mode(fd.as_fd(), Step::BindShared)?;
            let (need_wakeup, multi_buffer) = (with.need_wakeup, with.multi_buffer);
            Ok(Self::new(fd, queues, mode, &SocketConfig { need_wakeup, multi_buffer, ..config.clone() }))
        };
        opened().map_err(|error| place.error(error))
    }

    fn new(fd: OwnedFd, queues: Queues<'u>, mode: Mode, config: &SocketConfig) -> Self {
        let SocketConfig { need_wakeup, multi_buffer, tx_size, .. } = *config;
        Self { queues, mode, need_wakeup, busy_poll: config.busy_poll.is_some(), multi_buffer, tx_size, fd }
    }

    /// The mode that the bind has led to.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a packet may span frames.
    #[must_use]
    pub fn is_multi_buffer(&self) -> bool {
        self.multi_buffer
    }

    /// The umem that the frames of this socket are of.
    #[must_use]
    pub fn umem(&self) -> &'u Umem {
        self.queues.umem
    }

    /// Whether a checksum that a frame requests is passed on to the sender.
    #[must_use]
    pub fn passes_checksum_requests(&self) -> bool {
        self.queues.checksums
    }

    /// How many frames [`fill`](Self::fill) has room for.
    #[inline]
    pub fn fill_space(&mut self) -> usize {
        self.queues.fill.space() as usize
    }

    /// How many frames [`tx`](Self::tx) has room for.
    #[inline]
    pub fn tx_space(&mut self) -> usize {
        self.queues.tx.space() as usize
    }

    /// Gives frames to the kernel to receive into, until the ring is full or `frames` runs dry; how many it took. Never
    /// asks for a frame that it has no place for.
    ///
    /// A frame of another umem is not given to the kernel but dropped and [counted](Statistics::foreign_frames).
    #[inline]
    pub fn fill(&mut self, frames: impl FnMut() -> Option<Frame<'u>>) -> usize {
        self.queues.fill(frames)
    }

    /// Hands up to `max` received frames to `take`; how many it were. When there are none and the kernel has asked to be
    /// woken (or busy polling is on), wakes it.
    #[inline]
    pub fn rx(&mut self, max: usize, take: impl FnMut(Frame<'u>)) -> usize {
        let taken = self.queues.rx(max, take);
        if taken == 0 && (self.busy_poll || self.queues.fill.needs_wakeup()) {
            sys::wake_rx(self.fd.as_fd());
        }
        taken
    }

    /// Queues a frame to be sent; nothing leaves before [`wake`](Self::wake).
    ///
    /// A packet may span [`MAX_FRAGMENTS`](crate::MAX_FRAGMENTS) frames, all but the last with
    /// [`continues`](Frame::continues) set, where the socket was opened for that. Look at the
    /// [space](Self::tx_space) before the first of them: half a packet waits for its other half.
    ///
    /// # Errors
    /// Gives the frame back when the ring is full ([`tx_space`](Self::tx_space) is 0), when it is empty or its packet
    /// reaches into the room of the TX metadata, and when it is of another umem.
    #[inline]
    pub fn tx(&mut self, frame: Frame<'u>) -> Result<(), Frame<'u>> {
        self.queues.tx(frame)
    }

    /// Shows the kernel what has been queued, and makes it send where it does not by itself. Call it once after a batch,
    /// and again while [`queued`](Sent::queued) is not 0.
    ///
    /// In copy mode this is where packets are sent: the call goes on until the ring is empty or the kernel gets no
    /// further, which is when the completion ring is full ([`complete`](Self::complete) first) or the device has had
    /// enough.
    ///
    /// # Errors
    /// [`Error::Send`] when the device is down or gone. The frames stay queued.
    #[inline]
    pub fn wake(&mut self) -> Result<Sent, Error> {
        self.queues.tx.publish();
        let queued = self.queues.tx.waiting();
        if queued == 0 || (self.need_wakeup && !self.queues.tx.needs_wakeup()) {
            return Ok(Sent { queued, ..Sent::default() });
        }
        self.send(queued)
    }

    /// The loop is bounded: each call sends a batch or is the last.
    ///
    /// `EAGAIN` means "more to send than the budget of a call" as well as "cannot send now": only the ring tells which.
    /// `EBUSY` means that the device dropped a packet, which ends the call but not the work. See `__xsk_generic_xmit` in
    /// <https://github.com/torvalds/linux/blob/v6.18/net/xdp/xsk.c>.
    fn send(&mut self, mut queued: u32) -> Result<Sent, Error> {
        let mut sent = Sent { queued, ..Sent::default() };
        let most = self.tx_size / PACKETS_PER_CALL + self.tx_size.min(PACKETS_PER_CALL);
        while sent.calls < most {
            sent.calls += 1;
            let result = sys::wake_tx(self.fd.as_fd());
            sent.queued = self.queues.tx.waiting();
            match result {
                Ok(()) => break,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EBUSY) => sent.dropped += 1,
                    Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR) if sent.queued < queued => {}
                    Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR) => break,
                    _ => return Err(Error::Send(error)),
                },
            }
            if sent.queued == 0 {
                break;
            }
            queued = sent.queued;
        }
        Ok(sent)
    }

    /// Hands the frames that have been sent to `take`, empty; how many it were.
    #[inline]
    pub fn complete(&mut self, take: impl FnMut(Frame<'u>)) -> usize {
        self.queues.complete(take)
    }

    /// How many frames the kernel holds, to receive into or to send. They are lost when the socket is dropped.
    #[inline]
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        self.queues.outstanding
    }

    /// What has been counted.
    ///
    /// # Errors
    /// [`Error::Statistics`] when the kernel does not know the counters (before Linux 5.9).
    pub fn statistics(&self) -> Result<Statistics, Error> {
        let kernel: libc::xdp_statistics =
            sys::option(self.fd.as_fd(), libc::XDP_STATISTICS).map_err(Error::Statistics)?;
        Ok(Statistics {
            rx_dropped: kernel.rx_dropped,
            rx_invalid_descs: kernel.rx_invalid_descs,
            tx_invalid_descs: kernel.tx_invalid_descs,
            rx_ring_full: kernel.rx_ring_full,
            rx_fill_ring_empty_descs: kernel.rx_fill_ring_empty_descs,
            tx_ring_empty_descs: kernel.tx_ring_empty_descs,
            bad_descriptors: self.queues.bad_descriptors,
            foreign_frames: self.queues.foreign_frames,
        })
    }
}

impl AsFd for Socket<'_> {
    /// For `poll`, and for the map that the XDP program redirects by.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Socket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("fd", &self.fd)
            .field("mode", &self.mode)
            .field("outstanding", &self.queues.outstanding)
            .finish_non_exhaustive()
    }
}
