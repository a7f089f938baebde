//! Frames through a whole turn. Frames are built and taken apart by etherparse, which is not ours.

mod common;

use common::*;
use datapath::flow::{Field, OfPort, Seed};
use datapath::pipeline::{Base, Match, Passed, Pipeline, Rule, RuleAction};
use datapath::port::PortId;
use datapath::stats::DropReason;
use datapath::tunnel::{Path, Reach, Remote, TunnelTable, Underlay};
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

const TENANT: u128 = 100;

fn rule(matching: Match, actions: Vec<RuleAction>) -> Rule {
    Rule::acting(1, matching, actions)
}

fn from_port(port: u128) -> Match {
    Match::any().exact(Field::InPort, port)
}

fn set(field: Field, value: u128) -> RuleAction {
    RuleAction::SetField { field, value, mask: field.max() }
}

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

/// Guest 1 is tenant 100, guest 2 tenant 200, one tunnel for both.
fn two_tenants() -> Vec<Rule> {
    let tunnelled = |id| from_port(TUNNEL.into()).exact(Field::TunId, id);
    vec![
        rule(from_port(1), vec![set(Field::TunId, TENANT), output(TUNNEL)]),
        rule(from_port(2), vec![set(Field::TunId, 200), output(TUNNEL)]),
        rule(tunnelled(TENANT), vec![output(1)]),
        rule(tunnelled(200), vec![output(2)]),
    ]
}

fn guest_frame(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(4000, 5000);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn vxlan(vni: u32) -> [u8; 8] {
    let [_, a, b, c] = vni.to_be_bytes();
    [0x08, 0, 0, 0, a, b, c, 0]
}

fn underlay_packet(source: [u8; 4], destination: [u8; 4], header: &[u8], inner: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(NEXT_HOP_MAC.0, UPLINK_MAC.0)
        .ipv4(source, destination, 64)
        .udp(50_000, 4789);
    let mut packet = Vec::new();
    builder.write(&mut packet, &[header, inner].concat()).unwrap();
    packet
}

fn from_there(vni: u32, inner: &[u8]) -> Vec<u8> {
    underlay_packet([192, 0, 2, 2], [192, 0, 2, 1], &vxlan(vni), inner)
}

#[test]
fn a_guests_frame_leaves_by_the_uplink_inside_vxlan() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    let frame = guest_frame(b"hello");
    switch.put(1, &frame);
    let out = switch.out(0);
    assert_eq!(out.len(), 1);
    let outer = SlicedPacket::from_ethernet(&out[0]).expect("headers that etherparse accepts");
    let Some(etherparse::NetSlice::Ipv4(ip)) = &outer.net else { panic!("no IPv4") };
    assert_eq!((ip.header().source(), ip.header().destination()), ([192, 0, 2, 1], [192, 0, 2, 2]));
    assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
    assert!(ip.header().dont_fragment(), "RFC 7348 section 4.3");
    let Some(TransportSlice::Udp(udp)) = &outer.transport else { panic!("no UDP") };
    assert_eq!((udp.destination_port(), udp.checksum()), (4789, 0), "RFC 7348 section 5");
    assert!(udp.source_port() >= 49_152, "RFC 7348 section 5: the dynamic range");
    assert_eq!(udp.payload()[..8], vxlan(100));
    assert_eq!(udp.payload()[8..], frame);
    assert_eq!(switch.drops(), []);
}

#[test]
fn a_tunnel_port_counts_what_comes_out_of_it_and_what_goes_into_it() {
    let umem = umem();
    let mut pipeline = pipeline(1, two_tenants(), 2);
    let mut switch = Switch::new(&umem, pipeline.clone(), 2);
    let frame = guest_frame(b"hello");
    for _ in 0..3 {
        switch.put(1, &frame);
    }
    switch.put(0, &from_there(200, &frame));
    switch.put(0, &from_there(7, &frame));
    switch.worker.settle();
    let Passed { came, went } = pipeline.passed(OfPort(TUNNEL)).expect("a tunnel");
    let len = frame.len() as u64;
    assert_eq!((came.packets, came.bytes), (2, 2 * len), "also what the tables drop");
    assert_eq!((went.packets, went.bytes), (3, 3 * len));
    assert!(pipeline.passed(OfPort(1)).is_none());

    // The number is another tunnel's now, and the same frame is counted for that one, though its answer was kept.
    pipeline.count_anew(OfPort(TUNNEL));
    assert_eq!(pipeline.passed(OfPort(TUNNEL)), Some(Passed::default()));
    switch.publisher.publish(pipeline.snapshot());
    switch.put(1, &frame);
    switch.worker.settle();
    assert_eq!(pipeline.passed(OfPort(TUNNEL)).map(|passed| passed.went.packets), Some(1));
}

