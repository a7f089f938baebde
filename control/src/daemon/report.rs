//! What a running switch tells of itself.

use super::Daemon;
use crate::config::{self, Config};
use crate::status::{
    BandStatus, BridgeStatus, DropStatus, MeterStatus, PortStatus, QueueStatus, RemoteStatus, SCHEMA, Status,
    TunnelStatus, WorkerStatus, XdpStatus,
};
use crate::text::LOCAL;
use datapath::flow::OfPort;
use datapath::pipeline::{Meter, MeterId, Metered, Queue, QueueId, Queued};
use datapath::stats::{DropReason, PortCounters, cycles};
use datapath::tunnel::{Fragmenting, Key, Mss, Outer, Reach, Remote, TunnelSpec};
use datapath::worker::Role;
use std::sync::Arc;
use std::time::Instant;

impl Daemon {
    /// All that `adit show` tells.
    pub(super) fn status(&self) -> Status {
        let tallies = self.workers.tallies();
        let ports = self.ports.list.iter().enumerate().map(|(i, port)| {
            let sum =
                |field: fn(&PortCounters) -> u64| tallies.iter().map(|tally| field(&tally.port(i))).sum();
            let verdicts = port.attachment.as_ref().and_then(|attachment| attachment.verdicts().ok());
            PortStatus {
                name: port.name.clone(),
                role: match port.role {
                    Role::Uplink => "uplink",
                    Role::Guest(LOCAL) => "local",
                    Role::Guest(_) => "guest",
                }
                .to_string(),
                ofport: match port.role {
                    Role::Guest(ofport) => Some(ofport.0),
                    Role::Uplink => None,
                },
                device: port.device.clone(),
                mode: port.mode.clone(),
                queues: port.queues,
                tx_queues: self.tx_queues(port.role),
                rx_packets: sum(|c| c.rx_packets),
                rx_bytes: sum(|c| c.rx_bytes),
                rx_missed: sum(|c| c.rx_missed),
                tx_packets: sum(|c| c.tx_packets),
                tx_bytes: sum(|c| c.tx_bytes),
                tx_errors: sum(|c| c.tx_errors),
                drops: sum(|c| c.drops),
                xdp: verdicts.map(|v| XdpStatus { claimed: v.claimed, unbound: v.unbound, passed: v.passed }),
            }
        });
        let workers = tallies.iter().enumerate().map(|(i, tally)| WorkerStatus {
            worker: i,
            core: tally.core,
            generation: tally.generation,
            turns: tally.worker.turns,
            idle_turns: tally.worker.idle_turns,
            hits: tally.worker.hits,
            masked_hits: tally.worker.masked_hits,
            misses: tally.worker.misses,
            unkept: tally.worker.unkept,
            flows: tally.worker.flows,
            masks: tally.worker.masks,
            too_long: tally.worker.too_long.into(),
            perf: (&tally.worker.perf).into(),
        });
        let drops = DropReason::ALL.iter().filter_map(|reason| {
            let count = tallies.iter().map(|tally| tally.drops(*reason)).sum();
            let drop = DropStatus { reason: reason.name().into(), count, sentence: reason.sentence().into() };
            (count > 0).then_some(drop)
        });
        let mut underlay: Vec<_> = self
            .watcher
            .current()
            .iter()
            .map(|(remote, reach)| RemoteStatus {
                remote_ip: remote.to_string(),
                reachable: matches!(reach, Reach::Via(_)),
                explanation: self.explain(*remote),
                device: match reach {
                    Reach::Via(path) => {
                        self.ports.list.get(usize::from(path.uplink.0)).map(|port| port.device.clone())
                    }
                    Reach::NoRoute | Reach::NoNeighbour => None,
                },
                mtu: match reach {
                    Reach::Via(path) => Some(path.mtu),
                    Reach::NoRoute | Reach::NoNeighbour => None,
                },
                learned_mtu: self.learned.of(*remote, Instant::now()).map(|(mtu, _)| mtu),
                learned_s: self.learned.of(*remote, Instant::now()).map(|(_, left)| left.as_secs()),
            })
            .collect();
        underlay.sort_by(|a, b| a.remote_ip.cmp(&b.remote_ip));
        Status {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_s: self.since.elapsed().as_secs(),
            bridge: BridgeStatus {
                name: self.config.bridge.name.clone(),
                flows: self.switch.len(),
                generation: self.switch.pipeline().generation(),
            },
            ports: ports.collect(),
            tunnels: tunnels(&self.config),
            underlay,
            mtu_refused: self.learned.refused(),
            workers: workers.collect(),
            cycles_hz: self.cycles_hz(),
            meters: self.meters(),
            drops: drops.collect(),
            fdb: self.stations(),
            learned: self.learned_flows(),
            controller: self.controller(),
            connections: self.connections(),
        }
    }

