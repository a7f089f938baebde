//! A switch of one worker over memory ports, to put frames in and see what comes out.
#![allow(dead_code, reason = "each test file uses its part")]

use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::flow::{OfPort, Seed};
use datapath::mem::FramePool;
use datapath::pipeline::{Base, Pipeline, Rule};
use datapath::port::{Memory, Port, PortId, Slot};
use datapath::stats::{DropReason, SharedStats};
use datapath::tunnel::{Key, Kind, Path, Reach, Remote, TunnelSpec, TunnelTable, Underlay};
use datapath::wire::MacAddr;
use datapath::worker::{
    Injector, Parts, Publisher, Reports, Role, Worker, channel, injections, reports, reports_of_long_frames,
};
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) const HERE: &str = "192.0.2.1";
pub(crate) const THERE: &str = "192.0.2.2";
pub(crate) const ELSEWHERE: &str = "192.0.2.3";
pub(crate) const UPLINK: PortId = PortId(0);
pub(crate) const UPLINK_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(crate) const NEXT_HOP_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
/// OpenFlow number of the tunnel port.
pub(crate) const TUNNEL: u32 = 10;
/// OpenFlow number of the Geneve port, where there is one.
pub(crate) const GENEVE: u32 = 11;
pub(crate) const MTU: u16 = 1600;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn umem() -> Umem {
    Umem::new(&UmemConfig {
        frames: 256,
        chunk: ChunkSize::K2,
        headroom: 128,
        huge: false,
        tx_metadata: false,
    })
    .expect("memory for 256 frames")
}

/// Longest frame that `umem` has room for.
pub(crate) const CHUNK_ROOM: usize = 2048 - 256 - 128;

/// Memory of a worker, and long frames where there are frames that want them.
pub(crate) struct Buffers {
    short: Umem,
    long: Option<Umem>,
}

/// Memory for frames of this length.
pub(crate) fn buffers_for(longest: usize) -> Buffers {
    let long = UmemConfig { frames: 64, chunk: ChunkSize::K16, ..UmemConfig::default() };
    let long = (longest > CHUNK_ROOM).then(|| Umem::new(&long).expect("memory for 64 frames"));
    Buffers { short: umem(), long }
}

/// What the frames of a worker are taken from.
pub(crate) trait Frames {
    fn pool(&self) -> FramePool<'_>;

    fn has_long(&self) -> bool {
        false
    }
}

impl Frames for Umem {
    fn pool(&self) -> FramePool<'_> {
        FramePool::new(self.take_frames())
    }
}

impl Frames for Buffers {
    fn pool(&self) -> FramePool<'_> {
        self.short.pool().with_long(self.long.iter().flat_map(Umem::take_frames))
    }

    fn has_long(&self) -> bool {
        self.long.is_some()
    }
}

/// A tunnel that takes its key from the flow, to one remote endpoint.
pub(crate) fn tunnel(remote: &str) -> TunnelSpec {
    TunnelSpec::new(OfPort(TUNNEL), Kind::Vxlan, Remote::Fixed(ip(remote)), Key::Flow)
}

pub(crate) fn reach() -> Reach {
    Reach::Via(Path { uplink: UPLINK, local: ip(HERE), src_mac: UPLINK_MAC, dst_mac: NEXT_HOP_MAC, mtu: MTU })
}

/// The same to whatever a frame may be.
pub(crate) fn wide(reach: Reach) -> Reach {
    match reach {
        Reach::Via(path) => Reach::Via(Path { mtu: u16::MAX, ..path }),
        other => other,
    }
}

pub(crate) fn pipeline(generation: u64, rules: Vec<Rule>, guests: u16) -> Pipeline {
    let mut underlay = Underlay::default();
    underlay.insert(ip(THERE), reach());
    pipeline_over(generation, rules, guests, vec![tunnel(THERE)], underlay, &[HERE])
}

