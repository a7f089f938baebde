//! What a running daemon tells of itself: the answer on its socket, and what `adit show --json` prints.

use datapath::stats::{PerfCounters, Stage, TooLongCounters};
use serde::{Deserialize, Serialize};

/// Version of this schema; it changes when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// Everything.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it was ready.
    pub uptime_s: u64,
    /// The bridge.
    pub bridge: BridgeStatus,
    /// Uplinks, then guests.
    pub ports: Vec<PortStatus>,
    /// Tunnel ports.
    pub tunnels: Vec<TunnelStatus>,
    /// Remote endpoints and how they are reached.
    pub underlay: Vec<RemoteStatus>,
    /// What was said of an MTU of the underlay and not believed, since the start.
    #[serde(default)]
    pub mtu_refused: u64,
    /// Workers.
    pub workers: Vec<WorkerStatus>,
    /// How many cycles the processor's counter counts in a second; none where it has none that adit reads.
    #[serde(default)]
    pub cycles_hz: Option<u64>,
    /// Meters, in the order of their numbers.
    #[serde(default)]
    pub meters: Vec<MeterStatus>,
    /// Reasons that frames died of, over all workers; only those that happened.
    pub drops: Vec<DropStatus>,
    /// Where NORMAL knows stations to be.
    pub fdb: StationsStatus,
    /// What frames have taught.
    #[serde(default)]
    pub learned: LearnedStatus,
    /// What the controller is told.
    #[serde(default)]
    pub controller: ControllerStatus,
    /// Who speaks OpenFlow with the switch, and who should: controllers that were configured first.
    #[serde(default)]
    pub connections: Vec<ConnectionStatus>,
}

/// Somebody who speaks OpenFlow with the switch, or should.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Where it is, or where it has come in.
    pub target: String,
    /// Whether it is there now.
    pub is_connected: bool,
    /// `OpenFlow10`, `OpenFlow13`, `OpenFlow14` or `OpenFlow15`.
    pub version: Option<String>,
    /// `other` (everybody's equal), `master` or `slave`.
    pub role: Option<String>,
    /// For how many seconds it has been there.
    pub connected_s: Option<u64>,
    /// What it was not told because it did not read.
    pub lost: u64,
    /// Why the last connection ended, or the last attempt at one.
    pub last_error: Option<String>,
}

/// What flows tell the controller, since the start.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct ControllerStatus {
    /// Frames that were told.
    pub told: u64,
    /// Frames that were not: too many in that time, or no buffer was free.
    pub not_told: u64,
    /// Of those told, how many came while nobody listened.
    pub unheard: u64,
    /// How often one who listens was too slow for a frame.
    pub lost: u64,
    /// How many listen now.
    pub monitors: usize,
    /// Frames of controllers that were sent.
    pub sent: u64,
    /// Frames of controllers that were not: too many were under way.
    pub unsent: u64,
}

/// Where NORMAL knows stations to be, and what was learned.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct StationsStatus {
    /// How many are known.
    pub known: usize,
    /// How many were new since the start.
    pub learned: u64,
    /// How often one was seen elsewhere than before.
    pub moved: u64,
    /// How many were forgotten because they were not used, or because their port was gone.
    pub expired: u64,
    /// How many were given up for others.
    pub evicted: u64,
    /// Sightings that were not believed: above the rate, or behind one tunnel end too many.
    pub limited: u64,
    /// How often a worker had no room to tell what it had seen; it told it with a later frame.
    pub unsaid: u64,
    /// The stations, by tenant, VLAN and address: the first 65,536.
    pub stations: Vec<StationStatus>,
}

/// Flows that frames have taught (the action `learn`).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct LearnedStatus {
    /// How many lessons are known now: each a flow that is there as long as frames teach it.
    pub known: usize,
    /// How many were taken up since the start: a flow was added for each, or changed.
    pub taken_up: u64,
    /// How many were not: the table was full, or the limit of the rule was reached, or there were as many as there can be.
    pub refused: u64,
    /// How often a worker had no room to tell one; it told it with a later frame.
    pub unsaid: u64,
}

