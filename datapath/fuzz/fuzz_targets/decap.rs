//! Bytes behind the outer IP header into ports of every kind of tunnel. A packet that is refused is as it was. What comes out of one that
//! is not goes into the same tunnel again, and comes out of that as it went in.
//!
//! The first byte of the input chooses IP's version, its protocol and its congestion marks, and whether the port or the protocol type
//! behind it is put right; the rest follows the IP header.
#![no_main]

use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::flow::{OfPort, Seed};
use datapath::mem::{Frame, FramePool};
use datapath::port::PortId;
use datapath::tunnel::{Counter, Encap, Key, Kind, Last, Marks, Path, Remote, TunnelSpec, TunnelTable, decap};
use datapath::wire::{MacAddr, ethernet, ethertype, ipv4, ipv6, protocol};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

const MEMORY: UmemConfig =
    UmemConfig { frames: 4, chunk: ChunkSize::K4, headroom: 128, huge: false, tx_metadata: false };

fuzz_target!(|input: &[u8]| {
    let [choice, payload @ ..] = input else { return };
    if payload.len() > 2048 {
        return;
    }
    let packet = outer(*choice, &plausible(*choice, payload));
    let tunnels = tunnels();
    let umem = Umem::new(&MEMORY).expect("memory");
    let mut pool = FramePool::new(umem.take_frames());
    let mut frame = pool.take().expect("there are frames");
    assert!(frame.copy_from(&packet));
    let Ok((tunnel, tunnelled)) = decap(&mut frame, &tunnels, |_| true, &mut Last::default()) else {
        assert_eq!(frame.bytes(), packet, "a packet that is refused is as it was");
        return;
    };
    let inner = frame.bytes().to_vec();
    let spec = tunnels.spec(tunnel);
    assert_eq!(again(&mut frame, spec, &tunnels, tunnelled.id as u32), inner, "{spec:?}");
});

/// Into the tunnel and out of it.
fn again(frame: &mut Frame<'_>, spec: &TunnelSpec, tunnels: &TunnelTable, key: u32) -> Vec<u8> {
    let path = Path {
        uplink: PortId(0),
        local: HERE,
        src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
        mtu: u16::MAX,
    };
    let encap = Encap::new(spec, THERE, &path).expect("of one family");
    let marks = Marks { key, policy: 0x1234_4800, tos: 0xb8, ttl: 9, control: spec.control };
    encap.push(frame, marks, 0x1234_5678_9abc).expect("room for the headers");
    let (_, tunnelled) = decap(frame, tunnels, |_| true, &mut Last::default()).expect("what we send is right");
    assert_eq!((tunnelled.id as u32, tunnelled.tos, tunnelled.ttl), (key, 0xb8, 9));
    frame.bytes().to_vec()
}

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

/// The bytes that a switch would not look behind, if they were wrong: port, length and checksum of UDP, protocol type of GRE.
fn plausible(choice: u8, payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    let len = payload.len() as u16;
    if choice & 4 == 0 {
        return payload;
    }
    if choice & 2 != 0 {
        if let Some(protocol) = payload.get_mut(2..4) {
            protocol.copy_from_slice(&0x6558_u16.to_be_bytes());
        }
    } else if let Some(udp) = payload.get_mut(2..8) {
        let port: u16 = if choice & 8 == 0 { 4789 } else { 6081 };
        udp[..2].copy_from_slice(&port.to_be_bytes());
        udp[2..4].copy_from_slice(&len.to_be_bytes());
        udp[4..].fill(0);
    }
    payload
}

/// Ethernet and IP around the input.
fn outer(choice: u8, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (MacAddr([2, 0, 0, 0, 0, 2]), MacAddr([2, 0, 0, 0, 0, 1]));
    let (ecn, protocol) = (choice >> 6, if choice & 2 == 0 { protocol::UDP } else { protocol::GRE });
    let link = |ethertype| ethernet::Repr { destination, source, ethertype }.to_bytes().to_vec();
    if choice & 1 == 0 {
        let ip = ipv4::Repr {
            dscp: 0,
            ecn,
            total_len: (20 + payload.len()) as u16,
            identification: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            source: [192, 0, 2, 2].into(),
            destination: [192, 0, 2, 1].into(),
        };
        [link(ethertype::IPV4), ip.to_bytes().to_vec(), payload.to_vec()].concat()
    } else {
        let ip = ipv6::Repr {
            dscp: 0,
            ecn,
            flow_label: 0,
            payload_len: payload.len() as u16,
            next_header: protocol,
            hop_limit: 64,
            source: [2; 16].into(),
            destination: [1; 16].into(),
        };
        [link(ethertype::IPV6), ip.to_bytes().to_vec(), payload.to_vec()].concat()
    }
}

/// One port of each kind, that takes everything.
fn tunnels() -> TunnelTable {
    let specs = Kind::ALL.into_iter().zip(10..).map(|(kind, ofport)| TunnelSpec {
        group_policy: true,
        zero_checksum_rx: true,
        control: kind == Kind::Geneve,
        checksum: (kind != Kind::Nvgre).then_some(true),
        sequence: (kind == Kind::Gre).then(Counter::default),
        ..TunnelSpec::new(OfPort(ofport), kind, Remote::Flow, Key::Flow)
    });
    TunnelTable::new(specs.collect(), Seed::new(1)).expect("tunnels that differ")
}