#[test]
fn the_source_port_is_stable_within_a_conversation() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    for payload in [b"a", b"b", b"c"] {
        switch.put(1, &guest_frame(payload));
    }
    let ports: Vec<_> = switch.out(0).iter().map(|packet| [packet[34], packet[35]]).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.windows(2).all(|pair| pair[0] == pair[1]), "{ports:?}");
}

#[test]
fn a_frame_of_a_tenant_reaches_only_that_tenant() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    let frame = guest_frame(b"for 200");
    switch.put(0, &from_there(200, &frame));
    assert_eq!((switch.out(1), switch.out(2)), (vec![], vec![frame]));
    assert_eq!(switch.drops(), []);
}

#[test]
fn ethernet_padding_of_the_outer_frame_does_not_reach_the_guest() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    let frame = guest_frame(b"");
    let mut packet = from_there(100, &frame);
    packet.extend([0xee; 7]);
    switch.put(0, &packet);
    assert_eq!(switch.out(1), [frame]);
}

#[test]
fn each_defect_of_a_tunnel_packet_is_counted_as_what_it_is() {
    let frame = guest_frame(b"x");
    let good = from_there(100, &frame);
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        edit(&mut packet);
        packet
    };
    let with_ip_checksum = |mut packet: Vec<u8>| {
        let mut ip = etherparse::Ipv4Header::from_slice(&packet[14..]).unwrap().0;
        ip.header_checksum = ip.calc_header_checksum();
        packet[24..26].copy_from_slice(&ip.header_checksum.to_be_bytes());
        packet
    };
    let cases = [
        (DropReason::UnknownTunnel, from_unknown_remote(&frame)),
        (DropReason::FrameTooShort, good[..13].to_vec()),
        (DropReason::OuterHeader, good[..30].to_vec()),
        (DropReason::OuterHeader, edited(&|p| p[14] = 0x42)),
        (DropReason::OuterHeader, edited(&|p| p[16..18].copy_from_slice(&[0xff, 0xff]))),
        (DropReason::OuterChecksum, edited(&|p| p[22] = 7)),
        (DropReason::OuterFragment, with_ip_checksum(edited(&|p| p[20] = 0x20))),
        (DropReason::OuterUdp, edited(&|p| p[38..40].copy_from_slice(&[0xff, 0xff]))),
        (DropReason::NotTunnel, edited(&|p| p[36..38].copy_from_slice(&[0, 53]))),
        (DropReason::NotTunnel, edited(&|p| p[12..14].copy_from_slice(&[0x08, 0x06]))),
        (DropReason::NotTunnel, with_ip_checksum(edited(&|p| p[23] = 6))),
        (DropReason::TunnelHeader, edited(&|p| p[42] = 0)),
        (DropReason::InnerTooShort, from_there(100, &frame[..13])),
        (DropReason::NotOurEndpoint, underlay_packet([192, 0, 2, 2], [192, 0, 2, 9], &vxlan(100), &frame)),
        (DropReason::TableMiss, from_there(300, &frame)),
    ];
    for (reason, packet) in cases {
        let umem = umem();
        let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
        let free = switch.worker.free_frames();
        switch.put(0, &packet);
        assert_eq!(switch.drops(), [(reason, 1)], "{}", reason.sentence());
        assert_eq!((switch.out(0), switch.out(1), switch.out(2)), (vec![], vec![], vec![]));
        assert_eq!(switch.worker.free_frames(), free, "the frame went back to the pool");
    }
}

fn from_unknown_remote(frame: &[u8]) -> Vec<u8> {
    underlay_packet([192, 0, 2, 77], [192, 0, 2, 1], &vxlan(100), frame)
}

#[test]
fn no_truncation_of_a_tunnel_packet_does_harm() {
    let good = from_there(100, &guest_frame(b"some payload"));
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    let free = switch.worker.free_frames();
    for len in 0..good.len() {
        switch.put(0, &good[..len]);
    }
    let dropped: u64 = switch.drops().iter().map(|(_, count)| count).sum();
    assert_eq!(dropped, good.len() as u64, "every one of them is counted");
    assert_eq!(switch.worker.free_frames(), free);
}

