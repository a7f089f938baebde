//! What holds of a channel whatever is said on it: no message makes it panic, what it keeps is bounded, there is one master at the most,
//! and nothing of a bundle is done before its commit.

mod channel_switch;

use bytes::Bytes;
use channel_switch::Lab;
use control::ofproto::{Command, Filter, FlowMod};
use control::openflow::channel::Heard;
use control::openflow::{
    BundleAdd, BundleControl, Envelope, Message, Question, Role, RoleKind, Version, decode_knowing, encode,
};
use datapath::pipeline::TableId;
use datapath::tunnel::Mapping;
use proptest::collection::vec;
use proptest::prelude::*;

/// Something that a controller would say.
fn message() -> impl Strategy<Value = Message> {
    let role = (0..4u8, any::<u64>()).prop_map(|(role, generation)| {
        let role =
            [RoleKind::NoChange, RoleKind::Equal, RoleKind::Master, RoleKind::Slave][usize::from(role)];
        Message::RoleRequest(Role { role, generation: Some(generation), reason: 0 })
    });
    let flow = || {
        any::<u64>().prop_map(|cookie| {
            Message::FlowMod(FlowMod { cookie, table: Some(TableId(0)), ..FlowMod::default() }, None)
        })
    };
    let bundle = (0..3u32, 0..9u16, 0..4u16)
        .prop_map(|(bundle, kind, flags)| Message::BundleControl(BundleControl { bundle, kind, flags }));
    let add = (0..3u32, flow()).prop_map(|(bundle, flow)| {
        let inner = Box::new(Envelope::new(5, flow));
        let raw = encode(Version::V14, &inner).unwrap_or_default();
        Message::BundleAdd(BundleAdd { bundle, flags: 3, inner, raw })
    });
    prop_oneof![
        2 => flow(),
        2 => role,
        3 => bundle,
        3 => add,
        1 => vec(any::<u8>(), 0..20).prop_map(|bytes| Message::EchoRequest(Bytes::from(bytes))),
        1 => Just(Message::BarrierRequest),
        1 => Just(Message::FeaturesRequest),
        1 => Just(Message::MultipartRequest(Question::TableFeatures(Vec::new()), true)),
        1 => Just(Message::MultipartRequest(Question::Desc, false)),
        1 => any::<u16>().prop_map(Message::SetControllerId),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_messages_breaks_the_channel(
        said in vec((0..5usize, message(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)), 1..60)
    ) {
        let mut lab = Lab::new();
        for (who, message, mutations) in said {
            let (_, version) = lab.connections[who];
            let Some(raw) = encode(version, &Envelope::new(5, message)) else { continue };
            let mut raw = raw.to_vec();
            for (at, byte) in mutations {
                let at = at.index(raw.len());
                raw[at] = byte;
            }
            lab.hear(who, raw);
        }
    }

    #[test]
    fn no_bytes_break_the_channel(said in vec((0..5usize, vec(any::<u8>(), 0..80)), 1..30)) {
        let mut lab = Lab::new();
        for (who, raw) in said {
            lab.hear(who, raw);
        }
    }
}

#[test]
fn nothing_of_a_bundle_is_done_before_its_commit() {
    let mut lab = Lab::new();
    let say = |lab: &mut Lab, message| {
        let raw = encode(Version::V14, &Envelope::new(5, message)).expect("words for it");
        lab.hear(2, raw.to_vec())
    };
    let step = |kind| Message::BundleControl(BundleControl { bundle: 1, kind, flags: 3 });
    let flow = |table| {
        let flow = Message::FlowMod(FlowMod { table: Some(TableId(table)), ..FlowMod::default() }, None);
        let inner = Box::new(Envelope::new(5, flow));
        let raw = encode(Version::V14, &inner).expect("words for it");
        Message::BundleAdd(BundleAdd { bundle: 1, flags: 3, inner, raw })
    };
    say(&mut lab, step(0));
    for table in 0..10 {
        say(&mut lab, flow(table));
    }
    assert_eq!(lab.switch.0.len(), 0);
    // Somebody hangs up in the midst of it: nothing is half done.
    let (id, version) = lab.connections[2];
    lab.channel.leave(id);
    assert_eq!((lab.switch.0.len(), lab.channel.bundled_bytes()), (0, 0));
    lab.connections[2] = (lab.channel.join(control::openflow::channel::Kind::Controller, version), version);
    say(&mut lab, step(0));
    for table in 0..10 {
        say(&mut lab, flow(table));
    }
    say(&mut lab, step(4));
    assert_eq!(lab.switch.0.len(), 10);
}

/// What a field is called can change between the reading of a bundle and its commit: what was said is the number, so that is what counts.
#[test]
fn a_bundle_means_options_by_their_numbers_when_it_is_committed() {
    use control::ofproto::OptionMod;
    let mut lab = Lab::new();
    let (id, version) = lab.connections[2];
    let option = |kind, index| Mapping { class: 0x102, kind, len: 4, index };
    let map = |lab: &mut Lab, maps: &[Mapping]| {
        lab.switch.0.option_mod(OptionMod::Clear).expect("nothing uses them");
        lab.switch.0.option_mod(OptionMod::Add(maps.to_vec())).expect("room");
    };
    let say = |lab: &mut Lab, raw: Vec<u8>| {
        let raw = Bytes::from(raw);
        let said = decode_knowing(version, lab.switch.0.options(), &raw);
        let Lab { channel, switch, .. } = lab;
        channel.hear(id, Heard { raw, said }, switch)
    };
    let step = |kind| {
        let control = Message::BundleControl(BundleControl { bundle: 1, kind, flags: 3 });
        encode(version, &Envelope::new(5, control)).expect("words for it").to_vec()
    };
    // tun_metadata1 is 7: in front of it, in a flow-mod's match of OpenFlow 1.4, class 1, number 41, four bytes.
    let plain = Message::FlowMod(FlowMod { table: Some(TableId(0)), ..FlowMod::default() }, None);
    let mut flow = encode(version, &Envelope::new(5, plain)).expect("words for it").to_vec();
    assert_eq!(flow[48..], [0, 1, 0, 4, 0, 0, 0, 0], "a match of everything, and no instructions");
    flow.truncate(48);
    flow.extend([0, 1, 0, 12, 0, 1, 41 << 1, 4, 0, 0, 0, 7, 0, 0, 0, 0]);
    flow[2..4].copy_from_slice(&64u16.to_be_bytes());
    let mut add = encode(version, &Envelope::new(5, Message::BarrierRequest)).expect("words for it").to_vec();
    (add[1], add[3]) = (34, 16 + 64);
    add.extend([0, 0, 0, 1, 0, 0, 0, 3]);
    add.extend(&flow);

    for (after, works) in [(vec![option(9, 1), option(1, 0)], true), (vec![option(1, 0)], false)] {
        map(&mut lab, &[option(1, 0), option(2, 1)]);
        assert!(say(&mut lab, step(0)).len() == 1 && say(&mut lab, add.clone()).is_empty());
        map(&mut lab, &after);
        let said = format!("{:?}", say(&mut lab, step(4)));
        assert_eq!(said.contains("NxInvalidTlvField"), !works, "{said}");
        let there: Vec<_> = lab.switch.0.entries(Filter::default()).map(|(_, entry)| entry.clone()).collect();
        assert_eq!(there.len(), usize::from(works));
        let asked = |index: u16, lab: &Lab| {
            let piece = lab.switch.0.options().pieces(index).next().expect("one");
            let (key, mask) =
                (there[0].installed.rule.matching.key(), there[0].installed.rule.matching.mask());
            (key.get(piece), mask.get(piece))
        };
        if works {
            assert_eq!(asked(1, &lab).0, 7);
            assert_eq!(asked(0, &lab), (0, 0));
            say(&mut lab, {
                let all = Message::FlowMod(FlowMod { command: Command::Delete, ..FlowMod::default() }, None);
                encode(version, &Envelope::new(5, all)).expect("words for it").to_vec()
            });
        }
    }
}
