//! The ports of the bridge as OpenFlow tells them.

use super::super::Daemon;
use crate::config::Config;
use crate::ofproto::PortRequest;
use crate::openflow::{Code, PortChange, PortDesc, PortMod, PortStats, QueueDesc};
use crate::text::LOCAL;
use datapath::flow::OfPort;
use datapath::pipeline::{Passed, QueueId};
use datapath::stats::PortCounters;
use datapath::worker::Role;

/// `OFPPC_PORT_DOWN`.
const PORT_DOWN: u32 = 1;
/// `OFPPS_LINK_DOWN`.
const LINK_DOWN: u32 = 1;
/// `OFPPS_LIVE`.
const LIVE: u32 = 1 << 2;
/// A counter that is not kept.
const UNKNOWN: u64 = u64::MAX;

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Face {
    pub(super) desc: PortDesc,
    pub(super) stats: PortStats,
}

/// All ports, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Faces(Vec<Face>);

impl Faces {
    pub(super) fn port(&self, number: OfPort) -> Option<&Face> {
        self.0.iter().find(|face| face.desc.number == number)
    }

    /// Those that are asked for.
    pub(super) fn of(&self, port: Option<OfPort>) -> impl Iterator<Item = &Face> {
        self.0.iter().filter(move |face| port.is_none_or(|port| port == face.desc.number))
    }

    pub(super) fn descs(&self, port: Option<OfPort>) -> Vec<PortDesc> {
        self.of(port).map(|face| face.desc.clone()).collect()
    }

    /// What is asked of a port.
    ///
    /// # Errors
    /// `OFPPMFC_BAD_PORT`; `OFPPMFC_BAD_HW_ADDR`: the address is a proof that this port is meant (OpenFlow 1.3.5 section 7.3.4.3);
    /// `OFPPMFC_BAD_ADVERTISE`: what a device offers to its link is the host's affair.
    pub(super) fn request(&self, change: &PortMod) -> Result<PortRequest, Code> {
        request(&self.port(change.port).ok_or(Code::BadPortNumber)?.desc, change)
    }

    pub(super) fn stats(&self, port: Option<OfPort>) -> Vec<PortStats> {
        self.of(port).map(|face| face.stats).collect()
    }
}

fn request(desc: &PortDesc, change: &PortMod) -> Result<PortRequest, Code> {
    let PortMod { port, mac, config, mask, advertise } = *change;
    if desc.mac != mac {
        return Err(Code::BadHwAddr);
    }
    if advertise != 0 {
        return Err(Code::BadAdvertise);
    }
    Ok(PortRequest { port, config, mask })
}

impl Daemon {
    /// The ports as they are now.
    pub(super) fn faces(&self) -> Faces {
        let tallies = self.workers.tallies();
        let duration_ms = self.since.elapsed().as_millis() as u64;
        let mut faces = Vec::new();
        for (index, port) in self.ports.list.iter().enumerate() {
            let Role::Guest(number) = port.role else { continue };
            // A port whose device is gone is none until it is back, as in Open vSwitch.
            if port.gone {
                continue;
            }
            let presence = self.watcher.present().get(&port.device);
            let (up, running) = presence.map_or((false, false), |device| (device.up, device.running));
            let sum =
                |field: fn(&PortCounters) -> u64| tallies.iter().map(|tally| field(&tally.port(index))).sum();
            let mac = presence.and_then(|device| device.mac).map_or([0; 6], |mac| mac.0);
            // LOCAL is a port by the name of the bridge.
            let name = if number == LOCAL { &self.config.bridge.name } else { &port.name };
            faces.push(Face {
                desc: desc(number, name, mac, self.config_bits(number, up), running),
                stats: PortStats {
                    port: number,
                    rx_packets: sum(|c| c.rx_packets),
                    tx_packets: sum(|c| c.tx_packets),
                    rx_bytes: sum(|c| c.rx_bytes),
                    tx_bytes: sum(|c| c.tx_bytes),
                    rx_dropped: sum(|c| c.drops).wrapping_add(sum(|c| c.rx_missed)),
                    tx_dropped: 0,
                    rx_errors: 0,
                    tx_errors: sum(|c| c.tx_errors),
                    rx_frame_err: UNKNOWN,
                    rx_over_err: UNKNOWN,
                    rx_crc_err: UNKNOWN,
                    collisions: UNKNOWN,
                    duration_ms,
                },
            });
        }
        for tunnel in &self.config.tunnels {
            let number = tunnel.spec.ofport;
            // Tunnels have no device, and no address of their own: one is made of the number, so that it is always the same.
            let [_, _, high, low] = number.0.to_be_bytes();
            let mac = [0xfe, 0xad, 0x17, 0, high, low];
            let desc = desc(number, &tunnel.name, mac, self.config_bits(number, true), true);
            let Passed { came, went } = self.switch.pipeline().passed(number).unwrap_or_default();
            let stats = PortStats {
                port: number,
                rx_packets: came.packets,
                tx_packets: went.packets,
                rx_bytes: came.bytes,
                tx_bytes: went.bytes,
                rx_dropped: UNKNOWN,
                tx_dropped: UNKNOWN,
                rx_errors: UNKNOWN,
                tx_errors: UNKNOWN,
                rx_frame_err: UNKNOWN,
                rx_over_err: UNKNOWN,
                rx_crc_err: UNKNOWN,
                collisions: UNKNOWN,
                duration_ms,
            };
            faces.push(Face { desc, stats });
        }
        faces.sort_by_key(|face| face.desc.number);
        Faces(faces)
    }

