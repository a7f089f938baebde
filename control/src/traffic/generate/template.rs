//! What all frames of a stream have in common: their headers, made once for each stream and size, and what is left to do for
//! each frame, which is three fields.
//!
//! Headers end where the mark begins, always at the same place of a [`Template`], so the fields never move. The outer
//! checksum of a tunnel does not depend on the mark: the inner checksum makes up for every change of it, so that the
//! inner packet always sums up to the same.

use super::headers::{ip_len, network, pseudo, put};
use super::tunnel::Tunnel;
use crate::traffic::amount::{IpPrefix, MacPrefix};
use crate::traffic::mark::{Mark, Time};
use datapath::wire::checksum::Sum;
use datapath::wire::{ethernet, ethertype, protocol, udp, vlan};
use ebpf::traffic::{self, HEADERS_MAX, MARK_LEN, SEED, TEMPLATE_LEN};

/// The UDP source port of the first flow.
pub(super) const SOURCE_PORT: u16 = 1024;
/// How many source ports there are; further flows have the next destination port.
const SOURCE_PORTS: u32 = 64_000;
/// The UDP destination port of the first flows.
pub(super) const DESTINATION_PORT: u16 = 9000;

const CHECKSUM: usize = HEADERS_MAX - traffic::CHECKSUM_BEFORE;
const SEQUENCE: usize = HEADERS_MAX + traffic::SEQUENCE;
const TIME: usize = HEADERS_MAX + traffic::TIME;

/// What the frames of all streams look like.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// Which run marks are of.
    pub(super) run: u16,
    /// How many tenants take turns.
    pub(super) tenants: u32,
    /// The VLAN of the first tenant.
    pub(super) vlan: Option<u16>,
    pub(super) src_mac: MacPrefix,
    pub(super) dst_mac: MacPrefix,
    pub(super) src_ip: IpPrefix,
    pub(super) dst_ip: IpPrefix,
    pub(super) tunnel: Option<Tunnel>,
}

/// The headers of one stream and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template(pub(super) [u8; TEMPLATE_LEN]);

impl Look {
    /// How many bytes of headers there are.
    pub(super) fn headers_len(&self) -> usize {
        self.outer_len() + self.inner_len()
    }

    /// How many bytes the tunnel takes.
    pub(super) fn outer_len(&self) -> usize {
        self.tunnel.as_ref().map_or(0, Tunnel::headers_len)
    }

    fn inner_len(&self) -> usize {
        ethernet::HEADER_LEN
            + self.vlan.map_or(0, |_| vlan::HEADER_LEN)
            + ip_len(self.src_ip.is_ipv6())
            + udp::HEADER_LEN
    }

    /// The shortest frame.
    pub(super) fn size_min(&self) -> usize {
        self.headers_len() + MARK_LEN
    }

    /// What the shortest frame is made of, for people.
    pub(super) fn parts(&self) -> String {
        let mut parts = Vec::new();
        if let Some(tunnel) = &self.tunnel {
            let version = if tunnel.remote.is_ipv6() { 6 } else { 4 };
            parts.push(format!("{} over IPv{version} {}", tunnel.kind, tunnel.headers_len()));
        }
        parts.push(format!("Ethernet {}", ethernet::HEADER_LEN));
        if self.vlan.is_some() {
            parts.push(format!("a VLAN tag {}", vlan::HEADER_LEN));
        }
        let ipv6 = self.src_ip.is_ipv6();
        parts.push(format!("IPv{} {}", if ipv6 { 6 } else { 4 }, ip_len(ipv6)));
        parts.push(format!("UDP {}", udp::HEADER_LEN));
        parts.push(format!("the mark {MARK_LEN}"));
        parts.join(", ")
    }

    /// The headers of a stream's frames of that size, which is [`Look::size_min`] or more.
    pub(super) fn template(&self, stream: u32, size: u16) -> Template {
        let (tenant, flow) = (stream % self.tenants, stream / self.tenants);
        let mut bytes = [0; TEMPLATE_LEN];
        let (front, mark) = bytes.split_at_mut(HEADERS_MAX);
        let empty = Mark::Frame { run: self.run, stream, sequence: 0, time: Time(0) };
        mark[..MARK_LEN].copy_from_slice(&empty.to_bytes());
        let (outer_len, headers_len) = (self.outer_len(), self.headers_len());
        let headers = &mut front[HEADERS_MAX - headers_len..];
        let inner_len = usize::from(size) - outer_len;
        let seed = self.inner(&mut headers[outer_len..], tenant, flow, inner_len, Sum::of(&empty.to_bytes()));
        if let Some(tunnel) = &self.tunnel {
            let (outer, inner) = headers.split_at_mut(outer_len);
            // As it would be with an empty mark; with any other the sum is the same.
            let sum =
                Sum::of(inner).combine(Sum::from(seed.udp_checksum())).combine(Sum::of(&empty.to_bytes()));
            tunnel.write(outer, tenant, stream, inner_len, sum);
        }
        bytes[SEED..SEED + 2].copy_from_slice(&seed.folded().to_ne_bytes());
        Template(bytes)
    }

