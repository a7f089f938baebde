//! Taking a frame out of a tunnel: the outer headers are checked, read, and cut off.
//!
//! Whatever comes in by an uplink is a tunnel packet for one of our endpoints, or it is dropped with the reason why not;
//! the XDP program has left everything else to the kernel before it got here. Every check comes before the first byte is
//! changed.
//!
//! What differs between the versions of IP is the type of the addresses, so the checks are written once and compiled twice.

use super::last::{Asked, Last};
use super::options::Unread;
use super::spec::{Kind, TunnelSpec};
use super::table::{TunnelId, TunnelTable};
use super::{VSID_MIN, ecn, verify};
use crate::flow::Tunnelled;
use crate::mem::Frame;
use crate::stats::DropReason;
use crate::wire::checksum::{pseudo_v4, pseudo_v6};
use crate::wire::{Error, Fragment, ethernet, ethertype, ipv4, ipv6, protocol};
use crate::wire::{geneve, gre, nvgre, udp, vlan, vxlan};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Cuts the outer headers off `frame`. Returns the tunnel port that takes it and what the headers said. `last` is what was found
/// for the frames before, of the same tunnels and endpoints.
///
/// # Errors
/// Why it is dropped; the frame is as it was then.
#[inline]
pub fn decap(
    frame: &mut Frame<'_>,
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
    last: &mut Last,
) -> Result<(TunnelId, Tunnelled), DropReason> {
    let ethernet = ethernet::View::parse(frame.bytes()).map_err(|_| DropReason::FrameTooShort)?;
    match ethernet.ethertype() {
        ethertype::IPV4 => decap_ip(frame, ipv4, tunnels, is_endpoint, last),
        ethertype::IPV6 => decap_ipv6(frame, tunnels, is_endpoint, last),
        _ => Err(DropReason::NotTunnel),
    }
}

/// Apart, lest the shorter way has to keep room for it.
#[inline(never)]
fn decap_ipv6(
    frame: &mut Frame<'_>,
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
    last: &mut Last,
) -> Result<(TunnelId, Tunnelled), DropReason> {
    decap_ip(frame, ipv6, tunnels, is_endpoint, last)
}

/// `network` reads what is behind the Ethernet header.
#[inline(always)]
fn decap_ip<A: Copy + Into<IpAddr>>(
    frame: &mut Frame<'_>,
    network: impl FnOnce(&[u8]) -> Result<Network<'_, A>, DropReason>,
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
    last: &mut Last,
) -> Result<(TunnelId, Tunnelled), DropReason> {
    let packet = frame.bytes();
    let ip = network(&packet[ethernet::HEADER_LEN..])?;
    let Carried { tunnel, key, flags, options, policy, inner } = parse(ip, tunnels, is_endpoint, last)?;
    if inner.len() < ethernet::HEADER_LEN {
        return Err(DropReason::InnerTooShort);
    }
    let (start, len) = (inner.as_ptr().addr() - packet.as_ptr().addr(), inner.len());
    let Network { tos, ttl, .. } = ip;
    let (remote, local) = (ip.source.into(), ip.destination.into());
    // Marks that leave the inner header as it is, whatever that says, have this bit unset (RFC 6040 section 4.2).
    if tos & ecn::ECT_1 != 0 {
        ecn::decapsulate(&mut frame.bytes_mut()[start..start + len], tos)?;
    }
    frame.truncate(start + len);
    frame.pull(start).ok_or(DropReason::InnerTooShort)?;
    Ok((tunnel, Tunnelled { remote, local, id: key.into(), tos, ttl, flags, options, policy }))
}

/// What a tunnel packet carries, and to which port.
struct Carried<'a> {
    tunnel: TunnelId,
    key: u32,
    flags: u16,
    options: u16,
    policy: u32,
    inner: &'a [u8],
}

/// What both versions of IP say, with addresses of one of them.
#[derive(Clone, Copy)]
struct Network<'a, A> {
    source: A,
    destination: A,
    tos: u8,
    ttl: u8,
    protocol: u8,
    fragment: Fragment,
    payload: &'a [u8],
}

#[inline(always)]
fn parse<'a, A: Copy + Into<IpAddr>>(
    ip: Network<'a, A>,
    tunnels: &TunnelTable,
    is_endpoint: impl Fn(IpAddr) -> bool,
    last: &mut Last,
) -> Result<Carried<'a>, DropReason> {
    let local = ip.destination.into();
    if !last.was_for(local) && !is_endpoint(local) {
        return Err(DropReason::NotOurEndpoint);
    }
    // RFC 7348 section 4.3: the destination may silently discard fragments. Ours are counted.
    if ip.fragment != Fragment::Whole {
        return Err(DropReason::OuterFragment);
    }
    match ip.protocol {
        protocol::UDP => from_udp(ip, tunnels, last),
        protocol::GRE if tunnels.takes_gre() => from_gre(ip, tunnels, last),
        _ => Err(DropReason::NotTunnel),
    }
}

