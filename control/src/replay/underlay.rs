//! The underlay of a replay: what the kernel would say, as the configuration says it or by default.
//!
//! A remote end that no `[[replay.neighbour]]` names is reached by the first uplink, from that uplink's first endpoint of
//! its address family, from and to MAC addresses [`SRC_MAC`] and [`DST_MAC`], with an MTU of [`MTU`]. Which address of ours
//! a tunnel uses when it has a `local_ip` is not the kernel's choice and stays as configured.

use crate::compile::Bridge;
use crate::config::{Answer, Config, Neighbour, Way};
use anyhow::{Result, bail};
use datapath::port::PortId;
use datapath::tunnel::{Path, Reach, Underlay};
use datapath::wire::MacAddr;
use std::net::IpAddr;

/// MAC address of an uplink, unless the configuration says another.
pub const SRC_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// MAC address of a next hop, unless the configuration says another.
pub const DST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
/// Largest IP packet of a way, unless the configuration says another.
pub const MTU: u16 = 1500;

/// Our tunnel endpoints: those of the uplinks. An uplink without any means "every address of the device", which only the
/// kernel knows; it then has those that tunnels and neighbours name as ours.
pub(super) fn endpoints(config: &Config) -> Result<Vec<IpAddr>> {
    let mut endpoints: Vec<IpAddr> =
        config.uplinks.iter().flat_map(|uplink| &uplink.endpoints).flatten().copied().collect();
    if config.uplinks.iter().any(|uplink| uplink.endpoints.is_none()) {
        endpoints.extend(config.tunnels.iter().filter_map(|tunnel| tunnel.spec.local));
        endpoints.extend(config.neighbours.iter().filter_map(|neighbour| match &neighbour.answer {
            Answer::Via(way) => way.local,
            Answer::NoRoute | Answer::NoNeighbour => None,
        }));
    }
    if endpoints.is_empty() && !config.tunnels.is_empty() {
        bail!(
            "the addresses of the uplinks are not known to a replay: add endpoints = [\"...\"] to [[uplink]], or local_ip \
             to [[tunnel]] or [[replay.neighbour]]"
        );
    }
    endpoints.sort();
    endpoints.dedup();
    Ok(endpoints)
}

/// What is known about every remote end. `uplinks` are the ports of the configuration's uplinks, in order.
pub(super) fn underlay(config: &Config, bridge: &Bridge, uplinks: &[PortId]) -> Result<Underlay> {
    let mut underlay = Underlay::default();
    let named = |remote: IpAddr| config.neighbours.iter().find(|neighbour| neighbour.remote == remote);
    for (remote, _) in bridge.remotes() {
        if named(remote).is_none() {
            underlay.insert(remote, reach(config, &Neighbour::of(remote), bridge, uplinks)?);
        }
    }
    for neighbour in &config.neighbours {
        underlay.insert(neighbour.remote, reach(config, neighbour, bridge, uplinks)?);
    }
    Ok(underlay)
}

fn reach(config: &Config, neighbour: &Neighbour, bridge: &Bridge, uplinks: &[PortId]) -> Result<Reach> {
    let way = match &neighbour.answer {
        Answer::NoRoute => return Ok(Reach::NoRoute),
        Answer::NoNeighbour => return Ok(Reach::NoNeighbour),
        Answer::Via(way) => way,
    };
    let Way { uplink, local, src_mac, dst_mac, mtu } = way;
    let place = match uplink {
        Some(device) => config.uplinks.iter().position(|uplink| uplink.device == *device),
        None => Some(0),
    };
    let Some((uplink, port)) = place.and_then(|place| config.uplinks.get(place).zip(uplinks.get(place)))
    else {
        // Without an uplink there is no way; the configuration has no tunnels then.
        return Ok(Reach::NoRoute);
    };
    let family = |ours: &&IpAddr| ours.is_ipv4() == neighbour.remote.is_ipv4();
    let own = uplink.endpoints.iter().flatten().find(family);
    let Some(local) = local.as_ref().or(own).or_else(|| bridge.endpoints.iter().find(family)) else {
        // No address of ours is of that family, so the kernel would have no route either.
        return Ok(Reach::NoRoute);
    };
    Ok(Reach::Via(Path {
        uplink: *port,
        local: *local,
        src_mac: src_mac.unwrap_or(SRC_MAC),
        dst_mac: dst_mac.unwrap_or(DST_MAC),
        mtu: mtu.unwrap_or(MTU),
    }))
}