/// A station.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct StationStatus {
    /// Its tenant; 0 for none.
    pub tenant: u64,
    /// Its VLAN; 0 for none.
    pub vlan: u16,
    /// Its address.
    pub mac: String,
    /// The port or tunnel that it is behind.
    pub port: String,
    /// The other end of the tunnel, where the port leaves it open.
    pub remote_ip: Option<String>,
    /// Seconds since it was used; none for one that was told by the configuration.
    pub age_s: Option<u64>,
}

/// A bridge.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct BridgeStatus {
    /// Its name.
    pub name: String,
    /// How many rules it has.
    pub flows: usize,
    /// Which snapshot of rules, ports and underlay is the newest.
    pub generation: u64,
}

/// A queue of a port.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct QueueStatus {
    /// Its number.
    pub queue: u32,
    /// Frames that were handed to the device.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that were above the rate, or that the device did not take.
    pub errors: u64,
}

/// A meter.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct MeterStatus {
    /// Its number.
    pub meter: u32,
    /// Frames that went in.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What each band was applied to, in the order of the bands.
    pub bands: Vec<BandStatus>,
}

/// A band of a meter.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct BandStatus {
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A port with a device.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct PortStatus {
    /// Its name.
    pub name: String,
    /// `uplink`, `guest`, or `local` for the host itself.
    pub role: String,
    /// OpenFlow number; none for uplinks.
    pub ofport: Option<u32>,
    /// The kernel's device.
    pub device: String,
    /// How frames come and go: `native/copy`, `generic/copy`, `native/zero-copy`, `packet`; `gone` when the device is.
    pub mode: String,
    /// Receive queues that are served.
    pub queues: u32,
    /// Queues that flows send through.
    #[serde(default)]
    pub tx_queues: Vec<QueueStatus>,
    /// Frames in.
    pub rx_packets: u64,
    /// Bytes in.
    pub rx_bytes: u64,
    /// Frames that the kernel could not hand over.
    pub rx_missed: u64,
    /// Frames out.
    pub tx_packets: u64,
    /// Bytes out.
    pub tx_bytes: u64,
    /// Frames that the device refused after they were queued.
    pub tx_errors: u64,
    /// Frames that came in here and went nowhere.
    pub drops: u64,
    /// What the XDP program did; none for ports without one.
    pub xdp: Option<XdpStatus>,
}

/// Counts of the XDP program of a device.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct XdpStatus {
    /// Frames handed to us.
    pub claimed: u64,
    /// Frames that are ours but came in by a queue without a socket; the kernel got them.
    pub unbound: u64,
    /// Frames left to the kernel.
    pub passed: u64,
}

/// A tunnel port.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct TunnelStatus {
    /// Its name.
    pub name: String,
    /// OpenFlow number.
    pub ofport: u32,
    /// `vxlan`, `gre`, `nvgre` or `geneve`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Address or `flow`.
    pub remote_ip: String,
    /// Address, or none for any of ours.
    pub local_ip: Option<String>,
    /// Number, `flow` or `none`.
    pub key: String,
    /// UDP port; none for kinds that are no UDP.
    pub dst_port: Option<u16>,
    /// What else was configured, by the names of the configuration.
    #[serde(default)]
    pub options: String,
}

/// A remote endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct RemoteStatus {
    /// Its address.
    pub remote_ip: String,
    /// Whether frames can be sent there now.
    pub reachable: bool,
    /// How, or why not.
    pub explanation: String,
    /// The uplink's device that leads there; none when there is no way.
    #[serde(default)]
    pub device: Option<String>,
    /// Largest IP packet of the way, as the kernel knows it, in bytes; none when there is no way.
    #[serde(default)]
    pub mtu: Option<u16>,
    /// The same, as routers of the underlay have told; none when they have not.
    #[serde(default)]
    pub learned_mtu: Option<u16>,
    /// For how many seconds more that is believed.
    #[serde(default)]
    pub learned_s: Option<u64>,
}

