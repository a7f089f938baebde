//! Packets as their headers say, put into bytes by etherparse: what a key must hold, and what an edit must lead to.
#![allow(dead_code, reason = "each test file uses its part")]

use datapath::flow::{Field, FlowKey};
use etherparse::{
    EtherType, Ethernet2Header, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpDscp, IpEcn,
    IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6Extensions, Ipv6FlowLabel, Ipv6FragmentHeader,
    Ipv6Header, Ipv6RawExtHeader, SingleVlanHeader, TcpHeader, TcpOptions, TransportHeader, UdpHeader,
    VlanId, VlanPcp,
};
use proptest::prelude::*;
use proptest::sample::select;

/// A packet taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) destination: [u8; 6],
    pub(crate) source: [u8; 6],
    /// Outermost first: service tag or not, and its control information (the drop eligible bit is zero).
    pub(crate) tags: Vec<(bool, u16)>,
    pub(crate) ip: Ip,
    pub(crate) fragment: Fragment,
    pub(crate) transport: Transport,
    pub(crate) payload: Vec<u8>,
    /// Bytes behind the packet.
    pub(crate) padding: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    Whole,
    First,
    Later,
}

#[derive(Clone, Debug)]
pub(crate) enum Ip {
    V4 { source: [u8; 4], destination: [u8; 4], tos: u8, ttl: u8, options: Vec<u8> },
    V6 { source: [u8; 16], destination: [u8; 16], tos: u8, ttl: u8, label: u32, options: Vec<u8> },
}

#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Tcp {
        ports: [u16; 2],
        flags: u16,
        options: Vec<u8>,
    },
    Udp {
        ports: [u16; 2],
        checksum: bool,
    },
    /// ICMP of the version of IP.
    Icmp {
        kind: [u8; 2],
        rest: [u8; 4],
    },
    /// Over IPv6, and with nothing behind it.
    Neighbour {
        advertisement: bool,
        flags: [u8; 4],
        target: [u8; 16],
        /// Of the source and of the target.
        links: [Option<[u8; 6]>; 2],
    },
    Sctp {
        ports: [u16; 2],
    },
    /// A protocol that nobody looks into.
    Other(u8),
}

