//! Putting a frame into a tunnel: the headers are made once per remote endpoint, copied in front of each frame, and the
//! few fields that differ from frame to frame are written over.
//!
//! VXLAN over IPv4 (RFC 7348 section 5): 14 + 20 + 8 + 8 = 50 bytes; over IPv6 70 bytes.

use super::spec::{Kind, TunnelSpec};
use super::underlay::Path;
use crate::mem::Frame;
use crate::port::{PortId, finish_checksum};
use crate::stats::DropReason;
use crate::wire::checksum::{Sum, pseudo_v6, update16};
use crate::wire::{Vni, ethernet, ethertype, ipv4, ipv6, protocol, udp, vxlan};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Index of an encapsulation in its pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncapId(pub u32);

/// Where the IP header starts.
const IP: usize = ethernet::HEADER_LEN;
const UDP4: usize = IP + ipv4::HEADER_LEN;
const UDP6: usize = IP + ipv6::HEADER_LEN;
const HEADERS4: usize = UDP4 + udp::HEADER_LEN + vxlan::HEADER_LEN;
const HEADERS6: usize = UDP6 + udp::HEADER_LEN + vxlan::HEADER_LEN;

/// The largest encapsulation; every frame has at least this headroom.
pub const ENCAP_MAX: usize = HEADERS6;

/// The headers that lead from one tunnel port to one remote endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encap {
    uplink: PortId,
    remote: IpAddr,
    mtu: usize,
    headers: Headers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Headers {
    V4([u8; HEADERS4]),
    V6([u8; HEADERS6]),
}

impl Encap {
    /// The headers for `spec` to `remote` along `path`. None if the two ends are not of one address family.
    pub fn new(spec: &TunnelSpec, remote: IpAddr, path: &Path) -> Option<Encap> {
        let headers = match (spec.local.unwrap_or(path.local), remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => Headers::V4(headers_v4(spec, local, remote, path)),
            (IpAddr::V6(local), IpAddr::V6(remote)) => Headers::V6(headers_v6(spec, local, remote, path)),
            _ => return None,
        };
        Some(Encap { uplink: path.uplink, remote, mtu: path.mtu.into(), headers })
    }

    /// The port that the encapsulated frame leaves by.
    #[inline]
    pub fn uplink(&self) -> PortId {
        self.uplink
    }

    /// The endpoint that the headers lead to.
    pub fn remote(&self) -> IpAddr {
        self.remote
    }

    /// Puts the headers in front of `frame`. `entropy` is a hash of the inner conversation.
    #[inline]
    pub fn push(&self, frame: &mut Frame<'_>, key: u32, entropy: u64) -> Result<(), DropReason> {
        match &self.headers {
            Headers::V4(headers) => self.push_v4(headers, frame, key, entropy),
            Headers::V6(headers) => self.push_v6(headers, frame, key, entropy),
        }
    }

    #[inline]
    fn push_v4(
        &self,
        headers: &[u8; HEADERS4],
        frame: &mut Frame<'_>,
        key: u32,
        entropy: u64,
    ) -> Result<(), DropReason> {
        let ip_len = frame.len() + HEADERS4 - IP;
        if ip_len > self.mtu {
            return Err(DropReason::ExceedsMtu);
        }
        let room = frame.push(HEADERS4).and_then(|room| room.first_chunk_mut::<HEADERS4>());
        let room = room.ok_or(DropReason::NoHeadroom)?;
        *room = *headers;
        let ip_len = ip_len as u16;
        let checksum = u16::from_be_bytes([room[IP + 10], room[IP + 11]]);
        put(room, IP + ipv4::at::TOTAL_LEN, ip_len);
        put(room, IP + ipv4::at::CHECKSUM, update16(checksum, 0, ip_len));
        put(room, UDP4 + udp::at::SOURCE_PORT, vxlan::source_port(entropy as u32));
        put(room, UDP4 + udp::at::LENGTH, ip_len - ipv4::HEADER_LEN as u16);
        put_vni(room, UDP4 + udp::HEADER_LEN + vxlan::at::VNI, key);
        Ok(())
    }

