//! Headers of IP, written one behind the other: those of frames and those around them.

use datapath::wire::checksum::{Sum, pseudo_v4, pseudo_v6};
use datapath::wire::{ipv4, ipv6, protocol};
use std::net::IpAddr;

const TTL: u8 = 64;

/// Length of an IP header.
pub(super) fn ip_len(ipv6: bool) -> usize {
    if ipv6 { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN }
}

/// Writes `bytes` at `at` and returns where they end.
pub(super) fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let end = at + bytes.len();
    out[at..end].copy_from_slice(bytes);
    end
}

/// Writes an IP header; `len` is that of what follows it.
pub(super) fn network(
    out: &mut [u8],
    at: usize,
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    len: u16,
) -> usize {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = ipv4::Repr {
                dscp: 0,
                ecn: 0,
                total_len: ipv4::HEADER_LEN as u16 + len,
                identification: 0,
                dont_fragment: true,
                more_fragments: false,
                fragment_offset: 0,
                ttl: TTL,
                protocol,
                source,
                destination,
            };
            put(out, at, &header.to_bytes())
        }
        (source, destination) => {
            let header = ipv6::Repr {
                dscp: 0,
                ecn: 0,
                flow_label: 0,
                payload_len: len,
                next_header: protocol,
                hop_limit: TTL,
                source: v6(source),
                destination: v6(destination),
            };
            put(out, at, &header.to_bytes())
        }
    }
}

pub(super) fn pseudo(source: IpAddr, destination: IpAddr, len: u16) -> Sum {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => pseudo_v4(source, destination, protocol::UDP, len),
        (source, destination) => pseudo_v6(v6(source), v6(destination), protocol::UDP, len.into()),
    }
}

fn v6(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