/// VXLAN has the straight line; what is asked for seldom is apart, and gets what it needs by value, so that nothing has to be in
/// memory for it.
#[inline(always)]
fn from_udp<'a, A: Copy + Into<IpAddr>>(
    ip: Network<'a, A>,
    tunnels: &TunnelTable,
    last: &mut Last,
) -> Result<Carried<'a>, DropReason> {
    let udp = udp::View::parse(ip.payload).map_err(|_| DropReason::OuterUdp)?;
    let port = udp.destination_port();
    let kind = tunnels.listens(port).ok_or(DropReason::NotTunnel)?;
    if kind == Kind::Vxlan {
        let vxlan = vxlan::View::parse(udp.payload()).map_err(|_| DropReason::TunnelHeader)?;
        let (key, inner) = (vxlan.vni().number(), vxlan.payload());
        let tunnel = find(&ip, tunnels, last, Kind::Vxlan, port, key)?;
        let spec = tunnels.spec(tunnel);
        checksum(&ip, &udp, spec, inner)?;
        let policy = match spec.group_policy.then(|| vxlan.policy()).flatten() {
            Some(policy) => Tunnelled::policy_of(policy.id, policy.flags),
            None => 0,
        };
        Ok(Carried { tunnel, key, flags: 0, options: 0, policy, inner })
    } else {
        from_geneve(ip, udp, tunnels, last)
    }
}

#[inline(never)]
fn from_geneve<'a, A: Copy + Into<IpAddr>>(
    ip: Network<'a, A>,
    udp: udp::View<'a>,
    tunnels: &TunnelTable,
    last: &mut Last,
) -> Result<Carried<'a>, DropReason> {
    let geneve = geneve::View::parse(udp.payload()).map_err(|_| DropReason::TunnelHeader)?;
    let key = geneve.vni().number();
    let tunnel = find(&ip, tunnels, last, Kind::Geneve, udp.destination_port(), key)?;
    let spec = tunnels.spec(tunnel);
    checksum(&ip, &udp, spec, geneve.payload())?;
    // RFC 8926 section 3.4: "Tunnel endpoints MUST NOT forward the payload" of a control message.
    if geneve.is_control() && !spec.control {
        return Err(DropReason::TunnelControl);
    }
    // RFC 8926 section 3.5: options are invalid unless they add up, one that is critical and unknown ends the packet, and any other
    // that is unknown is passed over.
    let mut options = 0;
    if geneve.has_options() {
        tunnels.options().read(geneve.options(), &mut last.options).map_err(|unread| match unread {
            Unread::Malformed => DropReason::TunnelHeader,
            Unread::Critical => DropReason::CriticalOption,
            Unread::Length => DropReason::OptionLength,
        })?;
        options = last.options.present;
    }
    if geneve.protocol() != geneve::ETHERNET {
        return Err(DropReason::TunnelPayload);
    }
    Ok(Carried {
        tunnel,
        key,
        flags: geneve.is_control().into(),
        options,
        policy: 0,
        inner: geneve.payload(),
    })
}