impl Packet {
    /// The frame, with every checksum filled in.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = match (self.fragment, &self.transport) {
            // What looks like a transport header is none.
            (Fragment::Later, _) => self.payload.clone(),
            (_, Transport::Sctp { ports }) => crate::common::sctp(*ports, &self.payload),
            (_, Transport::Neighbour { .. }) => [self.transport_header(), self.message()].concat(),
            _ => [self.transport_header(), self.payload.clone()].concat(),
        };
        let (ether_type, network) = self.network(body.len());
        let mut types: Vec<EtherType> = self.tags.iter().map(|tag| tpid(tag.0)).collect();
        types.push(ether_type);
        let ethernet =
            Ethernet2Header { source: self.source, destination: self.destination, ether_type: types[0] };
        let mut frame = ethernet.to_bytes().to_vec();
        for ((_, tci), ether_type) in self.tags.iter().zip(&types[1..]) {
            let tag = SingleVlanHeader {
                pcp: VlanPcp::try_new((tci >> 13) as u8).expect("three bits"),
                drop_eligible_indicator: false,
                vlan_id: VlanId::try_new(tci & 0x0fff).expect("twelve bits"),
                ether_type: *ether_type,
            };
            frame.extend(tag.to_bytes());
        }
        frame.extend(network);
        frame.extend(body);
        frame
    }

    /// Where the transport header starts.
    fn transport_at(&self) -> usize {
        14 + 4 * self.tags.len() + self.network(0).1.len()
    }

    /// The frame as a stack leaves it to a device that fills in checksums, and as it comes over a link that pads.
    /// None if there is no checksum to leave out.
    pub(crate) fn unfilled(&self) -> Option<Vec<u8>> {
        let field = match (&self.transport, self.fragment) {
            (Transport::Tcp { .. }, Fragment::Whole) => 16,
            (Transport::Udp { checksum: true, .. }, Fragment::Whole) => 6,
            _ => return None,
        };
        let mut frame = self.bytes();
        let at = self.transport_at();
        let words = |bytes: &[u8]| -> u64 {
            bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(*w.get(1).unwrap_or(&0))).sum()
        };
        let addresses = match &self.ip {
            Ip::V4 { source, destination, .. } => words(source) + words(destination),
            Ip::V6 { source, destination, .. } => words(source) + words(destination),
        };
        let mut sum = addresses + u64::from(self.protocol()) + (frame.len() - at) as u64;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        frame[at + field..at + field + 2].copy_from_slice(&(sum as u16).to_be_bytes());
        frame.extend(vec![0xee; self.padding]);
        Some(frame)
    }

    pub(crate) fn protocol(&self) -> u8 {
        match (&self.transport, &self.ip) {
            (Transport::Tcp { .. }, _) => 6,
            (Transport::Udp { .. }, _) => 17,
            (Transport::Sctp { .. }, _) => 132,
            (Transport::Neighbour { .. }, _) => 58,
            (Transport::Icmp { .. }, Ip::V4 { .. }) => 1,
            (Transport::Icmp { .. }, Ip::V6 { .. }) => 58,
            (Transport::Other(number), _) => *number,
        }
    }

    /// EtherType, and the bytes of the IP header with its extensions in front of so many bytes.
    fn network(&self, body: usize) -> (EtherType, Vec<u8>) {
        let offset =
            IpFragOffset::try_new(if self.fragment == Fragment::Later { 7 } else { 0 }).expect("13 bits");
        let more = self.fragment != Fragment::Whole;
        let mut bytes = Vec::new();
        match &self.ip {
            Ip::V4 { source, destination, tos, ttl, options } => {
                let protocol = IpNumber(self.protocol());
                let mut header = Ipv4Header::new(body as u16, *ttl, protocol, *source, *destination)
                    .expect("short enough");
                header.dscp = IpDscp::try_new(tos >> 2).expect("six bits");
                header.ecn = IpEcn::try_new(tos & 3).expect("two bits");
                header.options = Ipv4Options::try_from(options.as_slice()).expect("whole words");
                header.set_payload_len(body).expect("short enough");
                (header.fragment_offset, header.more_fragments, header.dont_fragment) = (offset, more, false);
                header.header_checksum = header.calc_header_checksum();
                header.write(&mut bytes).expect("a buffer");
                (EtherType::IPV4, bytes)
            }
            Ip::V6 { source, destination, tos, ttl, label, options } => {
                let mut extensions = Ipv6Extensions::default();
                if !options.is_empty() {
                    let header = Ipv6RawExtHeader::new_raw(IpNumber(0), options).expect("whole units");
                    extensions.hop_by_hop_options = Some(header);
                }
                if more {
                    extensions.fragment = Some(Ipv6FragmentHeader::new(IpNumber(0), offset, true, 7));
                }
                let next_header = extensions.set_next_headers(IpNumber(self.protocol()));
                let header = Ipv6Header {
                    traffic_class: *tos,
                    flow_label: Ipv6FlowLabel::try_new(*label).expect("twenty bits"),
                    payload_length: (extensions.header_len() + body) as u16,
                    next_header,
                    hop_limit: *ttl,
                    source: *source,
                    destination: *destination,
                };
                header.write(&mut bytes).expect("a buffer");
                extensions.write(&mut bytes, next_header).expect("a buffer");
                (EtherType::IPV6, bytes)
            }
        }
    }

    fn transport_header(&self) -> Vec<u8> {
        let six = matches!(self.ip, Ip::V6 { .. });
        let mut header = match &self.transport {
            Transport::Tcp { ports, flags, options } => {
                let mut tcp = TcpHeader::new(ports[0], ports[1], 1000, 512);
                let bit = |n: u16| flags >> n & 1 != 0;
                (tcp.fin, tcp.syn, tcp.rst, tcp.psh) = (bit(0), bit(1), bit(2), bit(3));
                (tcp.ack, tcp.urg, tcp.ece, tcp.cwr, tcp.ns) = (bit(4), bit(5), bit(6), bit(7), bit(8));
                tcp.options = TcpOptions::try_from_slice(options).expect("whole words");
                TransportHeader::Tcp(tcp)
            }
            Transport::Udp { ports, .. } => {
                let length = (8 + self.payload.len()) as u16;
                let (source_port, destination_port) = (ports[0], ports[1]);
                TransportHeader::Udp(UdpHeader { source_port, destination_port, length, checksum: 0 })
            }
            Transport::Icmp { kind: [type_u8, code_u8], rest } if six => {
                let (type_u8, code_u8, bytes5to8) = (*type_u8, *code_u8, *rest);
                TransportHeader::Icmpv6(Icmpv6Header::new(Icmpv6Type::Unknown {
                    type_u8,
                    code_u8,
                    bytes5to8,
                }))
            }
            Transport::Icmp { kind: [type_u8, code_u8], rest } => {
                let (type_u8, code_u8, bytes5to8) = (*type_u8, *code_u8, *rest);
                TransportHeader::Icmpv4(Icmpv4Header::new(Icmpv4Type::Unknown {
                    type_u8,
                    code_u8,
                    bytes5to8,
                }))
            }
            Transport::Neighbour { flags, .. } => {
                let (type_u8, code_u8, bytes5to8) = (self.kind_of_neighbour(), 0, *flags);
                TransportHeader::Icmpv6(Icmpv6Header::new(Icmpv6Type::Unknown {
                    type_u8,
                    code_u8,
                    bytes5to8,
                }))
            }
            Transport::Sctp { .. } | Transport::Other(_) => return Vec::new(),
        };
        match &self.ip {
            Ip::V4 { source, destination, .. } => {
                let ip = Ipv4Header::new(0, 0, IpNumber(self.protocol()), *source, *destination)
                    .expect("no payload");
                header.update_checksum_ipv4(&ip, &self.payload).expect("a checksum");
            }
            Ip::V6 { source, destination, .. } => {
                let ip = Ipv6Header { source: *source, destination: *destination, ..Default::default() };
                let payload = [self.message(), self.payload.clone()].concat();
                header.update_checksum_ipv6(&ip, &payload).expect("a checksum");
            }
        }
        if let (TransportHeader::Udp(udp), Transport::Udp { checksum: false, .. }) =
            (&mut header, &self.transport)
        {
            udp.checksum = 0;
        }
        let mut bytes = Vec::new();
        header.write(&mut bytes).expect("a buffer");
        bytes
    }

    fn kind_of_neighbour(&self) -> u8 {
        let advertisement = matches!(self.transport, Transport::Neighbour { advertisement: true, .. });
        if advertisement { 136 } else { 135 }
    }

    /// What is behind the ICMPv6 header of neighbour discovery: the target and the options.
    fn message(&self) -> Vec<u8> {
        let Transport::Neighbour { target, links, .. } = &self.transport else { return Vec::new() };
        let mut message = target.to_vec();
        for (kind, link) in [(1, links[0]), (2, links[1])] {
            // One that nobody knows in front.
            message.extend([14, 1, 0, 0, 0, 0, 0, 0]);
            message.extend(link.into_iter().flat_map(|mac| [&[kind, 1], &mac[..]].concat()));
        }
        message
    }

    /// Whether edits made another message one of neighbour discovery.
    pub(crate) fn pretends_neighbour(&self) -> bool {
        matches!(self.transport, Transport::Icmp { kind: [135 | 136, 0], .. })
    }

    /// What the key of the frame must hold, of what comes from its bytes.
    pub(crate) fn key(&self) -> FlowKey {
        let number = |bytes: &[u8]| bytes.iter().fold(0u128, |all, byte| all << 8 | u128::from(*byte));
        let mut key = FlowKey::default();
        key.set(Field::EthDst, number(&self.destination));
        key.set(Field::EthSrc, number(&self.source));
        for ((_, tci), field) in self.tags.iter().zip([Field::VlanTci, Field::InnerVlanTci]) {
            key.set(field, (tci | 0x1000).into());
        }
        if let Some((service, _)) = self.tags.get(2) {
            key.set(Field::EthType, tpid(*service).0.into());
            return key;
        }
        let (ether_type, _) = self.network(0);
        key.set(Field::EthType, ether_type.0.into());
        key.set(Field::NwProto, self.protocol().into());
        key.set(
            Field::NwFrag,
            match self.fragment {
                Fragment::Whole => 0,
                Fragment::First => 1,
                Fragment::Later => 3,
            },
        );
        match &self.ip {
            Ip::V4 { source, destination, tos, ttl, .. } => {
                key.set(Field::NwSrc, number(source));
                key.set(Field::NwDst, number(destination));
                key.set(Field::NwTos, (*tos).into());
                key.set(Field::NwTtl, (*ttl).into());
            }
            Ip::V6 { source, destination, tos, ttl, label, options } => {
                let hop = if options.is_empty() { 0 } else { 0x40 };
                let fragment = if self.fragment == Fragment::Whole { 0 } else { 0x10 };
                let hidden = self.fragment == Fragment::Later;
                let secured = if self.protocol() == 50 && !hidden { 2 } else { 0 };
                key.set(Field::Ipv6Exthdr, hop | fragment | secured);
                key.set(Field::Ipv6Src, number(source));
                key.set(Field::Ipv6Dst, number(destination));
                key.set(Field::NwTos, (*tos).into());
                key.set(Field::NwTtl, (*ttl).into());
                key.set(Field::Ipv6Label, (*label).into());
            }
        }
        if self.fragment != Fragment::Later {
            self.transport_key(&mut key);
        }
        key
    }

    fn transport_key(&self, key: &mut FlowKey) {
        let [first, second] = match &self.transport {
            Transport::Tcp { ports, .. } | Transport::Udp { ports, .. } => *ports,
            Transport::Icmp { kind, .. } => kind.map(u16::from),
            Transport::Neighbour { target, links, flags, .. } => {
                let number =
                    |bytes: &[u8]| bytes.iter().fold(0u128, |all, byte| all << 8 | u128::from(*byte));
                // RFC 4861 section 7.1.1: the target is no multicast address.
                if target[0] != 0xff {
                    key.set(Field::NdTarget, number(target));
                    key.set(Field::NdReserved, number(flags));
                    let first = links.iter().position(Option::is_some).map_or(0, |at| at as u128 + 1);
                    key.set(Field::NdOptionsType, first);
                    for (field, link) in [Field::NdSll, Field::NdTll].into_iter().zip(links) {
                        key.set(field, link.map_or(0, |mac| number(&mac)));
                    }
                }
                [self.kind_of_neighbour().into(), 0]
            }
            Transport::Sctp { ports } => *ports,
            Transport::Other(_) => return,
        };
        key.set(Field::TpSrc, first.into());
        key.set(Field::TpDst, second.into());
        if let Transport::Tcp { flags, .. } = &self.transport {
            key.set(Field::TcpFlags, (*flags).into());
        }
    }

    /// Sets the bits of `field` that `mask` names, where the packet has that field.
    pub(crate) fn set(&mut self, field: Field, value: u128, mask: u128) {
        let had = match (field, &self.transport) {
            (Field::NdTarget, Transport::Neighbour { target, .. }) => u128::from_be_bytes(*target),
            (Field::NdReserved, Transport::Neighbour { flags, .. }) => u32::from_be_bytes(*flags).into(),
            (Field::NdSll, Transport::Neighbour { links: [Some(mac), _], .. })
            | (Field::NdTll, Transport::Neighbour { links: [_, Some(mac)], .. }) => {
                mac.iter().fold(0, |all, byte| all << 8 | u128::from(*byte))
            }
            _ => self.key().get(field),
        };
        let value = had & !mask | value & mask;
        let bytes = value.to_be_bytes();
        let mac = *bytes.last_chunk::<6>().expect("16 bytes");
        let four = *bytes.last_chunk::<4>().expect("16 bytes");
        let low = bytes[15];
        let has_transport = self.fragment != Fragment::Later;
        let whole = self.fragment == Fragment::Whole;
        match (field, &mut self.ip, &mut self.transport) {
            (Field::EthDst, ..) => self.destination = mac,
            (Field::EthSrc, ..) => self.source = mac,
            (Field::NwSrc, Ip::V4 { source, .. }, _) => *source = four,
            (Field::NwDst, Ip::V4 { destination, .. }, _) => *destination = four,
            (Field::NwTtl, Ip::V4 { ttl, .. } | Ip::V6 { ttl, .. }, _) => *ttl = low,
            (Field::NwTos, Ip::V4 { tos, .. } | Ip::V6 { tos, .. }, _) => *tos = low,
            (Field::IpDscp, Ip::V4 { tos, .. } | Ip::V6 { tos, .. }, _) => *tos = low << 2 | *tos & 3,
            (Field::NwEcn, Ip::V4 { tos, .. } | Ip::V6 { tos, .. }, _) => *tos = *tos & !3 | low,
            (Field::Ipv6Src, Ip::V6 { source, .. }, _) => *source = bytes,
            (Field::Ipv6Dst, Ip::V6 { destination, .. }, _) => *destination = bytes,
            (Field::Ipv6Label, Ip::V6 { label, .. }, _) => *label = value as u32,
            (Field::TpSrc, _, Transport::Tcp { ports, .. } | Transport::Udp { ports, .. })
                if has_transport =>
            {
                ports[0] = value as u16;
            }
            (Field::TpDst, _, Transport::Tcp { ports, .. } | Transport::Udp { ports, .. })
                if has_transport =>
            {
                ports[1] = value as u16;
            }
            // The checksum of a first fragment covers the others too.
            (Field::TpSrc, _, Transport::Sctp { ports }) if whole => ports[0] = value as u16,
            (Field::TpDst, _, Transport::Sctp { ports }) if whole => ports[1] = value as u16,
            (Field::NdTarget, _, Transport::Neighbour { target, .. }) if has_transport => *target = bytes,
            (Field::NdReserved, _, Transport::Neighbour { flags, .. }) if has_transport => *flags = four,
            (Field::NdSll, _, Transport::Neighbour { advertisement: false, links: [Some(link), _], .. })
            | (Field::NdTll, _, Transport::Neighbour { advertisement: true, links: [_, Some(link)], .. })
                if has_transport =>
            {
                *link = mac;
            }
            (Field::TpSrc | Field::TpDst, _, Transport::Neighbour { advertisement, flags, .. })
                if has_transport =>
            {
                let kind = if *advertisement { 136 } else { 135 };
                let kind = if field == Field::TpSrc { [low, 0] } else { [kind, low] };
                let rest = *flags;
                match kind {
                    [135, 0] => *advertisement = false,
                    [136, 0] => *advertisement = true,
                    _ => {
                        self.payload = self.message();
                        self.transport = Transport::Icmp { kind, rest };
                    }
                }
            }
            (Field::TpSrc, _, Transport::Icmp { kind, .. }) if has_transport => kind[0] = low,
            (Field::TpDst, _, Transport::Icmp { kind, .. }) if has_transport => kind[1] = low,
            _ => {}
        }
    }
}

