//! What is around frames that leave in a tunnel: headers of all four kinds, with as many source ports or flow numbers as there are streams.

use super::headers::{ip_len, network, pseudo, put};
use datapath::tunnel::Kind;
use datapath::wire::checksum::Sum;
use datapath::wire::{MacAddr, Vni, ethernet, ethertype, geneve, gre, nvgre, protocol, udp, vxlan};
use std::net::IpAddr;

/// A tunnel.
#[derive(Clone, Debug)]
pub(super) struct Tunnel {
    pub(super) kind: Kind,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) local_mac: MacAddr,
    pub(super) remote_mac: MacAddr,
    /// The UDP destination port, for those kinds that are UDP.
    pub(super) port: u16,
    /// The key of the first tenant.
    pub(super) key: u32,
}

impl Tunnel {
    /// How many bytes it takes.
    pub(super) fn headers_len(&self) -> usize {
        ethernet::HEADER_LEN
            + ip_len(self.remote.is_ipv6())
            + match self.kind {
                Kind::Vxlan | Kind::Geneve => udp::HEADER_LEN + vxlan::HEADER_LEN,
                Kind::Gre | Kind::Nvgre => nvgre::HEADER_LEN,
            }
    }

    /// Writes the headers. `inner` is the sum of the frame inside, which is `inner_len` long.
    pub(super) fn write(&self, out: &mut [u8], tenant: u32, stream: u32, inner_len: usize, inner: Sum) {
        let ipv6 = self.remote.is_ipv6();
        let link = ethernet::Repr {
            destination: self.remote_mac,
            source: self.local_mac,
            ethertype: if ipv6 { ethertype::IPV6 } else { ethertype::IPV4 },
        };
        let at = put(out, 0, &link.to_bytes());
        let len = (self.headers_len() - at - ip_len(ipv6) + inner_len) as u16;
        let at = network(out, at, self.local, self.remote, self.kind.protocol(), len);
        let key = self.key + tenant;
        let [_, a, b, c] = key.to_be_bytes();
        let vni = Vni::from_bytes([a, b, c]);
        // Multiplying by it spreads neighbours (Knuth, The Art of Computer Programming, volume 3, section 6.4).
        let hash = stream.wrapping_mul(0x9e37_79b1);
        let shim: [u8; 8] = match self.kind {
            Kind::Vxlan => vxlan::Repr { vni, policy: None }.to_bytes(),
            Kind::Geneve => geneve::Repr { vni, protocol: geneve::ETHERNET, control: false }.to_bytes(),
            Kind::Nvgre => nvgre::Repr { vsid: vni, flow_id: nvgre::flow_id(hash >> 8) }.to_bytes(),
            Kind::Gre => {
                let mut bytes = [0; 8];
                let header =
                    gre::Repr { protocol: gre::ETHERNET, checksum: false, key: Some(key), sequence: None };
                let emitted = header.emit(&mut bytes).map(|rest| rest.len());
                debug_assert_eq!(emitted, Ok(0));
                bytes
            }
        };
        if self.kind.protocol() == protocol::GRE {
            put(out, at, &shim);
            return;
        }
        let mut header = udp::Repr {
            source_port: vxlan::source_port(hash),
            destination_port: self.port,
            length: len,
            checksum: 0,
        };
        // RFC 7348 section 5 lets VXLAN go without one over IPv4; RFC 8200 section 8.1 wants one over IPv6.
        if ipv6 {
            let sum = pseudo(self.local, self.remote, len).combine(Sum::of(&header.to_bytes()));
            header.checksum = sum.combine(Sum::of(&shim)).combine(inner).udp_checksum();
        }
        let at = put(out, at, &header.to_bytes());
        put(out, at, &shim);
    }
}