pub(crate) fn pipeline_over(
    generation: u64,
    rules: Vec<Rule>,
    guests: u16,
    tunnels: Vec<TunnelSpec>,
    underlay: Underlay,
    endpoints: &[&str],
) -> Pipeline {
    let tunnels = TunnelTable::new(tunnels, Seed::new(7)).expect("tunnels that differ");
    let guests = (1..=guests).map(|n| (OfPort(n.into()), PortId(n)));
    let endpoints = endpoints.iter().map(|e| ip(e)).collect();
    let base = Base::new(guests, tunnels, endpoints, underlay);
    let mut pipeline = Pipeline::new(base.clone()).with_rules(rules);
    while pipeline.generation() + 1 < generation {
        pipeline.snapshot();
    }
    // Another pipeline than the one before, whatever that was.
    pipeline.set_base(base);
    pipeline.snapshot();
    pipeline
}

/// A worker with an uplink (port 0) and guests (ports 1, 2, ... with the same OpenFlow numbers).
pub(crate) struct Switch<'u> {
    pub(crate) worker: Worker<'u>,
    /// The far ends of the ports.
    pub(crate) wires: Vec<Memory>,
    pub(crate) shared: Arc<SharedStats>,
    pub(crate) publisher: Publisher,
    /// What the worker tells.
    pub(crate) reports: Reports,
    /// What control sends.
    pub(crate) injector: Injector,
    pub(crate) now_ns: u64,
}

impl<'u> Switch<'u> {
    pub(crate) fn new(umem: &'u impl Frames, pipeline: Pipeline, guests: u16) -> Switch<'u> {
        Switch::with_flows(umem, pipeline, guests, 1024)
    }

    /// A worker that remembers so many flows.
    pub(crate) fn with_flows(
        umem: &'u impl Frames,
        pipeline: Pipeline,
        guests: u16,
        flows: usize,
    ) -> Switch<'u> {
        let (mut ports, mut wires) = (Vec::new(), Vec::new());
        for n in 0..=guests {
            let (near, far) = Memory::pair(256);
            let role = if n == 0 { Role::Uplink } else { Role::Guest(OfPort(n.into())) };
            ports.push((Slot::new(Port::Memory(near)), role));
            wires.push(far);
        }
        let shared = Arc::new(SharedStats::new(ports.len()));
        let (publisher, inbox) = channel();
        let (reporter, reports) = if umem.has_long() { reports_of_long_frames() } else { reports() };
        let (injector, injections) = injections();
        let worker = Worker::new(Parts {
            pool: umem.pool(),
            ports,
            pipeline: Arc::new(pipeline),
            inbox,
            shared: shared.clone(),
            flows,
            seed: Seed::new(1),
        })
        .reporting(reporter)
        .injected_by(injections);
        Switch { worker, wires, shared, publisher, reports, injector, now_ns: 0 }
    }

    /// The same, with room for no more than so many different programs.
    pub(crate) fn keeping(self, programs: usize) -> Switch<'u> {
        Switch { worker: self.worker.keeping(programs), ..self }
    }

    /// Sends a frame into a port and takes a turn.
    pub(crate) fn put(&mut self, port: u16, frame: &[u8]) {
        self.wires[usize::from(port)].send(frame.to_vec()).expect("room in the queue");
        self.turn();
    }

    pub(crate) fn turn(&mut self) {
        self.now_ns += 1_000_000;
        self.worker.turn(self.now_ns);
        self.worker.publish();
    }

    /// What came out of a port.
    pub(crate) fn out(&self, port: u16) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.wires[usize::from(port)].receive()).collect()
    }

    /// Every drop counter that is not zero.
    pub(crate) fn drops(&self) -> Vec<(DropReason, u64)> {
        self.shared.read().drops.iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// CRC32c bit by bit (RFC 9260 appendix A, RFC 3720 appendix B.4).
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 != 0 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    })
}

/// An SCTP packet with its checksum.
pub(crate) fn sctp(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let ports = ports.map(u16::to_be_bytes).concat();
    let mut packet = [&ports[..], &[1, 2, 3, 4], &[0; 4], payload].concat();
    let checksum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&checksum);
    packet
}