fn tpid(service: bool) -> EtherType {
    if service { EtherType(0x88a8) } else { EtherType(0x8100) }
}

fn ip() -> impl Strategy<Value = Ip> {
    let (bytes, words) = (any::<[u8; 2]>(), 0..4usize);
    let four = (any::<[u8; 4]>(), any::<[u8; 4]>(), bytes, words.clone()).prop_map(
        |(source, destination, [tos, ttl], words)| Ip::V4 {
            source,
            destination,
            tos,
            ttl,
            options: vec![1; 4 * words],
        },
    );
    let six = (any::<[u8; 16]>(), any::<[u8; 16]>(), bytes, words, 0..1u32 << 20).prop_map(
        |(source, destination, [tos, ttl], words, label)| {
            let options = if words == 0 { vec![] } else { vec![0; 8 * words - 2] };
            Ip::V6 { source, destination, tos, ttl, label, options }
        },
    );
    prop_oneof![four, six]
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![
        (any::<[u16; 2]>(), 0..0x200u16, 0..5usize).prop_map(|(ports, flags, words)| Transport::Tcp {
            ports,
            flags,
            options: vec![1; 4 * words]
        }),
        (any::<[u16; 2]>(), prop::bool::weighted(0.8))
            .prop_map(|(ports, checksum)| Transport::Udp { ports, checksum }),
        // Above the types of neighbour discovery, which has fields of its own.
        (any::<u8>(), 0..133u8, any::<[u8; 4]>())
            .prop_map(|(code, kind, rest)| Transport::Icmp { kind: [kind, code], rest }),
        (any::<bool>(), any::<[u8; 4]>(), any::<[u8; 16]>(), any::<[Option<[u8; 6]>; 2]>()).prop_map(
            |(advertisement, flags, target, links)| Transport::Neighbour {
                advertisement,
                flags,
                target,
                links
            }
        ),
        any::<[u16; 2]>().prop_map(|ports| Transport::Sctp { ports }),
        select(vec![2, 47, 50, 103]).prop_map(Transport::Other),
    ]
}

