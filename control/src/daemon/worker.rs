//! A worker's thread: opens its sockets, tells control, and turns until it is told to stop.
//!
//! Its memory lives on its stack frame and is borrowed by all it does; nothing of it is shared but counters.

use super::buffers::Buffers;
use super::filter;
use super::learn::Bell;
use super::nap::Nap;
use super::patience::Patience;
use super::ports::Listening;
use af_xdp::{Error, Mode, Socket, SocketConfig, Step, TxChecksum, Umem, UmemConfig};
use anyhow::{Context, Result};
use datapath::flow::Seed;
use datapath::mem::{FramePool, long_frames};
use datapath::pipeline::Pipeline;
use datapath::port::{Packet, Port, PortId, Slot, Xsk};
use datapath::stats::SharedStats;
use datapath::worker::{Inbox, Injections, Parts, Reporter, Role, Worker};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use socket2::SockRef;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

/// Entries of each ring. A burst of this many frames is absorbed while the worker is busy elsewhere.
const RING: u32 = 1024;
/// Frames beside those that the rings can hold: those under way in the worker, and room for copies.
const SPARE: u32 = 512;
/// Flows that a worker remembers: 188 bytes each at most, and 144 more for those that are not plain IPv4.
pub(super) const FLOWS: usize = 1 << 16;
/// Longest sleep, in milliseconds, so that counters are published.
const SLEEP_MS: u16 = 100;

/// A device that the worker serves.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) ifindex: u32,
    pub(super) role: Role,
    /// A checksum may be left to the device.
    pub(super) software: bool,
    /// Its longest frames fit no chunk: they come and go in several.
    pub(super) in_several: bool,
    /// The receive queues that are this worker's, of a device that is gone an empty list; none: AF_PACKET.
    pub(super) queues: Option<Vec<u32>>,
    /// What tunnels listen for, by which an uplink without XDP tells its frames from the host's.
    pub(super) listening: Listening,
}

/// What a worker is started with.
pub(super) struct Spec {
    pub(super) index: usize,
    pub(super) core: Option<core_affinity::CoreId>,
    pub(super) devices: Vec<Device>,
    pub(super) buffers: Buffers,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) inbox: Inbox,
    pub(super) reporter: Reporter,
    /// What control sends.
    pub(super) injections: Injections,
    /// Rung after a turn that told something.
    pub(super) bell: Arc<Bell>,
    pub(super) shared: Arc<SharedStats>,
    pub(super) seed: Seed,
    /// When the clock of all turns began: one for all workers, since they share rates.
    pub(super) start: Instant,
    pub(super) wake: Arc<EventFd>,
    pub(super) stop: Arc<AtomicBool>,
    /// That it sleeps is said here.
    pub(super) nap: Nap,
}

/// A socket that waits for frames of a queue.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) port: PortId,
    pub(super) queue: u32,
    pub(super) socket: OwnedFd,
    pub(super) mode: Mode,
}

