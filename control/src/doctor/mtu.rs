//! What packets of guests may measure on the way of each tunnel, and what becomes of longer ones.

use super::facts::{Facts, Way};
use crate::config::Config;
use anyhow::Result;
use datapath::mem::LONG_MAX;
use datapath::tunnel::{Fragmenting, Kind, Mss, PACKET_MAX, Remote, TunnelSpec};
use datapath::wire::{ethernet, ipv4, ipv6};
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;

/// The smallest MTU of IPv6 (RFC 8200 section 5).
const IPV6_MIN: u32 = 1280;
/// The largest MTU with which packets come in one buffer each (docs/mtu.md).
const ORDINARY_MAX: u32 = 3818;

/// All tunnels, and all remote ends of each.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether no guest can send what does not fit.
    pub fine: bool,
    /// Whether a switch runs, so that what it has learned is known.
    pub running: bool,
    /// Each tunnel with each of its remote ends.
    pub tunnels: Vec<Tunnel>,
}

/// A tunnel and a remote end of it.
#[derive(Clone, Debug, Serialize)]
pub struct Tunnel {
    /// Name of the tunnel.
    pub tunnel: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The remote end.
    pub remote_ip: String,
    /// The uplink that leads there; none when there is no way.
    pub device: Option<String>,
    /// MTU of that device.
    pub device_mtu: Option<u32>,
    /// MTU of the way, as the kernel knows it.
    pub way_mtu: Option<u16>,
    /// The longest packet that the switch takes from the underlay, whatever the way carries.
    pub switch_mtu: u16,
    /// The same as routers of the underlay have told.
    pub learned_mtu: Option<u16>,
    /// For how many seconds more that is believed.
    pub learned_s: Option<u64>,
    /// Bytes of the outer IP header.
    pub outer_ip: u32,
    /// Bytes between that and the guest's frame.
    pub tunnel_headers: u32,
    /// The most bytes of Geneve options, as the map of options has them; a frame may have fewer.
    pub options: u32,
    /// Bytes of the guest's Ethernet header, which travels along.
    pub inner_ethernet: u32,
    /// Longest IP packet of a guest that fits; without a VLAN tag, which takes four bytes more.
    pub guest_mtu: Option<u32>,
    /// Whether IPv6 of guests works at all: it needs 1,280.
    pub ipv6: bool,
    /// Guests' ports with a larger MTU.
    pub exceeding: Vec<Exceeding>,
    /// What is done with IPv4 that may be fragmented: `inner` or `drop`.
    pub fragment: String,
    /// What TCP segment sizes are lowered to: `clamp`, a number, or none.
    pub mss: Option<String>,
    /// Whether a packet as long as the way is said to carry got there and back; none when that was not tried.
    pub proven: Option<bool>,
    /// How the remote end is reached, or why not, for people.
    pub explanation: String,
}

/// A guest's port with an MTU that is too large.
#[derive(Clone, Debug, Serialize)]
pub struct Exceeding {
    /// Its name.
    pub port: String,
    /// Its MTU.
    pub mtu: u32,
}

impl Report {
    pub(super) fn new(config: &Config, facts: &Facts) -> Report {
        let leads = |spec: &TunnelSpec, remote: IpAddr| match spec.remote {
            Remote::Fixed(fixed) => fixed == remote,
            Remote::Flow => spec.local.is_none_or(|local| local.is_ipv4() == remote.is_ipv4()),
        };
        let tunnels: Vec<Tunnel> = config
            .tunnels
            .iter()
            .flat_map(|tunnel| {
                let ways = facts.ways.iter().filter(move |(remote, _)| leads(&tunnel.spec, **remote));
                ways.map(move |(remote, way)| {
                    Tunnel::new(&tunnel.name, &tunnel.spec, *remote, way, config, facts)
                })
            })
            .collect();
        Report { fine: tunnels.iter().all(Tunnel::is_fine), running: facts.running, tunnels }
    }

    /// Tries every way with a packet as long as it is said to carry.
    pub(super) fn probe(&mut self, gets_there: impl Fn(IpAddr, u16) -> Result<bool>) -> Result<()> {
        for tunnel in &mut self.tunnels {
            let (Ok(remote), Some(mtu)) = (tunnel.remote_ip.parse(), tunnel.way()) else { continue };
            tunnel.proven = Some(gets_there(remote, mtu)?);
        }
        Ok(())
    }
}

