//! Taking a frame out of a tunnel: the outer headers are checked, read, and cut off.
//!
//! Whatever comes in by an uplink is a tunnel packet for one of our endpoints, or it is dropped with the reason why not;
//! the XDP program has left everything else to the kernel before it got here. Every check comes before the first byte is
//! changed.

use super::spec::{Kind, TunnelSpec};
use super::table::{TunnelId, TunnelTable};
use super::{ecn, verify};
use crate::flow::Tunnelled;
use crate::mem::Frame;
use crate::stats::DropReason;
use crate::wire::checksum::{pseudo_v4, pseudo_v6};
use crate::wire::{Error, Fragment, ethernet, ethertype, ipv4, ipv6, protocol};
use crate::wire::{geneve, gre, nvgre, udp, vlan, vxlan};
use std::net::IpAddr;

/// Network numbers below this are reserved (RFC 7637 section 3.2), so a key below it is no NVGRE key first of all.
const VSID_MIN: u32 = 0x1000;

/// Cuts the outer headers off `frame`. Returns the tunnel port that takes it and what the headers said.
///
/// # Errors
/// Why it is dropped; the frame is as it was then.
#[inline]
pub fn decap(
    frame: &mut Frame<'_>,
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
) -> Result<(TunnelId, Tunnelled), DropReason> {
    let packet = frame.bytes();
    let Carried { tunnel, tunnelled, inner } = parse(packet, tunnels, is_endpoint)?;
    if inner.len() < ethernet::HEADER_LEN {
        return Err(DropReason::InnerTooShort);
    }
    let (start, len) = (inner.as_ptr().addr() - packet.as_ptr().addr(), inner.len());
    // Marks that leave the inner header as it is, whatever that says, have this bit unset (RFC 6040 section 4.2).
    if tunnelled.tos & ecn::ECT_1 != 0 {
        ecn::decapsulate(&mut frame.bytes_mut()[start..start + len], tunnelled.tos)?;
    }
    frame.truncate(start + len);
    frame.pull(start).ok_or(DropReason::InnerTooShort)?;
    Ok((tunnel, tunnelled))
}

/// What a tunnel packet carries, and to which port.
struct Carried<'a> {
    tunnel: TunnelId,
    tunnelled: Tunnelled,
    inner: &'a [u8],
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

impl Network<'_> {
    fn tunnelled(&self, id: u32) -> Tunnelled {
        let (remote, local) = (self.source, self.destination);
        Tunnelled { remote, local, id: id.into(), tos: self.tos, ttl: self.ttl, flags: 0, policy: 0 }
    }
}

#[inline]
fn parse<'a>(
    packet: &'a [u8],
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
) -> Result<Carried<'a>, DropReason> {
    let ethernet = ethernet::View::parse(packet).map_err(|_| DropReason::FrameTooShort)?;
    let ip = network(ethernet.ethertype(), ethernet.payload())?;
    if !is_endpoint(ip.destination) {
        return Err(DropReason::NotOurEndpoint);
    }
    // RFC 7348 section 4.3: the destination may silently discard fragments. Ours are counted.
    if ip.fragment != Fragment::Whole {
        return Err(DropReason::OuterFragment);
    }
    match ip.protocol {
        protocol::UDP => from_udp(ip, tunnels),
        protocol::GRE if tunnels.takes_gre() => from_gre(ip, tunnels),
        _ => Err(DropReason::NotTunnel),
    }
}

/// VXLAN has the straight line; what is asked for seldom is apart, and gets what it needs by value, so that nothing has to be in
/// memory for it.
#[inline(always)]
fn from_udp<'a>(ip: Network<'a>, tunnels: &TunnelTable) -> Result<Carried<'a>, DropReason> {
    let udp = udp::View::parse(ip.payload).map_err(|_| DropReason::OuterUdp)?;
    let port = udp.destination_port();
    let kind = tunnels.listens(port).ok_or(DropReason::NotTunnel)?;
    if kind == Kind::Vxlan {
        let vxlan = vxlan::View::parse(udp.payload()).map_err(|_| DropReason::TunnelHeader)?;
        let mut carried = Carried {
            tunnelled: ip.tunnelled(vxlan.vni().number()),
            tunnel: find(ip.source, ip.destination, tunnels, Kind::Vxlan, port, vxlan.vni().number())?,
            inner: vxlan.payload(),
        };
        let spec = tunnels.spec(carried.tunnel);
        checksum(&ip, &udp, spec, carried.inner)?;
        if spec.group_policy
            && let Some(policy) = vxlan.policy()
        {
            carried.tunnelled.policy = Tunnelled::policy_of(policy.id, policy.flags);
        }
        Ok(carried)
    } else {
        from_geneve(ip, udp, tunnels)
    }
}

