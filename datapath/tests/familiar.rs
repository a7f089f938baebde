//! A packet that is recognised is taken out of its tunnel as if it had not been: the same port, the same words about where it
//! comes from, the same inner frame, whatever was changed about it since.

mod common;

use common::{HERE, MTU, NEXT_HOP_MAC, Switch, THERE, UPLINK_MAC, ip, pipeline, tunnel, umem};
use datapath::flow::{OfPort, Origin, Scope, Seed};
use datapath::mem::Frame;
use datapath::pipeline::{Base, Match, Pipeline, Rule, RuleAction};
use datapath::port::PortId;
use datapath::stats::DropReason;
use datapath::tunnel::{
    Familiar, Head, Key, Kind, Last, Mss, Recognised, Remote, TunnelSpec, TunnelTable, Underlay, decap,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;

const IP: usize = 14;
const TRANSPORT: usize = 34;

/// The transport header and what follows, to the inner frame: of each kind of tunnel, and some that are no common ones.
fn transports() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let udp = |port: u16, rest: &[u8]| {
        let [high, low] = port.to_be_bytes();
        (17, [&[0xc0, 0x01, high, low, 0, 0, 0, 0], rest].concat())
    };
    select(vec![
        udp(4789, &[8, 0, 0, 0, 0, 0, 7, 0]),
        udp(4789, &[8, 0, 0, 0, 0, 0, 8, 0]),
        udp(4790, &[0x88, 0, 0, 5, 0, 0, 7, 0]),
        udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 7, 0]),
        udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 0]),
        (47, vec![0x20, 0, 0x65, 0x58, 0, 0, 0, 7]),
        (47, vec![0, 0, 0x65, 0x58]),
        (47, vec![0x20, 0, 0x65, 0x58, 0, 0x12, 0x34, 9]),
        (47, vec![0x20, 0, 0x65, 0x58, 0, 0, 0x12, 9]),
        (47, vec![0x30, 0, 0x65, 0x58, 0, 0, 0, 7, 0, 0, 0, 1]),
    ])
}