/// A worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct WorkerStatus {
    /// Which.
    pub worker: usize,
    /// The core that it is bound to.
    pub core: Option<usize>,
    /// Snapshot that it uses.
    pub generation: u64,
    /// Turns taken.
    pub turns: u64,
    /// Turns without a frame.
    pub idle_turns: u64,
    /// Frames whose flow was known by their whole key.
    pub hits: u64,
    /// Frames whose flow was found among the megaflows.
    pub masked_hits: u64,
    /// Frames that the rules were asked about.
    pub misses: u64,
    /// Those of them whose answer found no room and was not remembered.
    #[serde(default)]
    pub unkept: u64,
    /// Megaflows that it has now.
    pub flows: u64,
    /// Different masks that they have now.
    pub masks: u64,
    /// What it did about frames that are too long for a tunnel's way.
    #[serde(default)]
    pub too_long: TooLongStatus,
    /// What its turns cost.
    #[serde(default)]
    pub perf: PerfStatus,
}

/// What the turns of a worker in which frames came in have cost, since the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct PerfStatus {
    /// Their frames.
    pub frames: u64,
    /// How many had 1, 2 to 3, 4 to 7, 8 to 15, 16 to 31, 32 to 63, 64 to 127 frames, and more.
    pub turns_by_frames: Vec<u64>,
    /// One of 64 is timed: how many were.
    pub timed_turns: u64,
    /// Frames of those.
    pub timed_frames: u64,
    /// Cycles of those.
    pub timed_cycles: u64,
    /// Of which each stage took its part.
    pub stages: Vec<StageStatus>,
}

/// A stage of the turns that were timed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct StageStatus {
    /// Its name.
    pub stage: String,
    /// What it took.
    pub cycles: u64,
}

impl From<&PerfCounters> for PerfStatus {
    fn from(counters: &PerfCounters) -> PerfStatus {
        let PerfCounters { frames, turns, timed_turns, timed_frames, timed_cycles, stages } = *counters;
        let stages = Stage::ALL.iter().zip(stages);
        let stages = stages.map(|(stage, cycles)| StageStatus { stage: stage.name().into(), cycles });
        PerfStatus {
            frames,
            turns_by_frames: turns.to_vec(),
            timed_turns,
            timed_frames,
            timed_cycles,
            stages: stages.collect(),
        }
    }
}

/// What was done about frames that are too long for a tunnel's way.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct TooLongStatus {
    /// Senders that were told by ICMP what fits.
    pub told: u64,
    /// Senders that were not, because too many were told of late.
    pub limited: u64,
    /// Senders that may not be told, or to whom no way leads back.
    pub untold: u64,
    /// Packets that were sent in fragments.
    pub fragmented: u64,
    /// The fragments.
    pub fragments: u64,
    /// SYNs of TCP whose maximum segment size was lowered.
    pub clamped: u64,
}

impl TooLongStatus {
    /// Those that are not zero, in words.
    pub fn moved(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("senders told by ICMP", self.told),
            ("not told: too many of late", self.limited),
            ("not told: they may not be", self.untold),
            ("packets sent in fragments", self.fragmented),
            ("fragments", self.fragments),
            ("TCP segment sizes lowered", self.clamped),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// The sum with others.
    #[must_use]
    pub fn plus(self, other: TooLongStatus) -> TooLongStatus {
        TooLongStatus {
            told: self.told + other.told,
            limited: self.limited + other.limited,
            untold: self.untold + other.untold,
            fragmented: self.fragmented + other.fragmented,
            fragments: self.fragments + other.fragments,
            clamped: self.clamped + other.clamped,
        }
    }
}

impl From<TooLongCounters> for TooLongStatus {
    fn from(counters: TooLongCounters) -> TooLongStatus {
        let TooLongCounters { told, limited, untold, fragmented, fragments, clamped } = counters;
        TooLongStatus { told, limited, untold, fragmented, fragments, clamped }
    }
}

/// A reason.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct DropStatus {
    /// Its name.
    pub reason: String,
    /// Frames.
    pub count: u64,
    /// For people.
    pub sentence: String,
}
