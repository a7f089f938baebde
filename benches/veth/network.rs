//! Four cables between two namespaces, a guest's and an uplink for each contender. The switch sits at the near ends; at
//! the far ends packets are made, and those that come out are dropped by XDP and counted by the device.
//!
//! ```text
//!   far                          near
//!   maker ──> guest-0 ═══════════ guest-0 ── socket ┐
//!                                                   ├ adit
//!   drop  <── uplink-0 ══════════ uplink-0 ─ socket ┘          and the other way round for decap;
//!   maker ──> guest-1 ═══════════ guest-1 ── socket ┐
//!                                                   ├ bare loop
//!   drop  <── uplink-1 ══════════ uplink-1 ─ socket ┘
//! ```

use af_xdp::{ChunkSize, Mode, Socket, SocketConfig, TxChecksum, Umem, UmemConfig};
use anyhow::{Context, Result, bail, ensure};
use benches::bpf::{Maker, Sink};
use benches::frames;
use control::attach::{Attachment, EndpointKey, Mode as XdpMode, Role};
use control::lab::{End, Netns, veth};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// As the daemon has it.
const RING: u32 = 1024;
/// For two sockets and what is under way, as the daemon has it.
const FRAMES: u32 = 2 * 2 * RING + 512;
const MTU: u32 = 1600;

/// Which end of a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Guest,
    Uplink,
}

/// The cables, and the counters at their far ends.
pub(crate) struct Network {
    near: Netns,
    pub(crate) far: Netns,
    counters: File,
    _sinks: Vec<Sink>,
}

/// A contender's two sockets, and the programs that feed them.
pub(crate) struct Sockets<'u> {
    pub(crate) guest: Socket<'u>,
    pub(crate) uplink: Socket<'u>,
    pub(crate) programs: [Attachment; 2],
}

impl Network {
    pub(crate) fn new(contenders: usize) -> Result<Network> {
        let (near, far) = (Netns::new("near")?, Netns::new("far")?);
        let mut sinks = Vec::new();
        for netns in [&near, &far] {
            // Where it can be had: no neighbour discovery between the packets.
            let _ = netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        }
        for device in (0..contenders).flat_map(|n| [Side::Guest, Side::Uplink].map(|side| name(side, n))) {
            let end = |netns| End { netns, device: &device, mac: None };
            veth(end(&near), end(&far), MTU)?;
            let index = far.index(&device)?;
            sinks.push(far.run(|| Sink::attach(index))?.context("cannot attach a program that drops")?);
        }
        let counters = far.run(|| File::open("/proc/thread-self/net/dev"))?.context("no device counters")?;
        Ok(Network { near, far, counters, _sinks: sinks })
    }

    /// Memory as the daemon gets it.
    pub(crate) fn umem() -> Result<Umem> {
        let (frames, chunk) = (FRAMES, ChunkSize::K2);
        Ok(Umem::new(&UmemConfig { frames, chunk, headroom: 0, huge: true, tx_metadata: true })?)
    }

    /// Sockets as the daemon opens them, with its XDP programs.
    pub(crate) fn sockets<'u>(&self, umem: &'u Umem, contender: usize) -> Result<Sockets<'u>> {
        let endpoints = [EndpointKey::udp(frames::HERE.into(), 4789)];
        let (guest, guest_program) = self.socket(umem, &name(Side::Guest, contender), Role::Guest)?;
        let role = Role::Uplink { endpoints: &endpoints };
        let (uplink, uplink_program) = self.socket(umem, &name(Side::Uplink, contender), role)?;
        Ok(Sockets { guest, uplink, programs: [guest_program, uplink_program] })
    }

    fn socket<'u>(&self, umem: &'u Umem, device: &str, role: Role<'_>) -> Result<(Socket<'u>, Attachment)> {
        self.near.run(|| {
            let config = SocketConfig {
                fill_size: RING,
                rx_size: RING,
                tx_size: RING,
                completion_size: RING,
                tx_checksum: TxChecksum::Offload,
                ..SocketConfig::default()
            };
            let mut program = Attachment::attach(device, role, XdpMode::Native)?;
            let socket = Socket::open(umem, program.ifindex(), 0, &config)?;
            ensure!(
                socket.mode() == Mode::Copy,
                "veth in zero-copy mode: these figures say something else then"
            );
            program.bind(0, socket.as_fd())?;
            Ok((socket, program))
        })?
    }

    /// Lets the packets go to that end of that contender.
    pub(crate) fn aim(&self, maker: &Maker, side: Side, contender: usize) -> Result<()> {
        let index = self.far.index(&name(side, contender))?;
        self.far.run(|| maker.aim(index))?.context("cannot aim the packets at a device")
    }

    /// How many packets have come out at that end of that contender.
    pub(crate) fn came_out(&self, side: Side, contender: usize) -> Result<u64> {
        let mut text = [0; 4096];
        let len = self.counters.read_at(&mut text, 0)?;
        let text = String::from_utf8_lossy(&text[..len]);
        let device = name(side, contender);
        let counters = text.lines().filter_map(|line| line.trim_start().split_once(':'));
        for (named, counters) in counters {
            if named == device {
                // Bytes received, then packets received.
                return Ok(counters.split_whitespace().nth(1).context("no packet counter")?.parse()?);
            }
        }
        bail!("no counters of {device}")
    }
}

fn name(side: Side, contender: usize) -> String {
    match side {
        Side::Guest => format!("guest-{contender}"),
        Side::Uplink => format!("uplink-{contender}"),
    }
}
