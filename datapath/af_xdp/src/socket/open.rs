//! Opening: the socket, the area, the rings, the bind. Runs once per socket and may sleep.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use super::queues::Queues;
use crate::config::{BusyPoll, Mode, SocketConfig, TX_METADATA_LEN, TxChecksum};
use crate::error::{Error, Step};
use crate::ring::{Consumer, Producer};
use crate::sys;
use crate::umem::Umem;

/// A queue that has just been closed stays busy while the kernel releases it, some 20 ms; the wait doubles from one
/// millisecond, so that about half a second goes by before the queue counts as taken.
///
/// See `xp_put_pool` in <https://github.com/torvalds/linux/blob/v6.18/net/xdp/xsk_buff_pool.c>.
const BUSY_TRIES: u32 = 10;

/// What a step fails with, to be completed with the device.
type StepError = (Step, io::Error);

/// Where to bind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) ifindex: u32,
    pub(super) queue: u32,
}

impl Place {
    pub(super) fn error(self, (step, source): StepError) -> Error {
        Error::Open { step, device: sys::interface_name(self.ifindex), queue: self.queue, source }
    }
}

/// A socket with the area registered, of its own.
pub(super) fn register(umem: &Umem, config: &SocketConfig) -> Result<OwnedFd, StepError> {
    let fd = sys::socket().map_err(|error| (Step::Create, error))?;
    let (addr, len) = umem.area();
    let layout = umem.config();
    let mut flags = 0;
    if layout.tx_metadata {
        flags |= libc::XDP_UMEM_TX_METADATA_LEN;
    }
    if config.tx_checksum == TxChecksum::Software {
        flags |= libc::XDP_UMEM_TX_SW_CSUM;
    }
    let registration = libc::xdp_umem_reg {
        addr,
        len,
        chunk_size: umem.chunk_size() as u32,
        headroom: u32::from(layout.headroom),
        flags,
        tx_metadata_len: if layout.tx_metadata { u32::from(TX_METADATA_LEN) } else { 0 },
    };
    sys::set_option(fd.as_fd(), libc::SOL_XDP, libc::XDP_UMEM_REG, &registration)
        .map_err(|error| (Step::Register, error))?;
    Ok(fd)
}

/// Makes and maps the four rings. Must come before the bind.
pub(super) fn queues<'u>(
    umem: &'u Umem,
    fd: BorrowedFd<'_>,
    config: &SocketConfig,
    checksums: bool,
) -> Result<Queues<'u>, StepError> {
    let rings = || {
        for (option, size) in [
            (libc::XDP_UMEM_FILL_RING, config.fill_size),
            (libc::XDP_UMEM_COMPLETION_RING, config.completion_size),
            (libc::XDP_RX_RING, config.rx_size),
            (libc::XDP_TX_RING, config.tx_size),
        ] {
            sys::set_option(fd, libc::SOL_XDP, option, &size)?;
        }
        let at: libc::xdp_mmap_offsets = sys::option(fd, libc::XDP_MMAP_OFFSETS)?;
        let fill = Producer::map(fd, libc::XDP_UMEM_PGOFF_FILL_RING, &at.fr, config.fill_size)?;
        let rx = Consumer::map(fd, libc::XDP_PGOFF_RX_RING as u64, &at.rx, config.rx_size)?;
        let tx = Producer::map(fd, libc::XDP_PGOFF_TX_RING as u64, &at.tx, config.tx_size)?;
        let pages = libc::XDP_UMEM_PGOFF_COMPLETION_RING;
        let completion = Consumer::map(fd, pages, &at.cr, config.completion_size)?;
        Ok(Queues::new(umem, (fill, rx), (tx, completion), checksums))
    };
    rings().map_err(|error| (Step::Rings, error))
}

/// Sets what can be tuned.
pub(super) fn tune(fd: BorrowedFd<'_>, config: &SocketConfig) -> Result<(), StepError> {
    if let Some(BusyPoll { usecs, budget }) = config.busy_poll {
        for (option, value) in
            [(sys::SO_PREFER_BUSY_POLL, 1), (libc::SO_BUSY_POLL, usecs), (sys::SO_BUSY_POLL_BUDGET, budget)]
        {
            sys::set_option(fd, libc::SOL_SOCKET, option, &value).map_err(|error| (Step::BusyPoll, error))?;
        }
    }
    if let Some(budget) = config.tx_budget {
        sys::set_option(fd, libc::SOL_XDP, sys::XDP_MAX_TX_SKB_BUDGET, &budget)
            .map_err(|error| (Step::TxBudget, error))?;
    }
    Ok(())
}

/// Binds in the best mode of the ladder that the device takes.
pub(super) fn bind_own(fd: BorrowedFd<'_>, place: Place, config: &SocketConfig) -> Result<(), StepError> {
    let mut flags = 0;
    if config.need_wakeup {
        flags |= libc::XDP_USE_NEED_WAKEUP;
    }
    if config.multi_buffer {
        flags |= libc::XDP_USE_SG;
    }
    let mut refused = (Step::BindCopy, io::Error::from_raw_os_error(libc::EINVAL));
    for mode in config.mode.ladder() {
        let (step, mode) = match mode {
            Mode::ZeroCopy => (Step::BindZeroCopy, libc::XDP_ZEROCOPY),
            Mode::Copy => (Step::BindCopy, libc::XDP_COPY),
        };
        match bind_patiently(fd, &address(place, flags | mode, 0)) {
            Ok(()) => return Ok(()),
            Err(error) => refused = (step, error),
        }
        // A lower rung helps only where the mode was the trouble.
        if matches!(refused.1.raw_os_error(), Some(libc::EBUSY | libc::ENODEV | libc::EPERM)) {
            break;
        }
    }
    Err(refused)
}

/// Binds with the memory of `with`, whose flags then hold here too: the kernel takes no others beside
/// `XDP_SHARED_UMEM`.
pub(super) fn bind_shared(fd: BorrowedFd<'_>, place: Place, with: BorrowedFd<'_>) -> Result<(), StepError> {
    let address = address(place, libc::XDP_SHARED_UMEM, with.as_raw_fd() as u32);
    bind_patiently(fd, &address).map_err(|error| (Step::BindShared, error))
}

/// Which mode the bind has led to.
pub(super) fn mode(fd: BorrowedFd<'_>, step: Step) -> Result<Mode, StepError> {
    let options: libc::xdp_options = sys::option(fd, libc::XDP_OPTIONS).map_err(|error| (step, error))?;
    Ok(if options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0 { Mode::ZeroCopy } else { Mode::Copy })
}

fn address(place: Place, flags: u16, shared: u32) -> libc::sockaddr_xdp {
    libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: flags,
        sxdp_ifindex: place.ifindex,
        sxdp_queue_id: place.queue,
        sxdp_shared_umem_fd: shared,
    }
}

fn bind_patiently(fd: BorrowedFd<'_>, address: &libc::sockaddr_xdp) -> io::Result<()> {
    for attempt in 0..BUSY_TRIES - 1 {
        match sys::bind(fd, address) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                thread::sleep(Duration::from_millis(1 << attempt));
            }
            settled => return settled,
        }
    }
    sys::bind(fd, address)
}