    /// Tells of ports that are others than those that were told of last.
    pub(in super::super) fn tell_ports(&mut self) {
        let now = self.faces().descs(None);
        let before = std::mem::replace(&mut self.controllers.ports, now.clone());
        let of =
            |ports: &[PortDesc], number: OfPort| ports.iter().find(|port| port.number == number).cloned();
        for port in &now {
            match of(&before, port.number) {
                None => self.controllers.channel.port_status(PortChange::Add, port),
                Some(was) if was != *port => self.controllers.channel.port_status(PortChange::Modify, port),
                Some(_) => {}
            }
        }
        for port in before.iter().filter(|port| of(&now, port.number).is_none()) {
            self.controllers.channel.port_status(PortChange::Delete, port);
        }
        self.deliver();
    }

    /// What a controller has made of a port, and whether the host has taken it down.
    fn config_bits(&self, number: OfPort, up: bool) -> u32 {
        self.switch.port_bits(number) | if up { 0 } else { PORT_DOWN }
    }
}

/// The queues of a port, or of all. What they let pass is a number of bits, and not a part of the port's speed: that is not told.
pub(super) fn queues(config: &Config, port: Option<OfPort>, queue: Option<QueueId>) -> Vec<QueueDesc> {
    let all = config.queues().into_iter().map(|(port, queue, _)| QueueDesc {
        port,
        queue,
        min_rate: None,
        max_rate: None,
    });
    let asked = |of: &QueueDesc| {
        port.is_none_or(|port| port == of.port) && queue.is_none_or(|queue| queue == of.queue)
    };
    all.filter(asked).collect()
}

fn desc(number: OfPort, name: &str, mac: [u8; 6], config: u32, running: bool) -> PortDesc {
    let state = if running { LIVE } else { LINK_DOWN };
    PortDesc { config, state, ..PortDesc::named(number, mac, name.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_port_is_done_whole_or_refused() {
        let (port, mac) = (OfPort(7), [2, 0, 0, 0, 0, 7]);
        let desc = desc(port, "g7", mac, 0, true);
        let change = PortMod { port, mac, config: 0, mask: PORT_DOWN, advertise: 0 };
        let done = Ok(PortRequest { port, config: 0, mask: PORT_DOWN });
        assert_eq!(request(&desc, &change), done);
        assert_eq!(request(&desc, &PortMod { advertise: 1, ..change }), Err(Code::BadAdvertise));
        assert_eq!(request(&desc, &PortMod { mac: [2; 6], ..change }), Err(Code::BadHwAddr));
        assert_eq!(Faces::default().request(&change), Err(Code::BadPortNumber));
    }
}
