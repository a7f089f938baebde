//! Bytes as frames into a switch with rules of every kind. Nothing may panic, every frame is accounted for, all memory comes
//! back, and what a second turn does with the same frames, now from the cache, is what the first one did.
//!
//! The input is a list of frames: a byte for the port, two for the length, then the frame.
#![no_main]

use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::flow::{Field, OfPort, Seed};
use datapath::mem::FramePool;
use datapath::pipeline::{Base, Match, Pipeline, Rule, RuleAction};
use datapath::port::{Memory, Port, PortId, Slot};
use datapath::stats::SharedStats;
use datapath::tunnel::{Key, Kind, Path, Reach, Remote, TunnelSpec, TunnelTable, Underlay};
use datapath::wire::MacAddr;
use datapath::worker::{Parts, Role, Worker, channel};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use std::sync::Arc;

const FRAMES: usize = 24;

fuzz_target!(|input: &[u8]| {
    let frames = frames(input);
    let umem = Umem::new(&UmemConfig {
        frames: 64,
        chunk: ChunkSize::K2,
        headroom: 128,
        huge: false,
        tx_metadata: false,
    })
    .expect("memory");
    let (mut ports, mut wires) = (Vec::new(), Vec::new());
    for n in 0..3 {
        let (near, far) = Memory::pair(1024);
        let role = if n == 0 { Role::Uplink } else { Role::Guest(OfPort(n)) };
        ports.push((Slot::new(Port::Memory(near)), role));
        wires.push(far);
    }
    let shared = Arc::new(SharedStats::new(3));
    let mut worker = Worker::new(Parts {
        pool: FramePool::new(umem.take_frames()),
        ports,
        pipeline: pipeline().into(),
        inbox: channel().1,
        shared: shared.clone(),
        flows: 64,
        seed: Seed::new(1),
    });
    let mut turn = |now| {
        for (port, frame) in &frames {
            wires[*port].send(frame.to_vec()).expect("room");
        }
        worker.turn(now);
        worker.publish();
        assert_eq!(worker.free_frames(), 64);
        let seen = shared.read();
        let out: Vec<Vec<_>> =
            wires.iter().map(|wire| std::iter::from_fn(|| wire.receive()).collect()).collect();
        let sent = out.iter().map(Vec::len).sum::<usize>() as u64;
        (out, sent, seen.drops.total(), seen.worker.hits + seen.worker.masked_hits + seen.worker.misses)
    };
    let (cold, sent, dropped, keyed) = turn(1);
    assert!(sent + dropped >= frames.len() as u64 && keyed <= frames.len() as u64);
    let (warm, sent_again, dropped_again, keyed_again) = turn(2);
    assert_eq!(cold, warm);
    assert_eq!((sent_again, dropped_again, keyed_again), (sent, 2 * dropped, 2 * keyed));
});

fn frames(mut input: &[u8]) -> Vec<(usize, &[u8])> {
    let mut frames = Vec::new();
    while let Some(([port, high, low], rest)) = input.split_first_chunk::<3>().map(|(h, r)| (*h, r)) {
        let len = usize::from(u16::from_be_bytes([high & 7, low])).min(rest.len());
        let (frame, rest) = rest.split_at(len);
        frames.push((usize::from(port % 3), frame));
        input = rest;
        if frames.len() == FRAMES {
            break;
        }
    }
    frames
}

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

fn set(field: Field, value: u128) -> RuleAction {
    RuleAction::SetField { field, value, mask: field.max() }
}

fn rule(priority: u16, matching: Match, actions: Vec<RuleAction>) -> Rule {
    Rule::acting(priority, matching, actions)
}

fn pipeline() -> Pipeline {
    let ip = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let from = |port: u32| Match::any().exact(Field::InPort, port.into());
    let edits = vec![
        set(Field::EthSrc, 0x0200_0000_0001),
        set(Field::NwSrc, 0x0a00_0001),
        set(Field::NwDst, 0xffff_ffff),
        RuleAction::SetField { field: Field::NwTos, value: 0x50, mask: 0xf0 },
        set(Field::NwTtl, 1),
        set(Field::TpSrc, 0x101),
        RuleAction::SetField { field: Field::TpDst, value: 0, mask: 0xff },
        set(Field::Ipv6Src, 1),
        set(Field::Ipv6Dst, u128::MAX),
        set(Field::Ipv6Label, 5),
        set(Field::NwProto, 2),
        set(Field::ArpSha, 9),
        set(Field::ArpTha, 8),
    ];
    let tags = vec![
        RuleAction::PopVlan,
        output(2),
        RuleAction::PushVlan { tpid: 0x88a8 },
        set(Field::VlanVid, 0x1fff),
        RuleAction::PushVlan { tpid: 0x8100 },
        output(20),
    ];
    let all =
        [edits.clone(), vec![output(2)], tags.clone(), edits.clone(), vec![output(10), RuleAction::InPort]];
    let rules = vec![
        rule(1, from(1), [edits.clone(), vec![output(2)]].concat()),
        rule(2, from(1).exact(Field::EthType, 0x86dd), vec![set(Field::TunId, 7), output(20)]),
        rule(3, from(1).exact(Field::NwProto, 6), vec![set(Field::TunId, 7), output(10)]),
        rule(4, from(1).with(Field::VlanTci, 0x1000, 0x1000), tags),
        rule(1, from(2), all.concat()),
        rule(1, from(10), [edits, vec![output(1), output(20), RuleAction::InPort]].concat()),
        rule(
            1,
            from(20),
            vec![output(2), set(Field::TunIpv6Dst, ip_bits("2001:db8::2")), RuleAction::InPort],
        ),
    ];
    let tunnel = |ofport, remote, key| TunnelSpec::new(OfPort(ofport), Kind::Vxlan, remote, key);
    let tunnels = vec![
        tunnel(10, Remote::Fixed(ip("192.0.2.2")), Key::Flow),
        tunnel(20, Remote::Fixed(ip("2001:db8::2")), Key::Flow),
        tunnel(21, Remote::Flow, Key::Fixed(5)),
    ];
    let mut underlay = Underlay::default();
    for (local, remote) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        underlay.insert(
            ip(remote),
            Reach::Via(Path {
                uplink: PortId(0),
                local: ip(local),
                src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
                dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
                mtu: 1600,
            }),
        );
    }
    let base = Base::new(
        [(OfPort(1), PortId(1)), (OfPort(2), PortId(2))],
        TunnelTable::new(tunnels, Seed::new(1)).expect("tunnels that differ"),
        [ip("192.0.2.1"), ip("2001:db8::1")].into(),
        underlay,
    );
    Pipeline::new(base).with_rules(rules)
}

fn ip_bits(text: &str) -> u128 {
    text.parse::<std::net::Ipv6Addr>().expect("an address").to_bits()
}