/// The thread. Sends its sockets, or why it has none, to `ready`.
pub(super) fn run(spec: Spec, ready: &mpsc::Sender<Result<Vec<Bound>>>) {
    if let Some(core) = spec.core
        && !core_affinity::set_for_current(core)
    {
        let _ =
            ready.send(Err(anyhow::anyhow!("worker {}: cannot be bound to core {}", spec.index, core.id)));
        return;
    }
    let sockets: usize = spec.devices.iter().filter_map(|d| d.queues.as_ref()).map(Vec::len).sum();
    let umem = Umem::new(&UmemConfig {
        frames: sockets as u32 * 2 * RING + SPARE,
        chunk: spec.buffers.chunk,
        headroom: 0,
        huge: true,
        tx_metadata: true,
    });
    let long = spec.buffers.long.then(long_frames).transpose();
    let (umem, long) = match umem.and_then(|umem| Ok((umem, long?))).context("cannot get memory for packets")
    {
        Ok(memory) => memory,
        Err(error) => return drop(ready.send(Err(error))),
    };
    match open(&umem, &spec.devices) {
        Ok((slots, bound)) => {
            let _ = ready.send(Ok(bound));
            let long = long.as_ref().into_iter().flat_map(Umem::take_frames);
            turn(FramePool::new(umem.take_frames()).with_long(long), spec, slots);
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

fn open<'u>(umem: &'u Umem, devices: &[Device]) -> Result<(Vec<Slot<'u>>, Vec<Bound>)> {
    let (mut slots, mut bound) = (Vec::new(), Vec::new());
    for (device, id) in devices.iter().zip(0..) {
        let port = match &device.queues {
            None => open_packet(device)
                .with_context(|| format!("cannot open an AF_PACKET socket on {}", device.name))?,
            Some(queues) => Port::Xsk(open_xsk(umem, device, queues, PortId(id), &mut bound)?),
        };
        slots.push(Slot::new(port));
    }
    Ok((slots, bound))
}

fn open_packet<'u>(device: &Device) -> Result<Port<'u>> {
    let port = Port::Packet(Packet::open(device.ifindex)?);
    if device.role == Role::Uplink {
        let filter = filter::tunnel_packets(&device.listening);
        for fd in port.fds() {
            SockRef::from(&fd).attach_filter(&filter)?;
        }
    }
    Ok(port)
}

fn open_xsk<'u>(
    umem: &'u Umem,
    device: &Device,
    queues: &[u32],
    port: PortId,
    bound: &mut Vec<Bound>,
) -> Result<Xsk<'u>> {
    let config = SocketConfig {
        fill_size: RING,
        rx_size: RING,
        tx_size: RING,
        completion_size: RING,
        tx_checksum: TxChecksum::Offload,
        multi_buffer: device.in_several,
        ..SocketConfig::default()
    };
    let mut sockets = Vec::with_capacity(queues.len());
    for queue in queues {
        let socket = open_socket(umem, device, *queue, &config)
            .with_context(|| format!("cannot open an AF_XDP socket on {}, queue {queue}", device.name))?;
        let fd = socket.as_fd().try_clone_to_owned().context("out of file descriptors")?;
        bound.push(Bound { port, queue: *queue, socket: fd, mode: socket.mode() });
        sockets.push(socket);
    }
    // In copy mode the kernel passes the request on to the device. One of software hands it to whoever receives the frame; a
    // card may sum what it takes for the transport header, which in a tunnel is not the one that is meant. A zero-copy
    // driver may do nothing at all.
    let fills_checksums = device.software && sockets.iter().all(|socket| socket.mode() == Mode::Copy);
    Ok(Xsk::new(sockets, fills_checksums))
}

/// Kernels before Linux 6.6 know of no packets in several frames. All others travel there as before.
fn open_socket<'u>(
    umem: &'u Umem,
    device: &Device,
    queue: u32,
    config: &SocketConfig,
) -> Result<Socket<'u>, Error> {
    let opened = Socket::open(umem, device.ifindex, queue, config);
    match &opened {
        Err(Error::Open { step: Step::BindCopy, source, .. })
            if config.multi_buffer && source.raw_os_error() == Some(libc::EINVAL) =>
        {
            let config = SocketConfig { multi_buffer: false, ..config.clone() };
            let socket = Socket::open(umem, device.ifindex, queue, &config)?;
            eprintln!(
                "adit: {}: the kernel is too old for jumbo frames (Linux 6.6): those longer than {} bytes are dropped and \
                 counted as rx_missed",
                device.name,
                umem.frame_room()
            );
            Ok(socket)
        }
        _ => opened,
    }
}

fn turn<'u>(pool: FramePool<'u>, spec: Spec, slots: Vec<Slot<'u>>) {
    let roles = spec.devices.iter().map(|device| device.role);
    let mut worker = Worker::new(Parts {
        pool,
        ports: slots.into_iter().zip(roles).collect(),
        pipeline: spec.pipeline,
        inbox: spec.inbox,
        shared: spec.shared.clone(),
        flows: FLOWS,
        seed: spec.seed,
    })
    .reporting(spec.reporter)
    .injected_by(spec.injections);
    let duplicates: Vec<OwnedFd> =
        worker.fds().iter().filter_map(|fd| fd.try_clone_to_owned().ok()).collect();
    let mut waiting: Vec<PollFd<'_>> =
        duplicates.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
    waiting.push(PollFd::new(spec.wake.as_fd(), PollFlags::POLLIN));

    let (mut patience, mut goes_by) = (Patience::default(), spec.shared.generation());
    while !spec.stop.load(Ordering::Relaxed) {
        let now_ns = spec.start.elapsed().as_nanos() as u64;
        let handled = worker.turn(now_ns);
        if spec.shared.generation() != goes_by {
            goes_by = spec.shared.generation();
            spec.bell.ring();
        }
        if handled > 0 || worker.is_sweeping() || worker.is_injecting() {
            patience.busy(now_ns);
            if worker.has_reported() {
                spec.bell.ring();
            }
            continue;
        }
        if patience.idle(now_ns) {
            spec.nap.take(
                || worker.has_mail(),
                // An error here is a signal that came in between; the next round asks again.
                || {
                    let _ = poll(&mut waiting, PollTimeout::from(SLEEP_MS));
                },
            );
            if waiting.last().is_some_and(|wake| wake.any().unwrap_or(false)) {
                let _ = spec.wake.read();
            }
        }
    }
    worker.settle();
    worker.publish();
}
