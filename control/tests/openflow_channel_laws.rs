//! What holds of a channel whatever is said on it: no message makes it panic, what it keeps is bounded, there is one master at the most,
//! and nothing of a bundle is done before its commit.

mod channel_switch;

use bytes::Bytes;
use channel_switch::Lab;
use control::ofproto::FlowMod;
use control::openflow::{
    BundleAdd, BundleControl, Envelope, Message, Question, Role, RoleKind, Version, encode,
};
use datapath::pipeline::TableId;
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