#[test]
fn reserved_bits_of_the_vxlan_header_are_ignored_on_receipt() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    let frame = guest_frame(b"x");
    let header = [0xff, 0xff, 0xff, 0xff, 0, 0, 100, 0xff];
    switch.put(0, &underlay_packet([192, 0, 2, 2], [192, 0, 2, 1], &header, &frame));
    assert_eq!(switch.out(1), [frame]);
}

#[test]
fn ways_that_do_not_exist_are_counted() {
    let far = Remote::Fixed(ip("198.51.100.1"));
    let cases = [
        (Reach::NoRoute, Remote::Fixed(ip(THERE)), DropReason::NoRoute),
        (Reach::NoNeighbour, Remote::Fixed(ip(THERE)), DropReason::NoNeighbour),
        (reach(), far, DropReason::NoRoute),
        (reach(), Remote::Flow, DropReason::NoTunnelRemote),
    ];
    for (reach, remote, reason) in cases {
        let mut underlay = Underlay::default();
        underlay.insert(ip(THERE), reach);
        let spec = datapath::tunnel::TunnelSpec { remote, ..tunnel(THERE) };
        let umem = umem();
        let pipeline = pipeline_over(1, two_tenants(), 2, vec![spec], underlay, &[HERE]);
        let mut switch = Switch::new(&umem, pipeline, 2);
        switch.put(1, &guest_frame(b"x"));
        assert_eq!(switch.drops(), [(reason, 1)]);
    }
}

#[test]
fn refusals_of_rules_are_counted() {
    let cases = [
        (vec![], DropReason::TableMiss),
        (vec![rule(from_port(1), vec![])], DropReason::RuleDrop),
        (vec![rule(from_port(1), vec![output(1)])], DropReason::OutputToInput),
        (vec![rule(from_port(1), vec![output(77)])], DropReason::NoSuchPort),
        (
            vec![rule(from_port(1), vec![output(2); datapath::pipeline::ACTIONS_MAX + 1])],
            DropReason::TooManyActions,
        ),
    ];
    for (rules, reason) in cases {
        let umem = umem();
        let mut switch = Switch::new(&umem, pipeline(1, rules, 2), 2);
        switch.put(1, &guest_frame(b"x"));
        assert_eq!(switch.drops(), [(reason, 1)]);
        assert_eq!(switch.out(2), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn a_packet_too_long_for_the_way_is_counted() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    // Ethernet 14, IPv4 20, UDP 8 inside; IPv4 20, UDP 8, VXLAN 8 outside.
    let fits = usize::from(MTU) - 36 - 42;
    switch.put(1, &guest_frame(&vec![0; fits]));
    assert_eq!((switch.out(0).len(), switch.drops()), (1, vec![]));
    switch.put(1, &guest_frame(&vec![0; fits + 1]));
    assert_eq!((switch.out(0).len(), switch.drops()), (0, vec![(DropReason::ExceedsMtu, 1)]));
}

#[test]
fn a_batch_of_many_tenants_leaves_in_its_order_each_frame_with_its_own_key() {
    let sender = |tenant: u8| {
        from_port(1).exact(Field::EthSrc, u64::from_be_bytes([0, 0, 2, 0, 0, 0, 9, tenant]).into())
    };
    let into = |tenant: u8| vec![set(Field::TunId, 1000 + u128::from(tenant)), output(TUNNEL)];
    // Tenant 3 goes into no tunnel, and frames of tenant 5 are changed before they do.
    let rules = (0..8).map(|tenant| match tenant {
        3 => rule(sender(tenant), vec![output(2)]),
        5 => rule(sender(tenant), [vec![set(Field::EthDst, 0)], into(tenant)].concat()),
        _ => rule(sender(tenant), into(tenant)),
    });
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, rules.collect(), 2), 2);
    let frame = |tenant: u8, n: u8, len| {
        let mut frame = guest_frame(&vec![n; len]);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 9, tenant]);
        frame
    };
    // The last packet but one is longer than the way.
    let sent: Vec<_> =
        (0..64_u8).map(|n| (n % 8, n, if n == 62 { 1600 } else { 20 + usize::from(n) })).collect();
    for (tenant, n, len) in &sent {
        switch.wires[1].send(frame(*tenant, *n, *len)).expect("room in the queue");
    }
    switch.turn();
    let (mut by_uplink, mut by_guest) = (Vec::new(), Vec::new());
    for (tenant, n, len) in sent {
        let mut frame = frame(tenant, n, len);
        match (tenant, n) {
            (_, 62) => {}
            (3, _) => by_guest.push(frame),
            _ => {
                if tenant == 5 {
                    frame[..6].fill(0);
                }
                by_uplink.push((1000 + u32::from(tenant), frame));
            }
        }
    }
    let wrapped = switch.out(0).into_iter().map(|packet| {
        let outer = SlicedPacket::from_ethernet(&packet).expect("headers that etherparse accepts");
        let Some(etherparse::NetSlice::Ipv4(ip)) = &outer.net else { panic!("no IPv4") };
        assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
        assert_eq!(packet[42..46], [8, 0, 0, 0]);
        (u32::from_be_bytes(*packet[46..].first_chunk().unwrap()) >> 8, packet[50..].to_vec())
    });
    assert!(wrapped.eq(by_uplink), "each with its key, in the order that they came");
    assert_eq!(switch.out(2), by_guest);
    assert_eq!(switch.drops(), [(DropReason::ExceedsMtu, 1)]);
}

