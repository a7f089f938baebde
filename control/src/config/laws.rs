//! What must hold between the parts of a configuration: names, numbers and devices are used once, and no two tunnels
//! would take the same packets.

use super::section::{Faults, Section};
use super::{Answer, Neighbour, PORTS_MAX, Tunnel, Uplink};
use crate::text::suggest::did_you_mean;
use datapath::flow::OfPort;
use datapath::tunnel::{Key, Kind, Remote};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::ops::Range;

type Identity = (Kind, Option<IpAddr>, Remote, Key, u16);

/// What has been seen, and where.
#[derive(Default)]
pub(super) struct Laws {
    ports: usize,
    names: HashMap<String, Range<usize>>,
    ofports: HashMap<OfPort, Range<usize>>,
    devices: HashMap<String, Range<usize>>,
    endpoints: HashMap<IpAddr, Range<usize>>,
    tunnels: HashMap<Identity, Range<usize>>,
    udp_ports: HashMap<u16, (Kind, Range<usize>)>,
    neighbours: HashMap<IpAddr, Range<usize>>,
}

impl Laws {
    /// Whether there is room for one more port.
    pub(super) fn room(&mut self, section: &Section<'_>, faults: &mut Faults<'_>) -> bool {
        self.ports += 1;
        if self.ports > PORTS_MAX {
            faults.at(
                &section.span,
                format!("too many ports: at most {PORTS_MAX} guests and tunnels together"),
            );
        }
        self.ports <= PORTS_MAX
    }

    pub(super) fn name(&mut self, name: &str, span: &Range<usize>, faults: &mut Faults<'_>) {
        once(&mut self.names, name.to_string(), span, &format!("the name {name:?}"), faults);
    }

    pub(super) fn ofport(&mut self, ofport: OfPort, span: &Range<usize>, faults: &mut Faults<'_>) {
        once(&mut self.ofports, ofport, span, &format!("ofport {ofport}"), faults);
    }

    pub(super) fn device(&mut self, device: &str, span: &Range<usize>, faults: &mut Faults<'_>) {
        if device == "lo" {
            faults.at(span, "lo is the host's way to itself: no guest and no other hypervisor is behind it");
        }
        once(&mut self.devices, device.to_string(), span, &format!("the device {device:?}"), faults);
    }

    pub(super) fn uplink(&mut self, uplink: &Uplink, span: &Range<usize>, faults: &mut Faults<'_>) {
        self.device(&uplink.device, span, faults);
        for endpoint in uplink.endpoints.iter().flatten() {
            once(&mut self.endpoints, *endpoint, span, &format!("the endpoint {endpoint}"), faults);
        }
    }

    pub(super) fn tunnel(
        &mut self,
        tunnel: &Tunnel,
        span: &Range<usize>,
        uplinks: &[Uplink],
        uplink_given: bool,
        faults: &mut Faults<'_>,
    ) {
        let spec = &tunnel.spec;
        // Packets without a key are found as those with the key 0.
        let key = if spec.key == Key::Absent { Key::Fixed(0) } else { spec.key };
        let identity = (spec.kind, spec.local, spec.remote, key, spec.dst_port);
        let what = "a tunnel with this type, local_ip, remote_ip, key and dst_port";
        once(&mut self.tunnels, identity, span, what, faults);
        self.udp_port(spec.kind, spec.dst_port, span, faults);
        if !uplink_given {
            faults.at(span, "a tunnel needs an uplink to leave by: add [[uplink]] with device = \"...\"");
        }
        let Some(local) = spec.local else { return };
        // Endpoints that could not be read are not known here.
        let every = uplinks.iter().all(|uplink| uplink.endpoints.is_some());
        let ours =
            uplinks.iter().filter_map(|uplink| uplink.endpoints.as_ref()).flatten().any(|ip| *ip == local);
        if faults.none() && !uplinks.is_empty() && every && !ours {
            faults.at(span, format!("local_ip {local} is not among the endpoints of an uplink"));
        }
    }

    /// What a datagram is, its port says.
    fn udp_port(&mut self, kind: Kind, port: u16, span: &Range<usize>, faults: &mut Faults<'_>) {
        if kind.port().is_none() {
            return;
        }
        let (first, at) = self.udp_ports.entry(port).or_insert_with(|| (kind, span.clone()));
        if *first != kind {
            let message = format!(
                "dst_port {port} is that of a {first} tunnel in line {} already: {kind} needs another",
                faults.line(at)
            );
            faults.at(span, message);
        }
    }

    pub(super) fn neighbour(
        &mut self,
        neighbour: &Neighbour,
        span: &Range<usize>,
        uplinks: &[Uplink],
        faults: &mut Faults<'_>,
    ) {
        let Neighbour { remote, answer } = neighbour;
        once(&mut self.neighbours, *remote, span, &format!("the remote_ip {remote}"), faults);
        let Answer::Via(way) = answer else { return };
        if let Some(device) = &way.uplink
            && !uplinks.iter().any(|uplink| uplink.device == *device)
        {
            let near = did_you_mean(device, uplinks.iter().map(|uplink| uplink.device.as_str()));
            faults.at(span, format!("there is no [[uplink]] with device = {device:?}{near}"));
        }
        if let Some(local) = way.local.filter(|local| local.is_ipv4() != remote.is_ipv4()) {
            faults.at(span, format!("local_ip {local} and remote_ip {remote} are of different families"));
        }
    }
}

/// Notes a fault when something is there already.
fn once<K: Hash + Eq>(
    seen: &mut HashMap<K, Range<usize>>,
    key: K,
    span: &Range<usize>,
    what: &str,
    faults: &mut Faults<'_>,
) {
    match seen.get(&key) {
        Some(first) => faults.at(span, format!("{what} is already used in line {}", faults.line(first))),
        None => {
            seen.insert(key, span.clone());
        }
    }
}
