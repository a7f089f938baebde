//! Taking a frame out of a tunnel: the outer headers are checked, read, and cut off.
//!
//! Whatever comes in by an uplink is a tunnel packet for one of our endpoints, or it is dropped with the reason why not;
//! the XDP program has left everything else to the kernel before it got here.

use super::spec::Kind;
use super::table::{TunnelId, TunnelTable};
use crate::flow::Tunnelled;
use crate::mem::Frame;
use crate::stats::DropReason;
use crate::wire::{Error, Fragment, ethernet, ethertype, ipv4, ipv6, protocol, udp, vxlan};
use std::net::IpAddr;

/// Cuts the outer headers off `frame`. Returns the tunnel port that takes it and what the headers said.
///
/// On an error the frame is as it was.
#[inline]
pub fn decap(
    frame: &mut Frame<'_>,
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
) -> Result<(TunnelId, Tunnelled), DropReason> {
    let outer = parse(frame.bytes(), tunnels, is_endpoint)?;
    if outer.inner_len < ethernet::HEADER_LEN {
        return Err(DropReason::InnerTooShort);
    }
    let Outer { tunnel, tunnelled, inner_start, inner_len } = outer;
    frame.truncate(inner_start + inner_len);
    frame.pull(inner_start).ok_or(DropReason::InnerTooShort)?;
    Ok((tunnel, tunnelled))
}

struct Outer {
    tunnel: TunnelId,
    tunnelled: Tunnelled,
    inner_start: usize,
    inner_len: usize,
}

/// What both versions of IP say.
struct Network<'a> {
    source: IpAddr,
    destination: IpAddr,
    tos: u8,
    ttl: u8,
    protocol: u8,
    fragment: Fragment,
    payload: &'a [u8],
}

#[inline]
fn parse(
    packet: &[u8],
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
) -> Result<Outer, DropReason> {
    let ethernet = ethernet::View::parse(packet).map_err(|_| DropReason::FrameTooShort)?;
    let ip = network(ethernet.ethertype(), ethernet.payload())?;
    if !is_endpoint(ip.destination) {
        return Err(DropReason::NotOurEndpoint);
    }
    // RFC 7348 section 4.3: the destination may silently discard fragments. Ours are counted.
    if ip.fragment != Fragment::Whole {
        return Err(DropReason::OuterFragment);
    }
    if ip.protocol != protocol::UDP {
        return Err(DropReason::NotTunnel);
    }
    // RFC 7348 section 5: a zero checksum must be accepted, any other may be left unverified.
    let udp = udp::View::parse(ip.payload).map_err(|_| DropReason::OuterUdp)?;
    if !tunnels.listens(Kind::Vxlan, udp.destination_port()) {
        return Err(DropReason::NotTunnel);
    }
    let vxlan = vxlan::View::parse(udp.payload()).map_err(|_| DropReason::TunnelHeader)?;
    let id = u64::from(vxlan.vni().number());
    let tunnel = tunnels
        .find(Kind::Vxlan, udp.destination_port(), ip.destination, ip.source, id)
        .ok_or(DropReason::UnknownTunnel)?;
    let inner = vxlan.payload();
    Ok(Outer {
        tunnel,
        tunnelled: Tunnelled { remote: ip.source, local: ip.destination, id, tos: ip.tos, ttl: ip.ttl },
        inner_start: inner.as_ptr().addr() - packet.as_ptr().addr(),
        inner_len: inner.len(),
    })
}

#[inline]
fn network(ether_type: u16, bytes: &[u8]) -> Result<Network<'_>, DropReason> {
    match ether_type {
        ethertype::IPV4 => {
            let ip = ipv4::View::parse(bytes).map_err(|_| DropReason::OuterHeader)?;
            if !ip.checksum_ok() {
                return Err(DropReason::OuterChecksum);
            }
            Ok(Network {
                source: ip.source().into(),
                destination: ip.destination().into(),
                tos: ip.tos(),
                ttl: ip.ttl(),
                protocol: ip.protocol(),
                fragment: ip.fragment(),
                payload: ip.payload(),
            })
        }
        ethertype::IPV6 => {
            let ip = ipv6::View::parse(bytes).map_err(|error| match error {
                Error::TooManyHeaders(_) => DropReason::NotTunnel,
                _ => DropReason::OuterHeader,
            })?;
            Ok(Network {
                source: ip.source().into(),
                destination: ip.destination().into(),
                tos: ip.traffic_class(),
                ttl: ip.hop_limit(),
                protocol: ip.protocol(),
                fragment: ip.fragment(),
                payload: ip.payload(),
            })
        }
        _ => Err(DropReason::NotTunnel),
    }
}