/// What the underlay may do to a packet, or a hostile host.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    Cut(usize),
    Pad(usize),
    InnerTag,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec(
        prop_oneof![
            // The identification, the source port of UDP and the last byte of NVGRE's key are another in most packets.
            4 => (select(vec![18_usize, 19, 34, 35, 41]), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
            2 => (0..70_usize, any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
            1 => (select(vec![15_usize, 20, 40]), 0..4_u8).prop_map(|(at, byte)| Change::Byte(at, byte)),
            1 => (0..100_usize).prop_map(Change::Cut),
            1 => (1..20_usize).prop_map(Change::Pad),
            1 => Just(Change::InnerTag),
        ],
        0..3,
    )
}

#[derive(Clone, Debug)]
struct Packet {
    transport: (u8, Vec<u8>),
    from: u8,
    ttl: u8,
    inner: usize,
    changes: Vec<Change>,
    /// Whether lengths and checksum are made right after the changes.
    mended: [bool; 2],
}

fn packets() -> impl Strategy<Value = Packet> {
    let inner = prop_oneof![4 => Just(60_usize), 1 => 0..100_usize];
    (transports(), 2..4_u8, select(vec![64_u8, 63]), inner, changes(), any::<[bool; 2]>()).prop_map(
        |(transport, from, ttl, inner, changes, mended)| Packet {
            transport,
            from,
            ttl,
            inner,
            changes,
            mended,
        },
    )
}

impl Packet {
    fn bytes(&self) -> Vec<u8> {
        let (protocol, transport) = &self.transport;
        let mut bytes = [&UPLINK_MAC.0[..], &NEXT_HOP_MAC.0, &[8, 0, 0x45, 0, 0, 0, 0, 1, 0x40, 0]].concat();
        bytes.extend([self.ttl, *protocol, 0, 0, 192, 0, 2, self.from, 192, 0, 2, 1]);
        bytes.extend(transport);
        let inner = bytes.len();
        bytes.extend((0..self.inner).map(|n| n as u8));
        if let Some(ether_type) = bytes.get_mut(inner + 12..inner + 14) {
            ether_type.copy_from_slice(&[8, 0]);
        }
        lengths(&mut bytes);
        checksum(&mut bytes);
        for change in &self.changes {
            match *change {
                Change::Byte(at, byte) => bytes.get_mut(at).into_iter().for_each(|to| *to = byte),
                Change::Cut(len) => bytes.truncate(len),
                Change::Pad(len) => bytes.extend(vec![0; len]),
                Change::InnerTag => {
                    let to = bytes.get_mut(inner + 12..inner + 14);
                    to.into_iter().for_each(|to| to.copy_from_slice(&[0x81, 0]));
                }
            }
        }
        if self.mended[0] {
            lengths(&mut bytes);
        }
        if self.mended[1] {
            checksum(&mut bytes);
        }
        bytes
    }
}

fn lengths(bytes: &mut [u8]) {
    let len = bytes.len();
    if len >= TRANSPORT + 8 {
        bytes[IP + 2..IP + 4].copy_from_slice(&((len - IP) as u16).to_be_bytes());
        if bytes[IP + 9] == 17 {
            bytes[TRANSPORT + 4..TRANSPORT + 6].copy_from_slice(&((len - TRANSPORT) as u16).to_be_bytes());
        }
    }
}

fn checksum(bytes: &mut [u8]) {
    if bytes.len() >= TRANSPORT {
        bytes[IP + 10..IP + 12].fill(0);
        let sum = bytes[IP..TRANSPORT]
            .chunks(2)
            .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
            .sum::<u32>();
        let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
        bytes[IP + 10..IP + 12].copy_from_slice(&folded.to_be_bytes());
    }
}

/// Tunnel ports in two sets that differ in every port.
fn tunnels(set: u32) -> TunnelTable {
    let port = |number: u32, kind, remote, key| TunnelSpec::new(OfPort(10 * set + number), kind, remote, key);
    let (fixed, open) = (Remote::Fixed(ip(THERE)), Remote::Flow);
    let policy = TunnelSpec { dst_port: 4790, group_policy: true, ..port(2, Kind::Vxlan, open, Key::Flow) };
    let clamped = TunnelSpec { mss: Some(Mss::Fit), ..port(3, Kind::Geneve, open, Key::Fixed(7)) };
    let mut specs = vec![
        port(1, Kind::Vxlan, fixed, Key::Flow),
        policy,
        clamped,
        port(4, Kind::Gre, open, Key::Fixed(7)),
        port(5, Kind::Gre, open, Key::Fixed(0)),
        port(6, Kind::Nvgre, open, Key::Flow),
    ];
    if set == 1 {
        specs.push(port(7, Kind::Gre, fixed, Key::Fixed(0x12_3409)));
        specs.push(port(8, Kind::Gre, open, Key::Fixed(0x1205)));
        specs.push(TunnelSpec { strict: true, ..port(9, Kind::Vxlan, fixed, Key::Fixed(8)) });
    }
    TunnelTable::new(specs, Seed::new(7)).expect("ports that differ")
}

type Taken = Result<(Recognised, Vec<u8>), DropReason>;

fn generally(frame: &mut Frame<'_>, tunnels: &TunnelTable, familiar: &mut Familiar, scope: &Scope) -> Taken {
    let head = Head::of(frame.bytes());
    let is_endpoint = |address: IpAddr| address == ip(HERE);
    let (tunnel, outer) = decap(frame, tunnels, is_endpoint, &mut Last::default())?;
    let spec = tunnels.spec(tunnel);
    familiar.remember(&head, (tunnel, spec), &outer, scope);
    let recognised = Recognised { origin: Origin::tunnel(spec.ofport, &outer, scope), tunnel, mss: spec.mss };
    Ok((recognised, frame.bytes().to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn recognised_or_not_a_packet_is_taken_out_the_same_way(
        packets in vec((packets(), prop::bool::weighted(0.03)), 2..60),
    ) {
        let (umem, seed) = (umem(), Seed::new(3));
        let scope = Scope::everything(seed);
        let mut frames = umem.take_frames();
        let (mut frame, mut twin) = (frames.next().unwrap(), frames.next().unwrap());
        let (mut familiar, mut nobody) = (Familiar::new(seed), Familiar::new(seed));
        let sets = [tunnels(0), tunnels(1)];
        let mut set = 0;
        for (packet, others) in packets {
            if others {
                set = 1 - set;
                familiar.forget();
            }
            let bytes = packet.bytes();
            prop_assert!(frame.copy_from(&bytes) && twin.copy_from(&bytes));
            let recognised = familiar.take_out(&mut frame).copied();
            let found: Taken = match recognised {
                Some(recognised) => Ok((recognised, frame.bytes().to_vec())),
                None => {
                    prop_assert_eq!(frame.bytes(), &bytes[..], "as it was");
                    generally(&mut frame, &sets[set], &mut familiar, &scope)
                }
            };
            nobody.forget();
            prop_assert_eq!(found, generally(&mut twin, &sets[set], &mut nobody, &scope), "{:?}", packet);
        }
    }
}

/// The law would say nothing if no packet were recognised. Here are many tunnels with few keys, who push each other out of their places.
#[test]
fn what_came_once_is_recognised() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (umem, seed, tunnels) = (umem(), Seed::new(3), tunnels(0));
    let scope = Scope::everything(seed);
    let mut frame = umem.take_frames().next().unwrap();
    let mut familiar = Familiar::new(seed);
    let (mut taken, mut recognised) = ([0; 2], [0; 2]);
    for _ in 0..4000 {
        let packet = packets().new_tree(&mut runner).unwrap().current();
        assert!(packet.inner + 100 < MTU.into());
        assert!(frame.copy_from(&packet.bytes()));
        let gre = usize::from(packet.transport.0 == 47);
        if familiar.take_out(&mut frame).is_some() {
            recognised[gre] += 1;
            taken[gre] += 1;
        } else if generally(&mut frame, &tunnels, &mut familiar, &scope).is_ok() {
            taken[gre] += 1;
        }
    }
    assert!(
        recognised.iter().zip(taken).all(|(recognised, taken)| recognised * 8 > taken),
        "{recognised:?} {taken:?}"
    );
}

/// A worker that has seen a tunnel's packets goes by the tunnels that there are now.
#[test]
fn tunnels_that_change_are_not_familiar_any_more() {
    let all = Rule::acting(1, Match::any(), vec![RuleAction::Output(OfPort(1))]);
    let first = pipeline(1, vec![all], 1);
    let umem = umem();
    let mut switch = Switch::new(&umem, first.clone(), 1);
    let packet = Packet {
        transport: (17, vec![0xc0, 1, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0]),
        from: 2,
        ttl: 64,
        inner: 60,
        changes: Vec::new(),
        mended: [false; 2],
    };
    let mut current: Pipeline = first;
    let mut with = |switch: &mut Switch<'_>, specs: Vec<TunnelSpec>, endpoint: &str| {
        let tunnels = TunnelTable::new(specs, Seed::new(7)).expect("ports that differ");
        let guests = [(OfPort(1), PortId(1))];
        current.set_base(Base::new(guests, tunnels, [ip(endpoint)].into(), Underlay::default()));
        switch.publisher.publish(current.snapshot());
        let before = switch.shared.read().drops;
        // The second one may be recognised by the first.
        (0..2).for_each(|_| switch.put(0, &packet.bytes()));
        let after = switch.shared.read().drops;
        let dropped: Vec<_> =
            after.iter().filter(|(reason, count)| *count == before.get(*reason) + 2).collect();
        (switch.out(1).len(), dropped.first().map(|(reason, _)| *reason))
    };
    let strict = TunnelSpec { strict: true, ..tunnel(THERE) };
    let other = TunnelSpec { key: Key::Fixed(8), ..tunnel(THERE) };
    for _ in 0..2 {
        assert_eq!(with(&mut switch, vec![tunnel(THERE)], HERE), (2, None));
        assert_eq!(with(&mut switch, vec![], HERE), (0, Some(DropReason::NotTunnel)));
        assert_eq!(with(&mut switch, vec![tunnel(THERE)], HERE), (2, None));
        assert_eq!(with(&mut switch, vec![other.clone()], HERE), (0, Some(DropReason::UnknownTunnel)));
        assert_eq!(with(&mut switch, vec![tunnel(THERE)], HERE), (2, None));
        assert_eq!(with(&mut switch, vec![tunnel(THERE)], THERE), (0, Some(DropReason::NotOurEndpoint)));
        assert_eq!(with(&mut switch, vec![strict.clone()], HERE), (0, Some(DropReason::UnknownPeer)));
    }
}
