//! What rules do to frames that are out of the ordinary: nonsense behind the Ethernet header, tags upon tags, frames as
//! long as a buffer. Each case is here because the switch once got it wrong.

mod common;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Match, Rule, RuleAction};
use datapath::stats::DropReason;
use etherparse::PacketBuilder;

fn set(field: Field, value: u128) -> RuleAction {
    RuleAction::SetField { field, value, mask: field.max() }
}

fn output(port: u32) -> RuleAction {
    RuleAction::Output(OfPort(port))
}

/// What comes out of port 2 when this frame goes into port 1 and these actions are done.
fn through(frame: &[u8], actions: &[RuleAction]) -> (Vec<Vec<u8>>, Vec<(DropReason, u64)>) {
    let umem = umem();
    let rule = Rule::acting(1, Match::any(), actions.to_vec());
    let mut switch = Switch::new(&umem, pipeline(1, vec![rule], 2), 2);
    let free = switch.worker.free_frames();
    switch.put(1, frame);
    assert_eq!(switch.worker.free_frames(), free);
    (switch.out(2), switch.drops())
}

fn udp_frame(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(4000, 5000);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tags = tags.iter().flat_map(|(tpid, tci)| [tpid.to_be_bytes(), tci.to_be_bytes()].concat());
    [&frame[..12], &tags.collect::<Vec<u8>>(), &frame[12..]].concat()
}

#[test]
fn addresses_and_tags_are_set_whatever_is_behind_them() {
    for (ether_type, body) in [(0x0800u16, [0x45; 10]), (0x86dd, [0x60; 10]), (0x0806, [0; 10])] {
        let frame = [&[2; 12][..], &ether_type.to_be_bytes(), &body].concat();
        let mut wanted = frame.clone();
        wanted[..12].copy_from_slice(&[4, 4, 4, 4, 4, 4, 6, 6, 6, 6, 6, 6]);
        let actions = [set(Field::EthDst, 0x0404_0404_0404), set(Field::EthSrc, 0x0606_0606_0606), output(2)];
        assert_eq!(through(&frame, &actions), (vec![wanted.clone()], vec![]), "{ether_type:#x}");
        let actions = [&[set(Field::VlanVid, 0x1007)][..], &actions].concat();
        let wanted = tagged(&wanted, &[(0x8100, 7)]);
        assert_eq!(through(&tagged(&frame, &[(0x8100, 3)]), &actions), (vec![wanted], vec![]));
    }
}

/// Only the bits that are set are written, and the checksums follow: compared with the frame made anew.
#[test]
fn the_bits_beside_those_that_are_set_stay() {
    let part = |field, value, mask| RuleAction::SetField { field, value, mask };
    let (from, to) = ([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]);
    let four = |source: [u8; 4], dscp: u8, ttl, ports: (u16, u16)| {
        let mut ip =
            etherparse::Ipv4Header::new(13, ttl, etherparse::ip_number::UDP, source, [10, 0, 0, 2]).unwrap();
        ip.dscp = dscp.try_into().unwrap();
        ip.ecn = 1.try_into().unwrap();
        let mut frame = Vec::new();
        let builder =
            PacketBuilder::ethernet2(from, to).ip(etherparse::IpHeaders::Ipv4(ip, Default::default()));
        builder.udp(ports.0, ports.1).write(&mut frame, b"hello").unwrap();
        frame
    };
    let actions = [
        part(Field::NwSrc, 0x0002_0000, 0x00ff_0000),
        part(Field::IpDscp, 0b10_0000, 0b11_0000),
        part(Field::NwTtl, 0x80, 0xf0),
        part(Field::TpSrc, 0x0003, 0x00ff),
        part(Field::TpDst, 0x7000, 0xff00),
        output(2),
    ];
    let frame = four([10, 1, 1, 1], 0b01_1010, 0x47, (0x1234, 0x5678));
    let wanted = four([10, 2, 1, 1], 0b10_1010, 0x87, (0x1203, 0x7078));
    assert_eq!(through(&frame, &actions), (vec![wanted], vec![]));

    let six = |source: [u8; 16], class, label: u32, ports: (u16, u16)| {
        let mut frame = Vec::new();
        let ip = etherparse::Ipv6Header {
            traffic_class: class,
            flow_label: label.try_into().unwrap(),
            payload_length: 25,
            next_header: etherparse::ip_number::TCP,
            hop_limit: 9,
            source,
            destination: [0xfd; 16],
        };
        let builder =
            PacketBuilder::ethernet2(from, to).ip(etherparse::IpHeaders::Ipv6(ip, Default::default()));
        builder.tcp(ports.0, ports.1, 1, 2).write(&mut frame, b"hello").unwrap();
        frame
    };
    let address = |a, b| [0xfd, a, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, b, 16];
    let actions = [
        part(Field::Ipv6Src, 0x00aa << 112 | 0xbb00, 0x00ff << 112 | 0xff00),
        part(Field::NwTos, 0x0a, 0x0f),
        part(Field::Ipv6Label, 0xf_0000, 0xf_0000),
        part(Field::TpDst, 0x0001, 0x0001),
        output(2),
    ];
    let frame = six(address(2, 15), 0x75, 0x1_2345, (1000, 2000));
    let wanted = six(address(0xaa, 0xbb), 0x7a, 0xf_2345, (1000, 2001));
    assert_eq!(through(&frame, &actions), (vec![wanted], vec![]));

    let tagged_frame = tagged(&udp_frame(b"x"), &[(0x8100, 0x6005)]);
    let wanted = tagged(&udp_frame(b"x"), &[(0x8100, 0x6007)]);
    let actions = [part(Field::VlanVid, 0x1002, 0x1002), output(2)];
    assert_eq!(through(&tagged_frame, &actions), (vec![wanted], vec![]));
}

