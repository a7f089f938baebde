//! Where frames are taken from: AF_XDP sockets, one for each receive queue, or an AF_PACKET socket, which only looks on.

use crate::attach::{Attachment, Mode as XdpMode, Role};
use crate::netlink::links::Device;
use af_xdp::{ChunkSize, Frame, Socket, SocketConfig, Umem, UmemConfig};
use anyhow::{Context, Result};
use datapath::mem::{FramePool, long_frames};
use datapath::port::{Packet, Port};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

const RING: u32 = 4096;
const BATCH: usize = 64;
/// Devices with more queues exist, and their memory is not this large.
pub(super) const QUEUES_MAX: u32 = 32;
/// The longest frame of one piece that native XDP programs allow; a device of a larger MTU hands frames over in pieces.
const WHOLE_MAX: u32 = 3000;

/// Memory for a source: what the kernel fills, and for AF_PACKET what takes frames that are too long for that.
pub(super) struct Memory {
    umem: Umem,
    long: Option<Umem>,
}

/// Memory for a source.
pub(super) fn memory(device: &Device, xdp: bool) -> Result<Memory> {
    let queues = if xdp { device.rx_queues.clamp(1, QUEUES_MAX) } else { 1 };
    let frames = if xdp { queues * RING + BATCH as u32 } else { 2 * BATCH as u32 };
    let chunk = if device.mtu <= 1700 && xdp { ChunkSize::K2 } else { ChunkSize::K4 };
    let umem = Umem::new(&UmemConfig { frames, chunk, huge: true, ..UmemConfig::default() })?;
    let long = (!xdp).then(long_frames).transpose().context("no memory for long frames")?;
    Ok(Memory { umem, long })
}

/// A device.
pub(super) enum Source<'u> {
    Xdp(Box<Xdp<'u>>),
    Packet(Box<Looking<'u>>),
}

/// AF_XDP: every frame is ours.
pub(super) struct Xdp<'u> {
    // Goes first: the program would hand frames to sockets that are gone.
    program: Attachment,
    sockets: Vec<Queue<'u>>,
    pool: Vec<Frame<'u>>,
    taken: Vec<Frame<'u>>,
}

struct Queue<'u> {
    socket: Socket<'u>,
    /// The next piece belongs to a frame that has been looked at.
    partial: bool,
}

/// AF_PACKET: frames go where they always go, and we get a copy.
pub(super) struct Looking<'u> {
    port: Port<'u>,
    pool: FramePool<'u>,
    taken: Vec<Option<Frame<'u>>>,
    refused: u64,
}

/// A frame, as far as it lies in one piece.
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    /// There is no more of it.
    pub(super) whole: bool,
}

impl<'u> Source<'u> {
    /// AF_XDP on every queue. In the network namespace of the calling thread.
    pub(super) fn xdp(memory: &'u Memory, device: &Device, mode: XdpMode) -> Result<Source<'u>> {
        let umem = &memory.umem;
        let mut program = Attachment::attach(&device.name, Role::Guest, mode)?;
        let config = SocketConfig {
            fill_size: RING,
            rx_size: RING,
            tx_size: 64,
            completion_size: 64,
            multi_buffer: device.mtu > WHOLE_MAX,
            ..SocketConfig::default()
        };
        let mut pool: Vec<Frame<'u>> = Vec::with_capacity(umem.config().frames as usize);
        pool.extend(umem.take_frames());
        let mut sockets = Vec::new();
        for queue in 0..device.rx_queues.clamp(1, QUEUES_MAX) {
            let mut socket = Socket::open(umem, device.index, queue, &config)?;
            socket.fill(|| pool.pop());
            program.bind(queue, socket.as_fd())?;
            sockets.push(Queue { socket, partial: false });
        }
        let taken = Vec::with_capacity(BATCH);
        Ok(Source::Xdp(Box::new(Xdp { program, sockets, pool, taken })))
    }

    /// AF_PACKET. In the network namespace of the calling thread.
    pub(super) fn packet(memory: &'u Memory, device: &Device) -> Result<Source<'u>> {
        let port = Port::Packet(Packet::open(device.index).context("no AF_PACKET socket")?);
        let long = memory.long.iter().flat_map(Umem::take_frames);
        let pool = FramePool::new(memory.umem.take_frames()).with_long(long);
        let taken = Vec::with_capacity(BATCH);
        Ok(Source::Packet(Box::new(Looking { port, pool, taken, refused: 0 })))
    }

    /// How it is done, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Source::Xdp(xdp) => format!("af_xdp, {} XDP", xdp.program.hook()),
            Source::Packet(_) => "packet".to_owned(),
        }
    }

    /// Hands over what has come, each frame's first piece. Returns how many frames it were.
    #[inline]
    pub(super) fn take(&mut self, mut look: impl FnMut(Piece<'_>)) -> usize {
        match self {
            Source::Xdp(xdp) => {
                let Xdp { sockets, pool, taken, .. } = &mut **xdp;
                let mut begun = 0;
                for Queue { socket, partial } in sockets {
                    socket.rx(BATCH, |frame| taken.push(frame));
                    for mut frame in taken.drain(..) {
                        if !*partial {
                            begun += 1;
                            look(Piece { bytes: frame.bytes(), whole: !frame.continues() });
                        }
                        *partial = frame.continues();
                        frame.reset();
                        pool.push(frame);
                    }
                    socket.fill(|| pool.pop());
                }
                begun
            }
            Source::Packet(looking) => {
                let Looking { port, pool, taken, refused } = &mut **looking;
                *refused += port.rx(pool, BATCH, taken);
                let begun = taken.len();
                pool.give_each(taken, |frame| look(Piece { bytes: frame.bytes(), whole: true }));
                taken.clear();
                begun
            }
        }
    }

    /// Sleeps until something comes, for so many milliseconds at most.
    pub(super) fn wait(&self, ms: u16) {
        // That nothing came, or a signal, is fine: the next look tells.
        match self {
            Source::Xdp(xdp) => {
                let ready = |queue| PollFd::new(queue, PollFlags::POLLIN);
                match &xdp.sockets[..] {
                    [one] => drop(poll(&mut [ready(one.socket.as_fd())], PollTimeout::from(ms))),
                    all => {
                        let mut all: Vec<_> = all.iter().map(|queue| ready(queue.socket.as_fd())).collect();
                        let _ = poll(&mut all, PollTimeout::from(ms));
                    }
                }
            }
            Source::Packet(looking) => {
                let fds = looking.port.fds();
                let mut fds: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
                let _ = poll(&mut fds, PollTimeout::from(ms));
            }
        }
    }

    /// Frames that were there and that we could not take: not lost on the way.
    pub(super) fn missed(&self) -> u64 {
        match self {
            Source::Xdp(xdp) => {
                let all = xdp.sockets.iter().filter_map(|queue| queue.socket.statistics().ok());
                all.map(|counted| counted.missed()).sum()
            }
            Source::Packet(looking) => looking.refused,
        }
    }
}
