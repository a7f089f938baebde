//! Geneve options that rules look at, set, copy and take away: as Open vSwitch does it, byte for byte. The same rules, as text, and the same frames of guests and
//! of a Geneve tunnel are given to both.
//!
//! Of what leaves by the tunnel is compared what follows UDP: the outer source port is everybody's own.

#[path = "../../datapath/tests/common/mod.rs"]
mod common;
#[path = "../../datapath/tests/ovs/mod.rs"]
mod ovs;

use common::*;
use control::text::{Names, parse_flows};
use datapath::flow::OfPort;
use datapath::tunnel::{Key, Kind, Mapping, OptionMap, Remote, TunnelSpec, Underlay};
use datapath::wire::{ethernet, ethertype, ipv4, protocol};
use ovs::Ovs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

const SETS: usize = 60;
const FRAMES: usize = 20;
/// Class, type, length and number of the field; some are critical.
const OPTIONS: [(u16, u8, u8, u16); 4] =
    [(0x0102, 0x80, 4, 0), (0x0102, 1, 8, 1), (0xffff, 2, 20, 7), (0x0103, 0x83, 4, 63)];
/// What precedes a Geneve header.
const OUTER: usize = 14 + 20 + 8;

/// A number of as many bytes as the field has, each of which is one of few.
fn value(len: u8) -> impl Strategy<Value = String> {
    vec(0..3u8, usize::from(len))
        .prop_map(|bytes| bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}")))
}

/// A field with a value and perhaps a mask, in which each byte counts or not.
fn valued() -> impl Strategy<Value = (u16, String)> {
    select(OPTIONS.to_vec()).prop_flat_map(|(_, _, len, index)| {
        let mask = vec(select(vec![0xffu8, 0xff, 1, 0]), usize::from(len)).prop_map(|bytes| {
            bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
        });
        let mask = mask.prop_filter("something counts", |mask| mask[2..].chars().any(|digit| digit != '0'));
        (value(len), option::weighted(0.4, mask)).prop_map(move |(value, mask)| {
            let Some(mask) = mask else { return (index, value) };
            // No bit of the value beyond the mask.
            let pairs = |text: &str| {
                let digits: Vec<char> = text[2..].chars().collect();
                digits.iter().map(|digit| digit.to_digit(16).expect("a digit")).collect::<Vec<_>>()
            };
            let both = pairs(&value)
                .iter()
                .zip(pairs(&mask))
                .map(|(value, mask)| format!("{:x}", value & mask))
                .collect::<String>();
            (index, format!("0x{both}/{mask}"))
        })
    })
}

/// What a rule may ask of options; the field alone: that it is there.
fn asked() -> impl Strategy<Value = String> {
    let few = valued().prop_map(|(index, value)| format!(",tun_metadata{index}={value}"));
    let there = select(OPTIONS.to_vec()).prop_map(|(_, _, _, index)| format!(",tun_metadata{index}"));
    // Mostly a byte or two, so that there are frames that fit.
    let byte = (select(OPTIONS.to_vec()), 0..3u8)
        .prop_map(|((.., index), byte)| format!(",tun_metadata{index}={byte:#x}/0xff"));
    prop_oneof![2 => Just(String::new()), 1 => few, 2 => there, 4 => byte]
}

fn changed() -> impl Strategy<Value = String> {
    let set = valued().prop_map(|(index, value)| format!("set_field:{value}->tun_metadata{index}"));
    let gone = select(OPTIONS.to_vec()).prop_map(|(.., index)| format!("delete_field:tun_metadata{index}"));
    let copied = select(vec![
        "move:NXM_NX_TUN_METADATA0[0..15]->NXM_NX_REG0[0..15]",
        "move:NXM_NX_TUN_METADATA7[0..7]->NXM_NX_REG0[0..7]",
        "move:NXM_NX_REG0[0..7]->NXM_NX_TUN_METADATA1[8..15]",
        "move:NXM_NX_TUN_METADATA0[0..31]->NXM_NX_TUN_METADATA63[0..31]",
        "move:NXM_OF_IN_PORT[0..7]->NXM_NX_TUN_METADATA7[152..159]",
        "load:0x5->NXM_NX_TUN_METADATA1[60..63]",
        "set_field:0x7->tun_id",
        "set_field:1->reg0",
    ]);
    prop_oneof![4 => set, 1 => gone, 3 => copied.prop_map(str::to_string)]
}