impl Tunnel {
    fn new(
        name: &str,
        spec: &TunnelSpec,
        remote: IpAddr,
        way: &Way,
        config: &Config,
        facts: &Facts,
    ) -> Tunnel {
        let outer_ip = if remote.is_ipv4() { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
        // The headers are counted with the outer Ethernet header, which is no part of a packet; the inner one is as long.
        let around = spec.headers_len(remote.is_ipv6());
        let mut tunnel = Tunnel {
            tunnel: name.into(),
            kind: spec.kind.to_string(),
            remote_ip: remote.to_string(),
            device_mtu: way.device.as_ref().and_then(|device| facts.devices.get(device).copied()),
            device: way.device.clone(),
            way_mtu: way.mtu,
            switch_mtu: PACKET_MAX,
            learned_mtu: way.learned.map(|(mtu, _)| mtu),
            learned_s: way.learned.map(|(_, left)| left),
            outer_ip: outer_ip as u32,
            tunnel_headers: (around - ethernet::HEADER_LEN - outer_ip) as u32,
            options: match spec.kind {
                Kind::Geneve => config.bridge.options.len_max() as u32,
                _ => 0,
            },
            inner_ethernet: ethernet::HEADER_LEN as u32,
            guest_mtu: None,
            ipv6: false,
            exceeding: Vec::new(),
            fragment: match spec.fragmenting {
                Fragmenting::Inner => "inner".into(),
                Fragmenting::Drop => "drop".into(),
            },
            mss: spec.mss.map(|mss| match mss {
                Mss::Fit => "clamp".into(),
                Mss::Fixed(mss) => mss.to_string(),
            }),
            proven: None,
            explanation: way.explanation.clone(),
        };
        let Some(mtu) = tunnel.way() else { return tunnel };
        let fits = u32::from(mtu).saturating_sub(tunnel.overhead());
        tunnel.guest_mtu = Some(fits);
        tunnel.ipv6 = fits >= IPV6_MIN;
        let ports = config.ports.iter().filter_map(|port| {
            let mtu = *facts.devices.get(&port.device)?;
            (mtu > fits).then(|| Exceeding { port: port.name.clone(), mtu })
        });
        tunnel.exceeding = ports.collect();
        tunnel
    }

    /// What the way carries, by all that is known.
    fn way(&self) -> Option<u16> {
        self.way_mtu.map(|mtu| mtu.min(self.learned_mtu.unwrap_or(mtu)).min(self.switch_mtu))
    }

    fn overhead(&self) -> u32 {
        self.outer_ip + self.tunnel_headers + self.options + self.inner_ethernet
    }

    fn is_fine(&self) -> bool {
        self.exceeding.is_empty() && self.proven != Some(false)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tunnels.is_empty() {
            return writeln!(f, "there are no tunnels with remote ends: nothing is put around packets");
        }
        for tunnel in &self.tunnels {
            write!(f, "{tunnel}")?;
        }
        match self.running {
            true => Ok(()),
            false => writeln!(f, "no switch runs here: what routers would tell it is not known"),
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}) to {}", self.tunnel, self.kind, self.remote_ip)?;
        let (Some(mtu), Some(way), Some(fits)) = (self.way(), self.way_mtu, self.guest_mtu) else {
            return writeln!(f, "  cannot be reached: {}\n", self.explanation);
        };
        let device = self.device.as_deref().unwrap_or("the uplink");
        let carries = self.device_mtu.map_or(String::new(), |mtu| format!("{device} carries {mtu} bytes; "));
        writeln!(f, "  {carries}the kernel's way carries {way}")?;
        if let (Some(learned), Some(left)) = (self.learned_mtu, self.learned_s) {
            writeln!(f, "  routers of the underlay say {learned}, which is believed for {left} s more")?;
        }
        if way > self.switch_mtu {
            writeln!(f, "  the switch takes {} at the most", self.switch_mtu)?;
        }
        if self.device_mtu.is_some_and(|mtu| mtu > ORDINARY_MAX) {
            writeln!(
                f,
                "  these are jumbo frames: packets come and go in several buffers, up to {LONG_MAX} bytes"
            )?;
        }
        let kind = if self.kind == Kind::Vxlan.name() || self.kind == Kind::Geneve.name() {
            format!("UDP and {}", self.kind)
        } else {
            self.kind.clone()
        };
        let kind = match self.options {
            0 => kind,
            options => format!("{kind}, at most {options} options"),
        };
        writeln!(
            f,
            "  around a guest's packet are {} bytes: {} outer IP, {} {kind}, {} inner Ethernet",
            self.overhead(),
            self.outer_ip,
            self.tunnel_headers,
            self.inner_ethernet
        )?;
        writeln!(f, "  so {mtu} - {} = {fits} bytes fit (4 less for each VLAN tag)", self.overhead())?;
        match self.proven {
            Some(true) => writeln!(f, "  proven: a ping of {mtu} bytes in one piece was answered")?,
            Some(false) => writeln!(
                f,
                "  not proven: pings of {mtu} bytes in one piece were not answered, or the remote end answers none"
            )?,
            None => {}
        }
        if !self.ipv6 {
            writeln!(f, "  IPv6 of guests needs {IPV6_MIN}: longer ways are needed for it")?;
        }
        for port in &self.exceeding {
            let may_be = if self.fragment == "drop" { "dropped" } else { "fragmented" };
            let lowered = if self.mss.is_some() { "; TCP is held to what fits" } else { "" };
            writeln!(
                f,
                "  {} has MTU {}: of its longer packets, IPv4 with DF and IPv6 are dropped and their senders told by ICMP, \
                 other IPv4 is {may_be}{lowered}",
                port.port, port.mtu
            )?;
        }
        if !self.exceeding.is_empty() {
            let largest = self.exceeding.iter().map(|port| port.mtu).max().unwrap_or(0);
            writeln!(f, "  better: give the underlay {}, or the guests {fits}", largest + self.overhead())?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::path::Path;

    const CONFIG: &str = "[bridge]\nname = \"br0\"\n[[uplink]]\ndevice = \"eth1\"\n[[port]]\nname = \"g1\"\nofport = 1\n\
        [[tunnel]]\nname = \"vx0\"\nofport = 10\ntype = \"vxlan\"\nremote_ip = \"192.0.2.2\"\nkey = 7\n\
        [[tunnel]]\nname = \"gre0\"\nofport = 11\ntype = \"gre\"\nremote_ip = \"2001:db8::2\"\nkey = 7\nfragment = \"drop\"\nmss = \"clamp\"\n";

    fn report(way: u16, learned: Option<(u16, u64)>) -> Report {
        let config = config::parse("x", Path::new(""), CONFIG).unwrap();
        let way = Way { device: Some("eth1".into()), mtu: Some(way), learned, explanation: String::new() };
        let facts = Facts {
            running: true,
            devices: [("eth1".into(), 9000), ("g1".into(), 1500)].into(),
            ways: ["192.0.2.2", "2001:db8::2"].map(|remote| (remote.parse().unwrap(), way.clone())).into(),
        };
        Report::new(&config, &facts)
    }

    #[test]
    fn what_fits_is_what_is_left_beside_the_headers() {
        let fits = |report: &Report| {
            report.tunnels.iter().map(|tunnel| tunnel.guest_mtu.unwrap()).collect::<Vec<_>>()
        };
        let wide = report(1562, None);
        assert_eq!(
            (fits(&wide), wide.fine),
            (vec![1512, 1500], true),
            "RFC 7348: 50 bytes; RFC 2890 over IPv6: 62"
        );
        let narrow = report(1562, Some((1400, 300)));
        assert_eq!((fits(&narrow), narrow.fine), (vec![1350, 1338], false));
        assert!(narrow.tunnels.iter().all(|tunnel| tunnel.exceeding[0].port == "g1" && tunnel.ipv6));
        assert!(report(1300, None).tunnels.iter().all(|tunnel| !tunnel.ipv6));
    }

    #[test]
    fn it_is_told_in_words() {
        let text = report(1500, Some((1400, 300))).to_string();
        for told in [
            "vx0 (vxlan) to 192.0.2.2\n  eth1 carries 9000 bytes; the kernel's way carries 1500\n",
            "these are jumbo frames: packets come and go in several buffers, up to 16128 bytes\n",
            "routers of the underlay say 1400, which is believed for 300 s more",
            "are 50 bytes: 20 outer IP, 16 UDP and vxlan, 14 inner Ethernet",
            "so 1400 - 50 = 1350 bytes fit",
            "other IPv4 is dropped; TCP is held to what fits",
            "better: give the underlay 1550, or the guests 1350",
        ] {
            assert!(text.contains(told), "{told:?} is not in\n{text}");
        }
    }

    #[test]
    fn jumbo_frames_are_as_long_as_the_way_and_the_switch_have_them() {
        let fits = |way| report(way, None).tunnels.iter().map(|tunnel| tunnel.guest_mtu).collect::<Vec<_>>();
        assert_eq!(fits(9000), [Some(8950), Some(8938)]);
        assert_eq!(fits(16_114), fits(65_535));
        let text = report(65_535, None).to_string();
        assert!(text.contains("carries 65535\n  the switch takes 16114 at the most\n"), "{text}");
        assert!(text.contains("so 16114 - 50 = 16064 bytes fit"), "{text}");
    }

    #[test]
    fn options_of_the_map_are_part_of_what_is_around_a_packet() {
        let map = "tlv_map = [\"{class=0x102,type=0x80,len=4}->tun_metadata0\"]\n[[uplink]]";
        let config = CONFIG.replacen("[[uplink]]", map, 1).replace("type = \"vxlan\"", "type = \"geneve\"");
        let config = config::parse("x", Path::new(""), &config).unwrap();
        let way =
            Way { device: Some("eth1".into()), mtu: Some(1562), learned: None, explanation: String::new() };
        let facts = Facts {
            running: true,
            devices: [("eth1".into(), 9000), ("g1".into(), 1500)].into(),
            ways: [("192.0.2.2".parse().unwrap(), way)].into(),
        };
        let report = Report::new(&config, &facts);
        assert_eq!(report.tunnels[0].guest_mtu, Some(1504), "50 bytes, and 8 of the option");
        assert!(
            report.to_string().contains("58 bytes: 20 outer IP, 16 UDP and geneve, at most 8 options, 14")
        );
    }

    #[test]
    fn a_way_that_is_tried_and_fails_is_not_fine() {
        let mut report = report(1562, None);
        report.probe(|remote, len| Ok(remote.is_ipv4() && len == 1562)).unwrap();
        assert_eq!(
            report.tunnels.iter().map(|tunnel| tunnel.proven).collect::<Vec<_>>(),
            [Some(true), Some(false)]
        );
        assert!(report.tunnels[0].is_fine() && !report.tunnels[1].is_fine());
    }
}