#[test]
fn a_way_that_becomes_narrower_is_taken_up_without_asking_the_rules_again() {
    let umem = umem();
    let underlay = |reach| {
        let mut underlay = Underlay::default();
        underlay.insert(ip(THERE), reach);
        underlay
    };
    let base = |reach| {
        let tunnels = TunnelTable::new(vec![tunnel(THERE)], Seed::new(7)).expect("one tunnel");
        let guests = [(OfPort(1), PortId(1)), (OfPort(2), PortId(2))];
        Base::new(guests, tunnels, [ip(HERE)].into(), underlay(reach))
    };
    let mut control = Pipeline::new(base(reach())).with_rules(two_tenants());
    let mut switch = Switch::new(&umem, (*control.snapshot()).clone(), 2);
    let misses = |switch: &Switch<'_>| switch.shared.read().worker.misses;
    switch.put(1, &guest_frame(&[0; 1000]));
    assert_eq!((switch.out(0).len(), misses(&switch)), (1, 1));

    let Reach::Via(path) = reach() else { unreachable!("it is reachable") };
    control.set_base(base(Reach::Via(Path { mtu: 1000, ..path })));
    switch.publisher.publish(control.snapshot());
    switch.put(1, &guest_frame(b"short"));
    switch.put(1, &guest_frame(&[0; 1000]));
    assert_eq!((switch.out(0).len(), misses(&switch)), (1, 1));
    assert_eq!(switch.drops(), [(DropReason::ExceedsMtu, 1)]);

    control.set_base(base(Reach::NoNeighbour));
    switch.publisher.publish(control.snapshot());
    switch.put(1, &guest_frame(b"short"));
    assert_eq!((switch.out(0).len(), misses(&switch)), (0, 2));
}

#[test]
fn several_outputs_each_get_the_frame_as_it_is_by_then() {
    let umem = umem();
    let actions = vec![output(2), set(Field::EthDst, 0x0200_0000_0099), output(TUNNEL), RuleAction::InPort];
    let mut switch = Switch::new(&umem, pipeline(1, vec![rule(from_port(1), actions)], 2), 2);
    let frame = guest_frame(b"x");
    let free = switch.worker.free_frames();
    switch.put(1, &frame);
    let mut changed = frame.clone();
    changed[..6].copy_from_slice(&[2, 0, 0, 0, 0, 0x99]);
    assert_eq!(switch.out(2), [frame]);
    assert_eq!(switch.out(0)[0][50..], changed);
    assert_eq!(switch.out(1), [changed]);
    assert_eq!(switch.worker.free_frames(), free);
}

#[test]
fn a_new_pipeline_rules_from_the_next_turn_on() {
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline(1, two_tenants(), 2), 2);
    let frame = guest_frame(b"x");
    switch.put(1, &frame);
    assert_eq!(switch.out(0).len(), 1);
    switch.publisher.publish(pipeline(2, vec![rule(from_port(1), vec![output(2)])], 2).into());
    switch.put(1, &frame);
    assert_eq!((switch.out(0).len(), switch.out(2)), (0, vec![frame]));
    assert_eq!(switch.shared.generation(), 2);
}

/// As a Linux stack with checksum offload sends it: the field holds the sum of the pseudo-header.
fn unfilled(mut frame: Vec<u8>) -> Vec<u8> {
    let pseudo: u32 =
        frame[26..34].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum::<u32>()
            + 17
            + (frame.len() - 34) as u32;
    let folded = (pseudo & 0xffff) + (pseudo >> 16);
    frame[40..42].copy_from_slice(&(folded as u16).to_be_bytes());
    frame
}