fn out() -> impl Strategy<Value = String> {
    select(vec![1, 2, 3, 11, 11, 11]).prop_map(|port| format!("output:{port}"))
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let port = select(vec!["", "", "in_port=11", "in_port=1"]);
    let first = (port, asked(), vec(prop_oneof![3 => changed(), 1 => out()], 0..4), any::<bool>(), out())
        .prop_map(|(port, asked, actions, on, out)| {
            let end = if on { "resubmit(,1)".to_string() } else { out };
            let actions = actions.into_iter().chain([end]).collect::<Vec<_>>().join(",");
            format!("table=0,{port}{asked},actions={actions}")
        });
    let reg = select(vec!["", "", ",reg0=1", ",reg0=0x1/0x1"]);
    let second =
        (asked(), reg, vec(changed(), 0..2), vec(out(), 1..3)).prop_map(|(asked, reg, changes, out)| {
            let actions = changes.into_iter().chain(out).collect::<Vec<_>>().join(",");
            format!("table=1{asked}{reg},actions={actions}")
        });
    (vec(first, 2..7), vec(second, 1..5)).prop_map(|(first, second)| {
        let numbered = (1..).zip(first.into_iter().chain(second));
        numbered.map(|(priority, rule)| format!("priority={priority},{}", rule.replace(",,", ","))).collect()
    })
}

/// What follows a Geneve header: options, now and then one that nobody knows or that has another length.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let known = (select(OPTIONS.to_vec()), prop::bool::weighted(0.03)).prop_flat_map(
        |((class, kind, len, _), longer)| {
            let len = if longer { len + 4 } else { len };
            vec(0..3u8, usize::from(len))
                .prop_map(move |data| [&class.to_be_bytes()[..], &[kind, len / 4], &data].concat())
        },
    );
    let other = (prop::bool::weighted(0.2), 0..3u8).prop_map(|(critical, words)| {
        [&[0x77, 0x77, if critical { 0xf0 } else { 0x70 }, words][..], &vec![7; usize::from(words) * 4]]
            .concat()
    });
    vec(prop_oneof![9 => known.boxed(), 1 => other.boxed()], 0..4).prop_map(|all| all.concat())
}

fn frame(number: u32) -> Vec<u8> {
    let ethernet = [[2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 8]].concat();
    [&ethernet[..], &[0x12, 0x34], &[5; 44], &number.to_be_bytes()].concat()
}

/// RFC 8926 section 3, to us.
fn wrapped(vni: u32, options: &[u8], frame: &[u8]) -> Vec<u8> {
    let critical = options.contains(&0xf0) || options.contains(&0x80) || options.contains(&0x83);
    let geneve = [options.len() as u8 / 4, if critical { 0x40 } else { 0 }, 0x65, 0x58];
    let payload = [&geneve[..], &(vni << 8).to_be_bytes(), options, frame].concat();
    let udp = [50_000, 6081, 8 + payload.len() as u16, 0].map(u16::to_be_bytes).concat();
    let ip = ipv4::Repr {
        dscp: 0,
        ecn: 0,
        total_len: (20 + udp.len() + payload.len()) as u16,
        identification: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        ttl: 64,
        protocol: protocol::UDP,
        source: [192, 0, 2, 2].into(),
        destination: [192, 0, 2, 1].into(),
    };
    let link = ethernet::Repr { destination: UPLINK_MAC, source: NEXT_HOP_MAC, ethertype: ethertype::IPV4 };
    [&link.to_bytes()[..], &ip.to_bytes(), &udp, &payload].concat()
}

/// What came out, by port, 0 being the underlay, and by the number at the end of the frame.
type Out = BTreeMap<(u16, u32), Vec<Vec<u8>>>;