    fn push_v6(
        &self,
        headers: &[u8; HEADERS6],
        frame: &mut Frame<'_>,
        key: u32,
        entropy: u64,
    ) -> Result<(), DropReason> {
        if frame.len() + HEADERS6 - IP > self.mtu {
            return Err(DropReason::ExceedsMtu);
        }
        // The outer checksum covers the inner one, so that has to be there first.
        finish_checksum(frame);
        let udp_len = (frame.len() + HEADERS6 - UDP6) as u16;
        let room = frame.push(HEADERS6).and_then(|room| room.first_chunk_mut::<HEADERS6>());
        let room = room.ok_or(DropReason::NoHeadroom)?;
        *room = *headers;
        put(room, IP + ipv6::at::PAYLOAD_LEN, udp_len);
        put(room, UDP6 + udp::at::SOURCE_PORT, vxlan::source_port(entropy as u32));
        put(room, UDP6 + udp::at::LENGTH, udp_len);
        put_vni(room, UDP6 + udp::HEADER_LEN + vxlan::at::VNI, key);
        // RFC 8200 section 8.1: over IPv6 the UDP checksum is not optional.
        let checksum = udp6_checksum(frame.bytes());
        put(frame.bytes_mut(), UDP6 + udp::at::CHECKSUM, checksum);
        Ok(())
    }
}

fn udp6_checksum(packet: &[u8]) -> u16 {
    let address = |at: usize| {
        packet[at..].first_chunk::<16>().map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
    };
    let (source, destination) = (address(IP + ipv6::at::SOURCE), address(IP + ipv6::at::DESTINATION));
    let datagram = &packet[UDP6..];
    let pseudo = pseudo_v6(source, destination, protocol::UDP, datagram.len() as u32);
    pseudo.combine(Sum::of(datagram)).udp_checksum()
}

#[inline]
fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[inline]
fn put_vni(bytes: &mut [u8], at: usize, key: u32) {
    let [_, a, b, c] = key.to_be_bytes();
    bytes[at..at + 3].copy_from_slice(&[a, b, c]);
}

fn headers_v4(spec: &TunnelSpec, source: Ipv4Addr, destination: Ipv4Addr, path: &Path) -> [u8; HEADERS4] {
    let ip = ipv4::Repr {
        dscp: spec.tos >> 2,
        ecn: spec.tos & 3,
        total_len: 0,
        identification: 0,
        // RFC 7348 section 4.3: endpoints must not fragment VXLAN packets.
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        ttl: spec.ttl,
        protocol: protocol::UDP,
        source,
        destination,
    };
    let mut headers = [0; HEADERS4];
    headers[..IP].copy_from_slice(&link(path, ethertype::IPV4));
    headers[IP..UDP4].copy_from_slice(&ip.to_bytes());
    headers[UDP4..].copy_from_slice(&transport(spec));
    headers
}

fn headers_v6(spec: &TunnelSpec, source: Ipv6Addr, destination: Ipv6Addr, path: &Path) -> [u8; HEADERS6] {
    let ip = ipv6::Repr {
        dscp: spec.tos >> 2,
        ecn: spec.tos & 3,
        flow_label: 0,
        payload_len: 0,
        next_header: protocol::UDP,
        hop_limit: spec.ttl,
        source,
        destination,
    };
    let mut headers = [0; HEADERS6];
    headers[..IP].copy_from_slice(&link(path, ethertype::IPV6));
    headers[IP..UDP6].copy_from_slice(&ip.to_bytes());
    headers[UDP6..].copy_from_slice(&transport(spec));
    headers
}

fn link(path: &Path, ethertype: u16) -> [u8; ethernet::HEADER_LEN] {
    ethernet::Repr { destination: path.dst_mac, source: path.src_mac, ethertype }.to_bytes()
}

/// UDP and what follows it. The lengths are written frame by frame.
fn transport(spec: &TunnelSpec) -> [u8; udp::HEADER_LEN + vxlan::HEADER_LEN] {
    let mut bytes = [0; udp::HEADER_LEN + vxlan::HEADER_LEN];
    // RFC 7348 section 5: the UDP checksum should be transmitted as zero (IPv6 fills it in, see above).
    let udp = udp::Repr { source_port: 0, destination_port: spec.dst_port, length: 0, checksum: 0 };
    bytes[..udp::HEADER_LEN].copy_from_slice(&udp.to_bytes());
    let header = match spec.kind {
        Kind::Vxlan => vxlan::Repr { vni: Vni::ZERO }.to_bytes(),
    };
    bytes[udp::HEADER_LEN..].copy_from_slice(&header);
    bytes
}