#[test]
fn a_checksum_left_to_the_device_is_filled_in() {
    let umem = umem();
    let mut rules = two_tenants();
    rules.push(Rule { priority: 2, ..rule(from_port(1).exact(Field::TpDst, 5000), vec![output(2)]) });
    let mut switch = Switch::new(&umem, pipeline(1, rules, 2), 2);
    let whole = guest_frame(b"odd");
    let mut padded = unfilled(whole.clone());
    padded.extend([0xee; 5]);
    switch.put(1, &padded);
    assert_eq!(switch.out(2), std::slice::from_ref(&whole), "etherparse's checksum");
    switch.put(0, &from_there(100, &unfilled(whole.clone())));
    assert_eq!(switch.out(1), [whole], "inside a tunnel too");
}

#[test]
fn edits_keep_checksums_right_filled_or_not() {
    let edits = vec![
        set(Field::NwSrc, 0x0a09_0807),
        set(Field::NwDst, 0xc0a8_0102),
        set(Field::NwTtl, 3),
        set(Field::NwTos, 0xb8),
        set(Field::TpSrc, 1),
        set(Field::TpDst, 65_535),
        output(2),
    ];
    let mut wanted = Vec::new();
    let mut header =
        etherparse::Ipv4Header::new(0, 3, etherparse::IpNumber::UDP, [10, 9, 8, 7], [192, 168, 1, 2])
            .unwrap();
    header.dscp = etherparse::IpDscp::try_new(46).unwrap();
    PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
        .udp(1, 65_535)
        .write(&mut wanted, b"payload")
        .unwrap();
    for frame in [guest_frame(b"payload"), unfilled(guest_frame(b"payload"))] {
        let umem = umem();
        let mut switch = Switch::new(&umem, pipeline(1, vec![rule(from_port(1), edits.clone())], 2), 2);
        switch.put(1, &frame);
        let out = switch.out(2);
        assert_eq!(out, std::slice::from_ref(&wanted));
    }
}

#[test]
fn tags_are_pushed_popped_and_set() {
    let frame = guest_frame(b"x");
    let tag = |tpid: u16, tci: u16| [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
    let tagged = |tags: &[u8]| [&frame[..12], tags, &frame[12..]].concat();
    let vid = |vid: u128| set(Field::VlanVid, 0x1000 | vid);
    let cases = [
        (frame.clone(), vec![RuleAction::PushVlan { tpid: 0x8100 }, vid(5)], tagged(&tag(0x8100, 5))),
        (tagged(&tag(0x8100, 0x6005)), vec![RuleAction::PopVlan], frame.clone()),
        (tagged(&tag(0x8100, 0x6005)), vec![vid(7)], tagged(&tag(0x8100, 0x6007))),
        (frame.clone(), vec![vid(9)], tagged(&tag(0x8100, 9))),
        (
            tagged(&tag(0x8100, 0x6005)),
            vec![RuleAction::PushVlan { tpid: 0x88a8 }],
            tagged(&[tag(0x88a8, 0x6005), tag(0x8100, 0x6005)].concat()),
        ),
        (
            tagged(&[tag(0x88a8, 1), tag(0x8100, 2)].concat()),
            vec![RuleAction::PopVlan, vid(3)],
            tagged(&tag(0x8100, 3)),
        ),
    ];
    for (input, mut actions, wanted) in cases {
        actions.push(output(2));
        let umem = umem();
        let mut switch = Switch::new(&umem, pipeline(1, vec![rule(from_port(1), actions)], 2), 2);
        switch.put(1, &input);
        assert_eq!(switch.out(2), [wanted]);
    }
}

#[test]
fn a_flood_reaches_two_hundred_ports() {
    const PORTS: u16 = 200;
    for action in [RuleAction::Flood, RuleAction::All, RuleAction::Normal] {
        let rules = vec![rule(Match::any(), vec![action.clone()])];
        let pipeline = pipeline_over(1, rules, PORTS, vec![], Underlay::default(), &[]);
        let umem = umem();
        let mut switch = Switch::new(&umem, pipeline, PORTS);
        let mut frame = guest_frame(b"to all");
        frame[..6].fill(0xff);
        switch.put(1, &frame);
        assert_eq!(switch.drops(), [], "{action:?}");
        for port in 2..=PORTS {
            assert_eq!(switch.out(port), [frame.clone()], "{action:?} to {port}");
        }
    }
}