/// GRE, and NVGRE, which is GRE with a key of 24 bits and another 8. Where there are ports of both kinds, a key that can be a
/// network of NVGRE is looked up as that first, and any other as that of GRE.
#[inline(never)]
fn from_gre<'a, A: Copy + Into<IpAddr>>(
    ip: Network<'a, A>,
    tunnels: &TunnelTable,
    last: &mut Last,
) -> Result<Carried<'a>, DropReason> {
    let gre = gre::View::parse(ip.payload).map_err(|_| DropReason::TunnelHeader)?;
    if gre.protocol() != gre::ETHERNET {
        return Err(DropReason::TunnelPayload);
    }
    if gre.summed().is_some_and(|covered| !verify::is_right(covered, gre.payload())) {
        return Err(DropReason::GreChecksum);
    }
    let key = gre.key().unwrap_or(0);
    let as_gre = |last: &mut Last| find(&ip, tunnels, last, Kind::Gre, 0, key).map(|tunnel| (tunnel, key));
    let as_nvgre = |last: &mut Last| {
        let vsid = nvgre::View::of(&gre).map_err(|_| DropReason::UnknownTunnel)?.vsid().number();
        find(&ip, tunnels, last, Kind::Nvgre, 0, vsid).map(|tunnel| (tunnel, vsid))
    };
    let nvgre_first = key >> 8 >= VSID_MIN;
    let first = if nvgre_first { as_nvgre(last) } else { as_gre(last) };
    let (tunnel, key) = match first {
        Err(DropReason::UnknownTunnel) if nvgre_first => as_gre(last)?,
        Err(DropReason::UnknownTunnel) => as_nvgre(last)?,
        // Also when the port refuses the sender: another port must not take the frame for another tenant's.
        found => found?,
    };
    let inner = gre.payload();
    // RFC 7637 section 3.2: "A decapsulating NVE MUST drop the frame if the inner Ethernet frame contains an 802.1Q tag."
    let tagged = || ethernet::View::parse(inner).is_ok_and(|inner| vlan::is_tag(inner.ethertype()));
    if tunnels.spec(tunnel).kind == Kind::Nvgre && tagged() {
        return Err(DropReason::InnerTag);
    }
    if tunnels.spec(tunnel).in_order
        && let (Some(number), Some(order)) = (gre.sequence(), &mut last.order)
    {
        // Before its number is believed.
        if inner.len() < ethernet::HEADER_LEN {
            return Err(DropReason::InnerTooShort);
        }
        if !order.takes(ip.destination.into(), ip.source.into(), gre.key(), number) {
            return Err(DropReason::OutOfSequence);
        }
    }
    Ok(Carried { tunnel, key, flags: 0, options: 0, policy: 0, inner })
}

/// The port that takes the packet, if it takes packets from there.
#[inline(always)]
fn find<A: Copy + Into<IpAddr>>(
    ip: &Network<'_, A>,
    tunnels: &TunnelTable,
    last: &mut Last,
    kind: Kind,
    port: u16,
    key: u32,
) -> Result<TunnelId, DropReason> {
    let asked = Asked { kind, port, local: ip.destination.into(), remote: ip.source.into(), key };
    match last.answer(&asked) {
        Some(tunnel) => Ok(tunnel),
        None => look_up(asked, tunnels, last),
    }
}

#[inline(never)]
fn look_up(asked: Asked, tunnels: &TunnelTable, last: &mut Last) -> Result<TunnelId, DropReason> {
    let Asked { kind, port, local, remote, key } = asked;
    let found = tunnels.find(kind, port, local, remote, key.into());
    let tunnel = found.ok_or(DropReason::UnknownTunnel)?;
    if tunnels.spec(tunnel).strict && !tunnels.is_peer(remote) {
        return Err(DropReason::UnknownPeer);
    }
    last.remember(asked, tunnel);
    Ok(tunnel)
}

/// RFC 7348 section 5 and RFC 8926 section 3.3: a checksum of zero must be accepted over IPv4, and one that is there may or
/// must be verified. RFC 8200 section 8.1: over IPv6 zero is an error, unless the tunnel was told (RFC 6935 section 5).
#[inline(always)]
fn checksum<A: Copy + Into<IpAddr>>(
    ip: &Network<'_, A>,
    udp: &udp::View<'_>,
    spec: &TunnelSpec,
    inner: &[u8],
) -> Result<(), DropReason> {
    match udp.checksum() {
        0 if ip.source.into().is_ipv4() || spec.zero_checksum_rx => Ok(()),
        0 => Err(DropReason::NoUdpChecksum),
        _ if is_right(ip.source.into(), ip.destination.into(), *udp, inner) => Ok(()),
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

#[inline(always)]
fn ipv4(bytes: &[u8]) -> Result<Network<'_, Ipv4Addr>, DropReason> {
    let ip = ipv4::View::parse(bytes).map_err(|_| DropReason::OuterHeader)?;
    if !ip.checksum_ok() {
        return Err(DropReason::OuterChecksum);
    }
    Ok(Network {
        source: ip.source(),
        destination: ip.destination(),
        tos: ip.tos(),
        ttl: ip.ttl(),
        protocol: ip.protocol(),
        fragment: ip.fragment(),
        payload: ip.payload(),
    })
}

fn ipv6(bytes: &[u8]) -> Result<Network<'_, Ipv6Addr>, DropReason> {
    let ip = ipv6::View::parse(bytes).map_err(|error| match error {
        Error::TooManyHeaders(_) => DropReason::NotTunnel,
        _ => DropReason::OuterHeader,
    })?;
    Ok(Network {
        source: ip.source(),
        destination: ip.destination(),
        tos: ip.traffic_class(),
        ttl: ip.hop_limit(),
        protocol: ip.protocol(),
        fragment: ip.fragment(),
        payload: ip.payload(),
    })
}
