//! Which bits of a frame decide its bucket where a group says how it chooses: in Open vSwitch and here the same. The bucket itself is each one's own
//! affair: what decides alike goes one way, and of many conversations some go each way.

mod common;
mod ovs;
mod pipelines;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Bucket, Group, GroupId, GroupKind, HashedField, Header, Match, Rule, RuleAction, Selection, TableId,
};
use etherparse::PacketBuilder;
use ovs::{Ovs, text};
use std::collections::{BTreeMap, BTreeSet};

/// What a frame is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Talk {
    udp: bool,
    mac: u8,
    source: [u8; 4],
    destination: [u8; 4],
    ports: (u16, u16),
}

impl Talk {
    fn frame(self, number: u32) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, self.mac], [2, 0, 0, 0, 1, 1]);
        let builder = builder.ipv4(self.source, self.destination, 64);
        let mut frame = Vec::new();
        let payload = [&[0; 20][..], &number.to_be_bytes()].concat();
        let (source, destination) = self.ports;
        let written = match self.udp {
            true => builder.udp(source, destination).write(&mut frame, &payload),
            false => builder.tcp(source, destination, 1, 100).write(&mut frame, &payload),
        };
        written.expect("a frame");
        frame
    }

    fn back(self) -> Talk {
        let (a, b) = self.ports;
        Talk { source: self.destination, destination: self.source, ports: (b, a), ..self }
    }
}

/// Talks that differ in one or the other.
fn talks() -> Vec<Talk> {
    let of = |at: u16| {
        let last = (at % 23) as u8;
        Talk {
            udp: at.is_multiple_of(3),
            mac: (at % 7) as u8,
            source: [10, 0, (at % 2) as u8, last],
            destination: [10, 1, 0, (at % 5) as u8],
            ports: (1000 + at % 11, 80 + at % 13),
        }
    };
    (0..200).map(of).flat_map(|talk| [talk, talk.back()]).collect()
}

/// What decides.
type Decides = fn(&Talk) -> String;

/// A way to choose, in both languages, and what decides then.
fn ways() -> Vec<(Selection, &'static str, Decides)> {
    let field = |field: Field, mask: u128, of| HashedField { field, mask: mask & field.max(), of };
    let hash = |param, fields: &[HashedField]| Selection::Hash(param, fields.into());
    let source = field(Field::NwSrc, u128::MAX, Header::Ip4);
    let last = field(Field::NwSrc, 0xff, Header::Ip4);
    let mac = field(Field::EthSrc, 0x3, Header::Any);
    let port = field(Field::TpDst, u128::MAX, Header::Tcp);
    let asked = field(Field::NwSrc, u128::MAX, Header::Arp);
    vec![
        (hash(0, &[source]), "selection_method=hash,fields=ip_src", |talk| format!("{:?}", talk.source)),
        (
            hash(9, &[last]),
            "selection_method=hash,selection_method_param=9,fields=ip_src=0.0.0.255",
            |talk| format!("{}", talk.source[3]),
        ),
        (
            hash(0, &[mac, port, asked]),
            "selection_method=hash,fields(eth_src=00:00:00:00:00:03,tcp_dst,arp_spa)",
            |talk| format!("{} {:?}", talk.mac & 3, (!talk.udp).then_some(talk.ports.1)),
        ),
        (Selection::Datapath(7), "selection_method=dp_hash,selection_method_param=7", |talk| {
            format!("{} {:?} {:?} {:?}", talk.udp, talk.source, talk.destination, talk.ports)
        }),
        (
            Selection::Datapath(1 << 32),
            "selection_method=dp_hash,selection_method_param=4294967296",
            |talk| {
                let (one, other) = ((talk.source, talk.ports.0), (talk.destination, talk.ports.1));
                format!("{} {:?} {:?}", talk.udp, one.min(other), one.max(other))
            },
        ),
    ]
}

fn group(selection: Selection) -> Group {
    let bucket = |(id, actions)| Bucket { id, weight: 1, watch_port: None, watch_group: None, actions };
    let to = |port| RuleAction::Output(OfPort(port));
    let marked =
        RuleAction::SetField { field: Field::EthDst, value: 0x0200_0000_0909, mask: Field::EthDst.max() };
    let ways = [vec![to(2)], vec![to(3)], vec![marked, to(2)]];
    Group { selection, ..Group::new(GroupKind::Select, (0..).zip(ways).map(bucket).collect()) }
}

/// Which bucket a frame with this number went to.
fn went(out: impl Iterator<Item = (u16, Vec<u8>)>) -> BTreeMap<u32, usize> {
    let bucket = |(port, frame): (u16, Vec<u8>)| {
        let number = frame.last_chunk().map_or(0, |number| u32::from_be_bytes(*number));
        (number, if port == 3 { 1 } else { usize::from(frame[4] == 9) * 2 })
    };
    out.map(bucket).collect()
}

fn check(who: &str, way: &str, talks: &[Talk], went: &BTreeMap<u32, usize>, decides: Decides) {
    let mut by: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (number, talk) in (0..).zip(talks) {
        // A switch under load may lose one.
        if let Some(bucket) = went.get(&number) {
            by.entry(decides(talk)).or_default().insert(*bucket);
        }
    }
    assert!(went.len() > talks.len() / 2, "{who}: {} of {}", went.len(), talks.len());
    let torn: Vec<_> = by.iter().filter(|(_, buckets)| buckets.len() > 1).collect();
    assert!(torn.is_empty(), "{who}, {way}: torn apart: {torn:?}");
    let used: BTreeSet<usize> = by.values().flatten().copied().collect();
    assert_eq!(used.len(), 3, "{who}, {way}: {} that decide, and some bucket has none", by.len());
}

#[test]
fn what_decides_is_what_the_group_says() {
    let talks = talks();
    let frames: Vec<(u16, Vec<u8>)> =
        (0..).zip(&talks).map(|(number, talk)| (1, talk.frame(number))).collect();
    let rule = Rule::acting(1, Match::any(), vec![RuleAction::Group(GroupId(1))]);
    for (selection, way, decides) in ways() {
        let umem = umem();
        let mut pipeline = pipeline(1, vec![], 3);
        pipeline.set_group(GroupId(1), group(selection));
        drop(pipeline.insert(TableId(0), rule.clone()));
        let mut switch = Switch::new(&umem, pipeline, 3);
        let mut out = Vec::new();
        for (port, frame) in &frames {
            switch.put(*port, frame);
            (2..=3).for_each(|port| out.extend(switch.out(port).into_iter().map(|frame| (port, frame))));
        }
        check("adit", way, &talks, &went(out.into_iter()), decides);
    }
    let Some(mut ovs) = Ovs::start(3) else { return };
    for (selection, way, decides) in ways() {
        let said = text::group(1, &group(selection)).replace("type=select", &format!("type=select,{way}"));
        ovs.program(&[text::rule(TableId(0), &rule)], &[said]);
        let out: Vec<_> = frames.chunks(25).flat_map(|some| ovs.send(some)).collect();
        check("Open vSwitch", way, &talks, &went(out.into_iter()), decides);
    }
}