    /// Returns the sum of what the checksum of UDP is made of.
    fn inner(&self, out: &mut [u8], tenant: u32, flow: u32, len: usize, mark: Sum) -> Sum {
        let (source, destination) = (self.src_ip.nth(flow), self.dst_ip.nth(flow));
        let kind = if source.is_ipv6() { ethertype::IPV6 } else { ethertype::IPV4 };
        let link = ethernet::Repr {
            destination: self.dst_mac.nth(flow),
            source: self.src_mac.nth(flow),
            ethertype: if self.vlan.is_some() { ethertype::VLAN } else { kind },
        };
        let mut at = put(out, 0, &link.to_bytes());
        if let Some(first) = self.vlan {
            let tci = vlan::Tci::new(0, false, first + tenant as u16);
            at = put(out, at, &vlan::Repr { tci, ethertype: kind }.to_bytes());
        }
        let udp_len = (len - at - ip_len(source.is_ipv6())) as u16;
        at = network(out, at, source, destination, protocol::UDP, udp_len);
        let header = udp::Repr {
            source_port: SOURCE_PORT + (flow % SOURCE_PORTS) as u16,
            destination_port: DESTINATION_PORT + (flow / SOURCE_PORTS) as u16,
            length: udp_len,
            checksum: 0,
        };
        put(out, at, &header.to_bytes());
        // What follows the mark is zero.
        pseudo(source, destination, udp_len).combine(Sum::of(&header.to_bytes())).combine(mark)
    }
}

impl Template {
    /// Writes what is new in each frame. `sequence` and `now_ns` lose their higher bits.
    #[inline]
    pub(super) fn fill(&mut self, sequence: u64, now_ns: u64) {
        let Template(bytes) = self;
        let (sequence, Time(time)) = (sequence as u32, Time::of(now_ns));
        let seed = Sum::from(u16::from_ne_bytes([bytes[SEED], bytes[SEED + 1]]));
        // The first byte of the time is the second half of a word.
        let sum = seed
            .combine(Sum::from(sequence))
            .combine(Sum::from((time >> 32) as u16))
            .combine(Sum::from(time as u32));
        bytes[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum.udp_checksum().to_be_bytes());
        bytes[SEQUENCE..SEQUENCE + 4].copy_from_slice(&sequence.to_be_bytes());
        bytes[TIME..TIME + 5].copy_from_slice(&time.to_be_bytes()[3..]);
    }

    /// Headers of that length, and the mark.
    #[inline]
    pub(super) fn bytes(&self, headers_len: usize) -> &[u8] {
        &self.0[HEADERS_MAX - headers_len..HEADERS_MAX + MARK_LEN]
    }

    /// As the program in the kernel has it: headers at the start.
    pub(super) fn to_value(self, headers_len: usize) -> [u8; TEMPLATE_LEN] {
        let mut value = [0; TEMPLATE_LEN];
        let bytes = self.bytes(headers_len);
        value[..bytes.len()].copy_from_slice(bytes);
        value[SEED..].copy_from_slice(&self.0[SEED..]);
        value
    }

