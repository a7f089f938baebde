//! Sees every frame of every device in a namespace, both ways, and keeps those that matter.
//!
//! One AF_PACKET socket bound to no device (packet(7)). It says how many frames the kernel could not give it: a watcher
//! that lost frames has proven nothing.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, getsockopt, recvfrom, setsockopt, socket,
    sockopt,
};
use nix::{getsockopt_impl, sockopt_impl};

use super::Netns;

sockopt_impl!(Statistics, GetOnly, libc::SOL_PACKET, libc::PACKET_STATISTICS, libc::tpacket_stats);

/// The most frames that one capture keeps; what it would keep beyond counts as lost.
const KEPT_MAX: usize = 16_384;

/// What the kernel may queue for us while we are not running.
const BUFFER: usize = 16 << 20;

/// A frame and where it was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The device, by its number in its namespace.
    pub device: u32,
    /// Whether the device was sending it.
    pub outgoing: bool,
    /// From the Ethernet header on. Large segments of the local stack show up unsplit.
    pub bytes: Vec<u8>,
}

/// What a capture brought in.
#[derive(Debug, Default)]
pub struct Caught {
    /// The frames kept.
    pub frames: Vec<Seen>,
    /// Frames looked at.
    pub examined: u64,
    /// Frames that passed unseen.
    pub lost: u64,
}

/// A capture that runs until it is finished.
#[derive(Debug)]
pub struct Capture {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Caught>>>,
}

impl Capture {
    /// Starts to watch; when this returns, nothing escapes any more.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn start(netns: &Netns, keep: impl FnMut(&[u8]) -> bool + Send + 'static) -> Result<Capture> {
        let socket = netns.run(open)?.with_context(|| format!("{}: cannot watch frames", netns.name()))?;
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        let thread = thread::spawn(move || watch(&socket, &flag, keep));
        Ok(Capture { done, thread: Some(thread) })
    }

    /// Takes in what is queued, and stops.
    ///
    /// # Errors
    /// When the socket failed while watching.
    pub fn finish(mut self) -> Result<Caught> {
        self.done.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Ok(Caught::default()) };
        thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

fn open() -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    Ok(socket)
}

fn watch(socket: &OwnedFd, done: &AtomicBool, mut keep: impl FnMut(&[u8]) -> bool) -> Result<Caught> {
    let mut caught = Caught::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let last = done.load(Ordering::Relaxed);
        drain(socket, &mut buffer, &mut keep, &mut caught)?;
        if last {
            caught.lost += u64::from(getsockopt(socket, Statistics)?.tp_drops);
            return Ok(caught);
        }
        poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(20u8))?;
    }
}

fn drain(
    socket: &OwnedFd,
    buffer: &mut [u8],
    keep: &mut impl FnMut(&[u8]) -> bool,
    caught: &mut Caught,
) -> Result<()> {
    loop {
        let (len, from) = match recvfrom::<LinkAddr>(socket.as_raw_fd(), buffer) {
            Ok(received) => received,
            Err(Errno::EAGAIN) => return Ok(()),
            // A device that went down: the others are still watched.
            Err(Errno::ENETDOWN | Errno::EINTR) => continue,
            Err(errno) => return Err(errno).context("the capture broke off"),
        };
        let Some(from) = from else { continue };
        caught.examined += 1;
        let bytes = &buffer[..len];
        if !keep(bytes) {
            continue;
        }
        if caught.frames.len() == KEPT_MAX {
            caught.lost += 1;
            continue;
        }
        let outgoing = from.pkttype() == libc::PACKET_OUTGOING;
        let device = u32::try_from(from.ifindex()).unwrap_or(0);
        caught.frames.push(Seen { device, outgoing, bytes: bytes.to_vec() });
    }
}