/// Packets of every kind.
pub(crate) fn packets() -> impl Strategy<Value = Packet> {
    packets_with(proptest::collection::vec(any::<u8>(), 0..70))
}

/// Now and then one that is too long for a chunk.
pub(crate) fn packets_of_all_lengths() -> impl Strategy<Value = Packet> {
    let long = (any::<u8>(), 1600..15_000usize);
    let long = long.prop_map(|(salt, len)| (0..len).map(|at| (at * 31 + at / 256) as u8 ^ salt).collect());
    prop_oneof![40 => packets(), 1 => packets_with(long)]
}

fn packets_with(payload: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Packet> {
    let fragment =
        prop_oneof![4 => Just(Fragment::Whole), 1 => Just(Fragment::First), 1 => Just(Fragment::Later)];
    let tags = proptest::collection::vec((any::<bool>(), any::<u16>().prop_map(|tci| tci & 0xefff)), 0..=3);
    (any::<[[u8; 6]; 2]>(), tags, ip(), fragment, transport(), payload, 0..8usize).prop_map(
        |([destination, source], tags, ip, fragment, transport, payload, padding)| {
            let neighbour = matches!(transport, Transport::Neighbour { .. });
            let (transport, payload) = match ip {
                Ip::V4 { .. } if neighbour => (Transport::Other(103), payload),
                _ if neighbour && fragment != Fragment::Later => (transport, Vec::new()),
                _ => (transport, payload),
            };
            Packet { destination, source, tags, ip, fragment, transport, payload, padding }
        },
    )
}