    /// The mark that ends a run, in place of the other, in a frame that is as short as can be.
    pub(super) fn with_end(mut self, end: Mark) -> Template {
        let mark = HEADERS_MAX..HEADERS_MAX + MARK_LEN;
        let seed = Sum::from(u16::from_ne_bytes([self.0[SEED], self.0[SEED + 1]]));
        let without = seed.combine(Sum::from(!Sum::of(&self.0[mark.clone()]).folded()));
        self.0[mark].copy_from_slice(&end.to_bytes());
        let checksum = without.combine(Sum::of(&end.to_bytes())).udp_checksum();
        self.0[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        self
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use datapath::tunnel::Kind;
    use datapath::wire::checksum::{pseudo_v4, pseudo_v6};
    use datapath::wire::{MacAddr, geneve, gre, ipv4, ipv6, vxlan};

    pub(in crate::traffic::generate) fn look(
        ipv6: bool,
        vlan: Option<u16>,
        tunnel: Option<(Kind, &str, &str)>,
    ) -> Look {
        let of = |text: &str| text.parse().unwrap();
        Look {
            run: 7,
            tenants: 2,
            vlan,
            src_mac: "02:00:00:00:00:01/32".parse().unwrap(),
            dst_mac: "02:00:00:00:00:02".parse().unwrap(),
            src_ip: of(if ipv6 { "2001:2::1/64" } else { "198.18.0.1/16" }),
            dst_ip: of(if ipv6 { "2001:2:0:1::1" } else { "198.19.0.1" }),
            tunnel: tunnel.map(|(kind, local, remote)| Tunnel {
                kind,
                local: local.parse().unwrap(),
                remote: remote.parse().unwrap(),
                local_mac: MacAddr([2, 0, 0, 0, 1, 1]),
                remote_mac: MacAddr([2, 0, 0, 0, 1, 2]),
                port: kind.port().unwrap_or(0),
                key: 100,
            }),
        }
    }

    pub(in crate::traffic::generate) fn frame(
        look: &Look,
        stream: u32,
        size: u16,
        sequence: u64,
        now: u64,
    ) -> Vec<u8> {
        let mut template = look.template(stream, size);
        template.fill(sequence, now);
        let mut frame = template.bytes(look.headers_len()).to_vec();
        frame.resize(size.into(), 0);
        frame
    }

    /// Verifies every checksum and length on the way to the payload.
    fn verified(frame: &[u8]) -> &[u8] {
        let link = ethernet::View::parse(frame).unwrap();
        let (mut kind, mut rest) = (link.ethertype(), link.payload());
        if vlan::is_tag(kind) {
            let tag = vlan::View::parse(rest).unwrap();
            (kind, rest) = (tag.ethertype(), tag.payload());
        }
        let (protocol, payload, pseudo): (u8, &[u8], Sum) = if kind == ethertype::IPV4 {
            let ip = ipv4::View::parse(rest).unwrap();
            assert!(ip.checksum_ok() && ip.trailer().is_empty());
            let len = ip.payload().len() as u16;
            (ip.protocol(), ip.payload(), pseudo_v4(ip.source(), ip.destination(), protocol::UDP, len))
        } else {
            let ip = ipv6::View::parse(rest).unwrap();
            assert!(ip.trailer().is_empty());
            let len = ip.payload().len() as u32;
            (ip.protocol(), ip.payload(), pseudo_v6(ip.source(), ip.destination(), protocol::UDP, len))
        };
        if protocol == protocol::GRE {
            let gre = gre::View::parse(payload).unwrap();
            assert_eq!(gre.protocol(), gre::ETHERNET);
            return verified(gre.payload());
        }
        let udp = udp::View::parse(payload).unwrap();
        assert_eq!(usize::from(udp.length()), payload.len());
        assert!(udp.checksum_ok(pseudo));
        assert!(kind == ethertype::IPV4 || udp.checksum() != 0);
        match udp.destination_port() {
            vxlan::PORT => verified(vxlan::View::parse(udp.payload()).unwrap().payload()),
            geneve::PORT => verified(geneve::View::parse(udp.payload()).unwrap().payload()),
            _ => udp.payload(),
        }
    }

    fn looks() -> Vec<Look> {
        let mut looks = Vec::new();
        for (ipv6, vlan) in [(false, None), (true, None), (false, Some(7)), (true, Some(7))] {
            looks.push(look(ipv6, vlan, None));
            for kind in Kind::ALL {
                looks.push(look(ipv6, vlan, Some((kind, "192.0.2.1", "192.0.2.2"))));
                looks.push(look(ipv6, vlan, Some((kind, "2001:db8::1", "2001:db8::2"))));
            }
        }
        looks
    }

    #[test]
    fn every_frame_has_right_lengths_and_checksums_and_its_mark() {
        for look in looks() {
            let least = look.size_min() as u16;
            assert!(look.headers_len() <= HEADERS_MAX);
            for (n, size) in [least, least + 1, 1500, 9000].into_iter().enumerate() {
                for stream in [0, 1, 3, 127_999, 128_001] {
                    let (sequence, now) =
                        (0xffff_0000 + n as u64 * 0x8001, 0x12_3456_789a_bcde + u64::from(stream));
                    let frame = frame(&look, stream, size, sequence, now);
                    let found = Mark::parse(verified(&frame));
                    let sequence = sequence as u32;
                    assert_eq!(
                        found,
                        Some(Mark::Frame { run: 7, stream, sequence, time: Time::of(now) }),
                        "{look:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_end_is_told_with_a_right_checksum() {
        let end = Mark::End { run: 7, streams: 4, sent: 99, start: crate::traffic::mark::Start(5) };
        for look in looks() {
            let size = look.size_min();
            let template = look.template(1, size as u16).with_end(end);
            assert_eq!(Mark::parse(verified(template.bytes(look.headers_len()))), Some(end));
        }
    }

    #[test]
    fn the_shortest_frame_is_the_shortest_of_ethernet() {
        assert_eq!(look(false, None, None).size_min(), 60);
    }

    #[test]
    fn streams_differ_and_tenants_take_turns() {
        let look = look(false, None, Some((Kind::Vxlan, "192.0.2.1", "192.0.2.2")));
        let key = |stream| frame(&look, stream, 200, 0, 0)[46..49].to_vec();
        assert_eq!([0, 1, 2].map(key), [[0, 0, 100], [0, 0, 101], [0, 0, 100]]);
        let inner = |stream| frame(&look, stream, 200, 0, 0)[50..].to_vec();
        assert_eq!(inner(0)[..34], inner(1)[..34], "tenants have the same flows");
        assert_ne!(inner(0)[..34], inner(2)[..34]);
    }
}