#[test]
fn fields_behind_three_tags_are_set() {
    let frame = udp_frame(b"deep");
    let push = RuleAction::PushVlan { tpid: 0x88a8 };
    let actions = [push, set(Field::VlanVid, 0x1003), set(Field::NwTtl, 9), output(2)];
    let mut changed = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9)
        .udp(4000, 5000)
        .write(&mut changed, b"deep")
        .unwrap();
    let input = tagged(&frame, &[(0x88a8, 1), (0x8100, 2)]);
    let wanted = tagged(&changed, &[(0x88a8, 3), (0x88a8, 1), (0x8100, 2)]);
    assert_eq!(through(&input, &actions), (vec![wanted], vec![]));
}

#[test]
fn a_tag_cleared_brings_the_second_one_to_the_front() {
    let frame = udp_frame(b"x");
    let input = tagged(&frame, &[(0x88a8, 1), (0x8100, 2)]);
    let actions = [set(Field::VlanTci, 0), output(2), set(Field::VlanVid, 0x1009), output(2)];
    let wanted = vec![tagged(&frame, &[(0x8100, 2)]), tagged(&frame, &[(0x8100, 9)])];
    assert_eq!(through(&input, &actions), (wanted, vec![]));
}

#[test]
fn a_tag_that_is_not_there_is_not_copied() {
    let frame = udp_frame(b"x");
    let actions = [set(Field::VlanTci, 5), RuleAction::PushVlan { tpid: 0x8100 }, output(2)];
    assert_eq!(through(&frame, &actions).0, [tagged(&frame, &[(0x8100, 0)])]);
}

/// It was taken for an option that is not there, and not written.
#[test]
fn an_options_type_of_zero_is_written_too() {
    let solicitation = |kind: u8| {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]);
        let builder = builder.ipv6([0xfd; 16], [0xfe; 16], 255).icmpv6_raw(135, 0, [0; 4]);
        let message = [&[0xfd; 16][..], &[kind, 1, 2, 0, 0, 0, 0, 9]].concat();
        let mut frame = Vec::new();
        builder.write(&mut frame, &message).unwrap();
        frame
    };
    for kind in [0, 2, 14] {
        let actions = [set(Field::NdOptionsType, kind.into()), output(2)];
        assert_eq!(through(&solicitation(1), &actions), (vec![solicitation(kind)], vec![]), "{kind}");
    }
}

#[test]
fn the_longest_frame_is_copied_with_a_tag_added() {
    let room = umem().frame_room();
    let frame = udp_frame(&vec![7; room - 42]);
    let actions = [RuleAction::PushVlan { tpid: 0x8100 }, output(2), output(2)];
    let wanted = tagged(&frame, &[(0x8100, 0)]);
    assert_eq!(through(&frame, &actions), (vec![wanted.clone(), wanted], vec![]));
}

/// A datagram whose length is below that of its packet, with a checksum that is right and happens to be the sum of the
/// pseudo-header of the longer one: it is not to be filled in.
#[test]
fn a_datagram_shorter_than_its_packet_keeps_its_checksum() {
    let mut frame = udp_frame(&[0; 8]);
    let (udp, whole) = (34, 16u16);
    frame[udp + 4..udp + 6].copy_from_slice(&12u16.to_be_bytes());
    let addresses = frame[26..34].to_vec();
    let pseudo = |len: u16| {
        let words = addresses.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
        fold(words.sum::<u32>() + 17 + u32::from(len))
    };
    let sum = |bytes: &[u8]| {
        fold(bytes.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum::<u32>())
    };
    let checksum = pseudo(whole);
    frame[udp + 6..udp + 8].copy_from_slice(&checksum.to_be_bytes());
    // The payload makes the checksum right for the shorter datagram.
    let without = fold(u32::from(pseudo(12)) + u32::from(sum(&frame[udp..udp + 12])));
    frame[udp + 8..udp + 10].copy_from_slice(&(!without).to_be_bytes());
    assert_eq!(fold(u32::from(pseudo(12)) + u32::from(sum(&frame[udp..udp + 12]))), 0xffff, "valid");
    assert_eq!(through(&frame, &[output(2)]), (vec![frame], vec![]));
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The controller may go back to rules that it had before, or publish the same again: no flow of theirs may be
/// remembered across what was in between.
#[test]
fn an_older_pipeline_may_come_back() {
    let umem = umem();
    let rules = |port| vec![Rule::acting(1, Match::any(), vec![output(port)])];
    let pipelines = [(1, 2), (2, 3), (1, 2), (1, 3), (1, 3), (2, 2)];
    let mut switch = Switch::new(&umem, pipeline(1, rules(2), 3), 3);
    let frame = udp_frame(b"x");
    switch.put(1, &frame);
    assert_eq!(switch.out(2).len(), 1);
    for (generation, port) in pipelines {
        switch.publisher.publish(pipeline(generation, rules(port.into()), 3).into());
        switch.put(1, &frame);
        assert_eq!((switch.out(port).len(), switch.out(5 - port).len()), (1, 0), "{generation} {port}");
    }
}
