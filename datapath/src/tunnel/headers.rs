//! The headers that lead from a tunnel port to a remote end, as far as they are the same for every frame: a template.

use super::spec::{Kind, Outer, TTL_DEFAULT, TunnelSpec};
use super::underlay::Path;
use crate::wire::{Vni, ethernet, ethertype, ipv4, ipv6};
use crate::wire::{geneve, gre, nvgre, udp, vxlan};
use std::net::IpAddr;

/// Where the IP header starts.
pub(super) const IP: usize = ethernet::HEADER_LEN;
/// The most bytes that are put in front of a frame: UDP over IPv6, or GRE with all its fields.
pub(super) const HEADERS_MAX: usize = IP + ipv6::HEADER_LEN + gre::HEADER_LEN_MAX;

const _: () = assert!(HEADERS_MAX == IP + ipv6::HEADER_LEN + udp::HEADER_LEN + vxlan::HEADER_LEN);

/// Ethernet, IP, and what follows; lengths, checksums, keys and entropy are zero. The rest of the bytes is zero too.
pub(super) fn template(
    spec: &TunnelSpec,
    local: IpAddr,
    remote: IpAddr,
    path: &Path,
) -> Option<[u8; HEADERS_MAX]> {
    let mut headers = [0; HEADERS_MAX];
    let ethertype = if remote.is_ipv4() { ethertype::IPV4 } else { ethertype::IPV6 };
    let link = ethernet::Repr { destination: path.dst_mac, source: path.src_mac, ethertype };
    let rest = link.emit(&mut headers).ok()?;
    let rest = network(spec, local, remote, rest)?;
    tunnel(spec, rest)?;
    Some(headers)
}

/// The type of service and the time to live of a frame that is not IP, or of a port that does not inherit them.
pub(super) fn usual(spec: &TunnelSpec) -> (u8, u8) {
    let value = |outer, default| match outer {
        Outer::Fixed(value) => value,
        Outer::Inherit => default,
    };
    (value(spec.tos, 0) & !3, value(spec.ttl, TTL_DEFAULT))
}

fn network<'b>(spec: &TunnelSpec, local: IpAddr, remote: IpAddr, out: &'b mut [u8]) -> Option<&'b mut [u8]> {
    let (tos, ttl) = usual(spec);
    match (local, remote) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let ip = ipv4::Repr {
                dscp: tos >> 2,
                ecn: 0,
                total_len: 0,
                identification: 0,
                // RFC 7348 section 4.3: endpoints must not fragment VXLAN packets. Routers may, where df_default is false.
                dont_fragment: spec.dont_fragment,
                more_fragments: false,
                fragment_offset: 0,
                ttl,
                protocol: spec.kind.protocol(),
                source,
                destination,
            };
            ip.emit(out).ok()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ip = ipv6::Repr {
                dscp: tos >> 2,
                ecn: 0,
                flow_label: 0,
                payload_len: 0,
                next_header: spec.kind.protocol(),
                hop_limit: ttl,
                source,
                destination,
            };
            ip.emit(out).ok()
        }
        _ => None,
    }
}

/// UDP, and the tunnel's own header.
fn tunnel(spec: &TunnelSpec, mut out: &mut [u8]) -> Option<()> {
    if spec.kind.port().is_some() {
        let udp = udp::Repr { source_port: 0, destination_port: spec.dst_port, length: 0, checksum: 0 };
        out = udp.emit(out).ok()?;
    }
    let vni = Vni::ZERO;
    match spec.kind {
        Kind::Vxlan => vxlan::Repr { vni, policy: None }.emit(out).ok(),
        Kind::Geneve => geneve::Repr { vni, protocol: geneve::ETHERNET, control: false }.emit(out).ok(),
        Kind::Nvgre => nvgre::Repr { vsid: vni, flow_id: 0 }.emit(out).ok(),
        Kind::Gre => spec.gre().emit(out).ok(),
    }
    .map(drop)
}