fn sorted(frames: impl Iterator<Item = (u16, Vec<u8>)>) -> Out {
    let mut out = Out::new();
    for (port, frame) in frames {
        let number = frame.last_chunk().map_or(0, |number| u32::from_be_bytes(*number));
        let frame = if port == 0 { frame.get(OUTER..).unwrap_or_default().to_vec() } else { frame };
        out.entry((port, number)).or_default().push(frame);
    }
    out
}

fn map() -> OptionMap {
    let mut map = OptionMap::default();
    for (class, kind, len, index) in OPTIONS {
        map.add(Mapping { class, kind, len, index }).expect("room for all");
    }
    map
}

fn ours(rules: &[String], frames: &[(u16, Vec<u8>)]) -> Out {
    let mut underlay = Underlay::default();
    underlay.insert(ip(THERE), reach());
    let geneve = TunnelSpec::new(OfPort(GENEVE), Kind::Geneve, Remote::Fixed(ip(THERE)), Key::Flow);
    let mut pipeline = pipeline_over(1, vec![], 3, vec![geneve], underlay, &[HERE]);
    pipeline.set_options(map());
    let names = Names { options: map(), ..Names::default() };
    let parsed =
        parse_flows("flows", &rules.join("\n"), &names).unwrap_or_else(|faults| panic!("{faults:?}"));
    parsed.into_iter().for_each(|(table, rule)| drop(pipeline.insert(table, rule)));
    let umem = umem();
    let mut switch = Switch::new(&umem, pipeline, 3);
    let mut out = Vec::new();
    for (port, frame) in frames {
        switch.put(*port, frame);
        (0..=3).for_each(|port| out.extend(switch.out(port).into_iter().map(|frame| (port, frame))));
    }
    sorted(out.into_iter())
}

#[test]
fn options_are_handled_as_open_vswitch_does() {
    let Some(mut ovs) = Ovs::start(3) else { return };
    ovs.geneve(&map().iter().map(|mapping| mapping.to_string()).collect::<Vec<_>>().join(","));
    // What it remembers of one packet with unknown options holds for others (docs/rfc.md).
    ovs.cache_nothing();
    let mut runner = TestRunner::deterministic();
    let (mut number, mut sent, mut with_options, mut under) = (0u32, 0, 0, 0);
    for _ in 0..SETS {
        let strategy = (rules(), vec(((0..4u32), options(), 0..=3u16), FRAMES));
        let (rules, made) = strategy.new_tree(&mut runner).expect("rules").current();
        ovs.program(&rules, &[]);
        let frames: Vec<(u16, Vec<u8>)> = made
            .into_iter()
            .map(|(vni, options, port)| {
                number += 1;
                let frame = frame(number);
                if port == 0 { (0, wrapped(vni, &options, &frame)) } else { (port, frame) }
            })
            .collect();
        let (packets, guests): (Vec<_>, Vec<_>) = frames.iter().cloned().partition(|(port, _)| *port == 0);
        let packets: Vec<_> = packets.into_iter().map(|(_, packet)| packet).collect();
        let mut theirs = ovs.send_under(&packets);
        theirs.extend(ovs.send(&guests));
        let left = ovs.left_under();
        theirs.extend(left[under..].iter().map(|packet| (0, packet.clone())));
        under = left.len();
        let (our, their) = (ours(&rules, &frames), sorted(theirs.into_iter()));
        for at in our.keys().chain(their.keys()) {
            let frame = frames.iter().find(|(_, frame)| frame.ends_with(&at.1.to_be_bytes()));
            assert_eq!(
                our.get(at),
                their.get(at),
                "ours and theirs out of port {} differ\n{}\nframe {frame:02x?}",
                at.0,
                rules.join("\n"),
            );
            let out = our.get(at).map_or(&[][..], Vec::as_slice);
            sent += out.len();
            with_options += out
                .iter()
                .filter(|packet| at.0 == 0 && packet.first().is_some_and(|first| first & 0x3f != 0))
                .count();
        }
    }
    eprintln!("{sent} frames sent by both, {with_options} of them with options");
    assert!(sent > 500 && with_options > 100, "{sent} {with_options}");
}