    /// How many cycles the processor's counter counts in a second, measured since the start.
    fn cycles_hz(&self) -> Option<u64> {
        let counted = cycles::now()?.checked_sub(self.counter?)?;
        let nanoseconds = self.since.elapsed().as_nanos();
        (u128::from(counted) * 1_000_000_000).checked_div(nanoseconds).map(|hz| hz as u64)
    }

    fn tx_queues(&self, role: Role) -> Vec<QueueStatus> {
        let of_port = self.switch.pipeline().queues().filter(|(port, ..)| role == Role::Guest(*port));
        let status = |(_, id, queue): (OfPort, QueueId, &Arc<Queue>)| {
            let Queued { packets, bytes, errors } = queue.seen();
            QueueStatus { queue: id.0, packets, bytes, errors }
        };
        of_port.map(status).collect()
    }

    fn meters(&self) -> Vec<MeterStatus> {
        let status = |(id, meter): (MeterId, &Arc<Meter>)| {
            let Metered { packets, bytes } = meter.seen();
            let bands = meter.exceeded().map(|Metered { packets, bytes }| BandStatus { packets, bytes });
            MeterStatus { meter: id.0, packets, bytes, bands: bands.collect() }
        };
        let mut meters: Vec<_> = self.switch.pipeline().meters().map(status).collect();
        meters.sort_by_key(|meter| meter.meter);
        meters
    }
}

fn tunnels(config: &Config) -> Vec<TunnelStatus> {
    let status = |tunnel: &config::Tunnel| TunnelStatus {
        name: tunnel.name.clone(),
        ofport: tunnel.spec.ofport.0,
        kind: tunnel.spec.kind.to_string(),
        remote_ip: match tunnel.spec.remote {
            Remote::Fixed(remote) => remote.to_string(),
            Remote::Flow => "flow".into(),
        },
        local_ip: tunnel.spec.local.map(|local| local.to_string()),
        key: match tunnel.spec.key {
            Key::Absent => "none".into(),
            Key::Fixed(key) => key.to_string(),
            Key::Flow => "flow".into(),
        },
        dst_port: tunnel.spec.kind.port().map(|_| tunnel.spec.dst_port),
        options: options(&tunnel.spec),
    };
    config.tunnels.iter().map(status).collect()
}

/// What differs from the defaults, as it is written in a configuration.
fn options(spec: &TunnelSpec) -> String {
    let default = TunnelSpec::new(spec.ofport, spec.kind, spec.remote, spec.key);
    let outer = |name: &str, value: Outer, default: Outer| match value {
        _ if value == default => None,
        Outer::Fixed(value) => Some(format!("{name}={value}")),
        Outer::Inherit => Some(format!("{name}=inherit")),
    };
    let when = |said: bool, what: &str| said.then(|| what.to_string());
    let options = [
        spec.checksum.map(|checksum| format!("csum={checksum}")),
        when(spec.zero_checksum_rx, "udp6_zero_csum_rx=true"),
        when(spec.sequence.is_some(), "seq=true"),
        when(spec.in_order, "iseq=true"),
        when(spec.group_policy, "exts=gbp"),
        when(spec.control, "oam=flow"),
        when(spec.strict, "peers=strict"),
        when(!spec.dont_fragment, "df_default=false"),
        when(spec.fragmenting == Fragmenting::Drop, "fragment=drop"),
        spec.mss.map(|mss| match mss {
            Mss::Fit => "mss=clamp".into(),
            Mss::Fixed(mss) => format!("mss={mss}"),
        }),
        outer("tos", spec.tos, default.tos),
        outer("ttl", spec.ttl, default.ttl),
    ];
    options.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