#[inline(never)]
fn from_geneve<'a>(
    ip: Network<'a>,
    udp: udp::View<'a>,
    tunnels: &TunnelTable,
) -> Result<Carried<'a>, DropReason> {
    let geneve = geneve::View::parse(udp.payload()).map_err(|_| DropReason::TunnelHeader)?;
    let key = geneve.vni().number();
    let tunnel = find_apart(ip.source, ip.destination, tunnels, Kind::Geneve, udp.destination_port(), key)?;
    let spec = tunnels.spec(tunnel);
    checksum(&ip, &udp, spec, geneve.payload())?;
    // RFC 8926 section 3.4: "Tunnel endpoints MUST NOT forward the payload" of a control message.
    if geneve.is_control() && !spec.control {
        return Err(DropReason::TunnelControl);
    }
    // RFC 8926 section 3.5: options are invalid unless they add up, and one that is critical and unknown ends the packet. We
    // know none.
    let mut critical = false;
    for option in geneve.options() {
        critical |= option.map_err(|_| DropReason::TunnelHeader)?.is_critical();
    }
    if critical {
        return Err(DropReason::CriticalOption);
    }
    if geneve.protocol() != geneve::ETHERNET {
        return Err(DropReason::TunnelPayload);
    }
    let tunnelled = Tunnelled { flags: geneve.is_control().into(), ..ip.tunnelled(key) };
    Ok(Carried { tunnel, tunnelled, inner: geneve.payload() })
}

/// GRE, and NVGRE, which is GRE with a key of 24 bits and another 8. Where there are ports of both kinds, a key that can be a
/// network of NVGRE is looked up as that first, and any other as that of GRE.
#[inline(never)]
fn from_gre<'a>(ip: Network<'a>, tunnels: &TunnelTable) -> Result<Carried<'a>, DropReason> {
    let gre = gre::View::parse(ip.payload).map_err(|_| DropReason::TunnelHeader)?;
    if gre.protocol() != gre::ETHERNET {
        return Err(DropReason::TunnelPayload);
    }
    if gre.summed().is_some_and(|covered| !verify::is_right(covered, gre.payload())) {
        return Err(DropReason::GreChecksum);
    }
    let key = gre.key().unwrap_or(0);
    let as_gre =
        || find_apart(ip.source, ip.destination, tunnels, Kind::Gre, 0, key).map(|tunnel| (tunnel, key));
    let as_nvgre = || {
        let vsid = nvgre::View::of(&gre).map_err(|_| DropReason::UnknownTunnel)?.vsid().number();
        find_apart(ip.source, ip.destination, tunnels, Kind::Nvgre, 0, vsid).map(|tunnel| (tunnel, vsid))
    };
    let (tunnel, id) = match key >> 8 {
        VSID_MIN.. => as_nvgre().or_else(|_| as_gre())?,
        _ => as_gre().or_else(|_| as_nvgre())?,
    };
    let inner = gre.payload();
    // RFC 7637 section 3.2: "A decapsulating NVE MUST drop the frame if the inner Ethernet frame contains an 802.1Q tag."
    let tagged = || ethernet::View::parse(inner).is_ok_and(|inner| vlan::is_tag(inner.ethertype()));
    if tunnels.spec(tunnel).kind == Kind::Nvgre && tagged() {
        return Err(DropReason::InnerTag);
    }
    Ok(Carried { tunnel, tunnelled: ip.tunnelled(id), inner })
}

/// The port that takes the packet, if it takes packets from there.
#[inline(always)]
fn find(
    remote: IpAddr,
    local: IpAddr,
    tunnels: &TunnelTable,
    kind: Kind,
    port: u16,
    key: u32,
) -> Result<TunnelId, DropReason> {
    let tunnel = tunnels.find(kind, port, local, remote, key.into()).ok_or(DropReason::UnknownTunnel)?;
    if tunnels.spec(tunnel).strict && !tunnels.is_peer(remote) {
        return Err(DropReason::UnknownPeer);
    }
    Ok(tunnel)
}

/// The same, for all but the straight line.
#[inline(never)]
fn find_apart(
    remote: IpAddr,
    local: IpAddr,
    tunnels: &TunnelTable,
    kind: Kind,
    port: u16,
    key: u32,
) -> Result<TunnelId, DropReason> {
    find(remote, local, tunnels, kind, port, key)
}

/// RFC 7348 section 5 and RFC 8926 section 3.3: a checksum of zero must be accepted over IPv4, and one that is there may or
/// must be verified. RFC 8200 section 8.1: over IPv6 zero is an error, unless the tunnel was told (RFC 6935 section 5).
#[inline(always)]
fn checksum(
    ip: &Network<'_>,
    udp: &udp::View<'_>,
    spec: &TunnelSpec,
    inner: &[u8],
) -> Result<(), DropReason> {
    match udp.checksum() {
        0 if ip.source.is_ipv4() || spec.zero_checksum_rx => Ok(()),
        0 => Err(DropReason::NoUdpChecksum),
        _ if is_right(ip.source, ip.destination, *udp, inner) => Ok(()),
        _ => Err(DropReason::OuterUdpChecksum),
    }
}

#[inline(never)]
fn is_right(source: IpAddr, destination: IpAddr, udp: udp::View<'_>, inner: &[u8]) -> bool {
    let pseudo = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            pseudo_v4(source, destination, protocol::UDP, udp.length())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            pseudo_v6(source, destination, protocol::UDP, udp.length().into())
        }
        _ => return false,
    };
    verify::udp_is_right(&udp, pseudo, inner)
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
