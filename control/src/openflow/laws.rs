//! Laws of the codec below the messages: whatever bytes come, nothing panics; what is written is read back the same.

use super::fields::{FIELDS, Form, WireField};
use super::wire::{Reader, Writer};
use super::{Code, Version, actions, instructions, matching};
use crate::ofproto::context::{Context, TAG_PRESENT};
use datapath::action::learn::{Learn, Source, Spec};
use datapath::action::punt::Reason;
use datapath::flow::spread::HashFields;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Bundle, Clause, GroupId, Instructions, LinkChoice, Match, MeterId, Multipath, Part, PortChoice, QueueId,
    RuleAction, TableId,
};
use datapath::tunnel::{Mapping, OptionMap};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::sync::Arc;

/// What frames can be: Ethernet type, IP protocol, ICMP type.
const KINDS: &[(Option<u16>, Option<u8>, Option<u16>)] = &[
    (None, None, None),
    (Some(0x88cc), None, None),
    (Some(0x0800), None, None),
    (Some(0x0800), Some(1), None),
    (Some(0x0800), Some(6), None),
    (Some(0x0800), Some(17), None),
    (Some(0x0800), Some(132), None),
    (Some(0x86dd), Some(6), None),
    (Some(0x86dd), Some(58), Some(135)),
    (Some(0x86dd), Some(58), Some(136)),
    (Some(0x0806), None, None),
    (Some(0x8847), None, None),
    (Some(0x88e7), None, None),
];

/// A value and a mask of a field, as rules have them.
fn bits_of(row: &WireField, value: u128, mask: u128, maskable: bool) -> (u128, u128) {
    let mask = match mask & row.kept() {
        mask if maskable && mask != 0 && row.maskable => mask,
        _ if row.maskable => row.kept(),
        _ => row.field.max(),
    };
    let value = match row.form {
        Form::ShortPort | Form::Port => value % 0xff00,
        _ => value & row.kept(),
    };
    (value & mask, mask)
}

/// Fields that stand for themselves: tags are put together otherwise, and each port, register and type of service has one name only.
fn plain(row: &&WireField) -> bool {
    row.form == Form::Plain || row.form == Form::Port
}

fn a_match() -> impl Strategy<Value = Match> {
    let bits = (any::<Index>(), any::<u128>(), any::<u128>(), any::<bool>());
    let tag = prop_oneof![
        Just((0, 0)),
        Just((0, 0x1fff)),
        any::<u16>().prop_map(|id| (u128::from(id & 0xfff) | TAG_PRESENT, 0x1fff)),
        any::<(u16, u16)>().prop_map(|(tci, mask)| (u128::from(tci & mask), mask.into())),
    ];
    (select(KINDS), proptest::collection::vec(bits, 0..6), tag).prop_map(
        |((ethernet, ip, icmp), fields, tag)| {
            let mut out = Match::any();
            ethernet.into_iter().for_each(|kind| out.require(Field::EthType, kind.into(), u128::MAX));
            ip.into_iter().for_each(|kind| out.require(Field::NwProto, kind.into(), u128::MAX));
            icmp.into_iter().for_each(|kind| out.require(Field::TpSrc, kind.into(), u128::MAX));
            let (tci, mask) = if tag == (0, 0xffff) { (0, 0x1fff) } else { tag };
            out.require(Field::VlanTci, tci, mask);
            let context = Context::of(&out);
            let fits =
                |row: &&WireField| plain(row) && context.meets(row.needs) && row.field != Field::EthType;
            let rows: Vec<_> = FIELDS.iter().filter(fits).collect();
            for (index, value, mask, maskable) in fields {
                let row = index.get(&rows);
                // What makes the frames what they are stays.
                let again = out.mask().get(row.field) != 0;
                let hides = row.field == Field::NwFrag && ip.is_some();
                if !again && !hides && row.name != "icmpv6_code" && row.name != "nw_proto" {
                    let (value, mask) = bits_of(row, value, mask, maskable);
                    out.require(row.field, value, mask);
                }
            }
            out
        },
    )
}

/// The part of a field that all of its names have bits for.
fn a_part(row: &WireField, offset: u8, bits: u8) -> Part {
    let width = row.bits.min(row.field.slot().bits);
    let offset = offset % width;
    Part { field: row.field, offset, bits: bits % (width - offset) + 1 }
}

/// A part of a learn action, which may make sense.
fn a_raw_part() -> impl Strategy<Value = Vec<u8>> {
    let field = || {
        (select(FIELDS), 0..40u16).prop_map(|(row, offset)| {
            let mut writer = Writer::new();
            super::fields::write_header(
                &mut writer,
                row.number(super::fields::Numbering::Nxm),
                false,
                row.bytes,
            );
            writer.u16(if offset < row.bits.into() { offset } else { 0 }).as_slice().to_vec()
        })
    };
    let kind = select(vec![0u16, 1 << 11, 2 << 11, 3 << 11, 1 << 13, 1 << 13 | 1 << 11]);
    (kind, 0..140u16, field(), field(), proptest::collection::vec(any::<u8>(), 18)).prop_map(
        |(kind, bits, from, to, constant)| {
            let source =
                if kind & 1 << 13 == 0 { &from } else { &constant[..usize::from(bits.div_ceil(16)) * 2] };
            let target = if kind & 3 << 11 == 2 << 11 { &[][..] } else { &to };
            [&(kind | bits).to_be_bytes()[..], source, target].concat()
        },
    )
}

/// A flow that is made of constants and of a bit of the frame.
fn a_learn(from: Part, pick: [u8; 4], numbers: [u16; 6], cookie: u64, flags: [bool; 4]) -> RuleAction {
    let [idle_timeout, hard_timeout, fin_idle_timeout, fin_hard_timeout, priority, limit] = numbers;
    let [send_flow_rem, delete_learned, limited, told] = flags;
    let whole = |field, value| Spec::Match { to: Part::all(field), from: Source::Value(value) };
    let bit = |field| Part { field, offset: pick[2] % 32, bits: 1 };
    let specs = vec![
        whole(Field::EthType, 0x0800),
        whole(Field::NwProto, 6),
        Spec::Match { to: Part { bits: 1, ..Part::all(Field::TpDst) }, from: Source::Field(from) },
        Spec::Load { to: bit(Field::NwSrc), from: Source::Field(from) },
        Spec::Load { to: Part::all(Field::TpSrc), from: Source::Value((cookie as u16).into()) },
        Spec::Output(from),
        whole(Field::Xxreg3, u128::MAX / 3),
    ];
    let specs = specs.into_iter().take(usize::from(pick[3] % 8)).collect();
    let learn = Learn {
        table: pick[3] % 254,
        priority,
        cookie,
        idle_timeout,
        hard_timeout,
        fin_idle_timeout,
        fin_hard_timeout,
        send_flow_rem,
        delete_learned,
        limit: if limited { limit.into() } else { 0 },
        result: told.then(|| bit(Field::Reg7)),
        specs,
    };
    RuleAction::Learn(learn.into())
}

fn an_action(version: Version, matching: &Match) -> BoxedStrategy<RuleAction> {
    let context = Context::of(matching);
    let here =
        |row: &&'static WireField| plain(row) && context.meets(row.needs) && row.field != Field::EthType;
    // Each field under the one name that it has in these frames.
    let first = |row: &&'static WireField| {
        super::fields::name_in(row.field, &context).is_some_and(|name| name.name == row.name)
    };
    let rows: Vec<_> = FIELDS.iter().filter(here).filter(first).collect();
    // What says what the frames are stays, so that the next action finds its header.
    let kept = |row: &&&WireField| !matches!(row.name, "nw_proto" | "arp_op");
    let set: Vec<_> = rows.iter().copied().filter(|row| row.settable).filter(|row| kept(&row)).collect();
    let sources = rows.clone();
    let sources_of_learn = rows.clone();
    let of_v10 = version == Version::V10;
    let set_field = (select(set.clone()), any::<u128>(), any::<u128>(), any::<bool>()).prop_map(
        |(row, value, mask, maskable)| {
            let (value, mask) = bits_of(row, value, mask, maskable);
            RuleAction::SetField { field: row.field, value, mask }
        },
    );
    let part = (select(sources.clone()), any::<u8>(), any::<u8>())
        .prop_map(|(row, offset, bits)| a_part(row, offset, bits));
    let short_part =
        (select(sources), any::<u8>(), 0..64u8).prop_map(|(row, offset, bits)| a_part(row, offset, bits));
    let target =
        (select(set), any::<u8>(), any::<u8>()).prop_map(|(row, offset, bits)| a_part(row, offset, bits));
    let moved = (part.clone(), target.clone()).prop_map(|(from, to)| {
        let bits = from.bits.min(to.bits);
        RuleAction::Move { from: Part { bits, ..from }, to: Part { bits, ..to } }
    });
    let told =
        (any::<u16>(), select(&Reason::ALL[..]), any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(max_len, reason, controller, userdata)| RuleAction::Controller {
                max_len,
                reason,
                controller,
                userdata: userdata.into(),
            });
    let note = (0..4usize).prop_map(|words| RuleAction::Note(vec![7; words * 8 + 6].into()));
    let learn =
        (select(sources_of_learn), any::<[u8; 4]>(), any::<[u16; 6]>(), any::<u64>(), any::<[bool; 4]>())
            .prop_map(|(row, pick, numbers, cookie, flags)| {
                let from = Part { bits: 1, ..a_part(row, pick[0], pick[1]) };
                a_learn(from, pick, numbers, cookie, flags)
            });
    let port = prop_oneof![1..0xff00u32, Just(0xfffe)].prop_map(OfPort);
    let resubmit = (proptest::option::of(port.clone()), proptest::option::of(0..254u8))
        .prop_map(|(port, table)| RuleAction::Resubmit { port, table: table.map(TableId) });
    let mut more = vec![
        port.prop_map(RuleAction::Output).boxed(),
        select(vec![
            RuleAction::InPort,
            RuleAction::All,
            RuleAction::Flood,
            RuleAction::Normal,
            RuleAction::Exit,
        ])
        .boxed(),
        any::<u32>().prop_map(|queue| RuleAction::SetQueue(QueueId(queue))).boxed(),
        (0..0xffff_ff00u32).prop_map(|group| RuleAction::Group(GroupId(group))).boxed(),
        set_field.boxed(),
        moved.boxed(),
        told.boxed(),
        note.boxed(),
        learn.boxed(),
        resubmit.boxed(),
        part.prop_map(RuleAction::Push).boxed(),
        target.clone().prop_map(RuleAction::Pop).boxed(),
        (select(&HashFields::ALL[..]), any::<u16>(), select(&LinkChoice::ALL[..]), 0..2u16, target.clone())
            .prop_map(|(fields, basis, (choice, _), last, to)| {
                let arg = u32::from(basis) * 7;
                let to = Part { bits: to.bits.min(64), ..to };
                RuleAction::Multipath(Box::new(Multipath { fields, basis, choice, last, arg, to }))
            })
            .boxed(),
        (select(&PortChoice::ALL[..]), proptest::option::of(target.clone()), 0..5u32)
            .prop_map(|((choice, _), to, members)| {
                let to = to.map(|to| Part { bits: to.bits.min(64), ..to });
                let members = (0..members).map(|port| OfPort(port + 1)).collect();
                let fields = HashFields::SymmetricL4;
                RuleAction::Bundle(Box::new(Bundle { fields, basis: 3, choice, members, to }))
            })
            .boxed(),
        (any::<u16>(), target)
            .prop_map(|(len, to)| RuleAction::CheckLarger { len, to: Part { bits: 1, ..to } })
            .boxed(),
        short_part.prop_map(|part| RuleAction::OutputReg(Part { bits: part.bits.min(64), ..part })).boxed(),
    ];
    if !of_v10 {
        more.push(select(vec![RuleAction::CopyTtlIn, RuleAction::CopyTtlOut]).boxed());
    }
    proptest::strategy::Union::new(more).boxed()
}

pub(super) fn a_flow() -> impl Strategy<Value = (Version, Match, Instructions)> {
    (select(&Version::ALL[..]), a_match()).prop_flat_map(|(version, matching)| {
        let list = || proptest::collection::vec(an_action(version, &matching), 0..6);
        let nested = proptest::option::of(list());
        let in_a_set = |action: &RuleAction| {
            !matches!(
                action,
                RuleAction::Resubmit { .. }
                    | RuleAction::Note(_)
                    | RuleAction::Learn(_)
                    | RuleAction::Push(_)
                    | RuleAction::Pop(_)
                    | RuleAction::CheckLarger { .. }
                    | RuleAction::Multipath(_)
                    | RuleAction::Bundle(_)
                    | RuleAction::Exit
                    | RuleAction::OutputReg(_)
                    | RuleAction::Controller { .. }
            )
        };
        let write = list().prop_map(move |list| list.into_iter().filter(in_a_set).collect());
        let numbers = (
            proptest::option::of(1..1000u32),
            any::<bool>(),
            any::<(u64, u64, bool)>(),
            proptest::option::of(0..254u8),
        );
        (Just(version), Just(matching.clone()), list(), nested, write, numbers).prop_map(
            |(version, matching, mut apply, nested, write, (meter, clear, (value, mask, metadata), goto))| {
                apply.extend(nested.map(RuleAction::Clone));
                let mut out = Instructions::apply(apply);
                out.metadata = metadata.then_some((value & mask, mask));
                if version != Version::V10 {
                    out.meter = meter.map(MeterId);
                    out.clear = clear;
                    out.write = write;
                    out.goto = goto.map(TableId);
                }
                (version, matching, out)
            },
        )
    })
}

proptest! {
    #[test]
    fn a_match_comes_back(matching in a_match(), version in select(&[Version::V13, Version::V14, Version::V15][..])) {
        let mut writer = Writer::new();
        matching::encode_oxm(&matching, &mut writer, version);
        prop_assert_eq!(writer.len() % 8, 0);
        let mut reader = Reader::new(writer.as_slice(), Code::BadLen);
        prop_assert_eq!(matching::decode_oxm(&mut reader), Ok(matching.clone()));
        prop_assert!(reader.is_empty());
        let mut writer = Writer::new();
        let len = matching::encode_nxm(&matching, &mut writer);
        prop_assert_eq!(len, writer.len());
        prop_assert_eq!(matching::decode_nxm(&mut Reader::new(writer.as_slice(), Code::BadLen)), Ok(matching.clone()));
        if matching::fits_v10(&matching) {
            let mut writer = Writer::new();
            matching::encode_v10(&matching, &mut writer);
            prop_assert_eq!(writer.len(), matching::V10_LEN);
        }
    }

    #[test]
    fn a_flow_comes_back((version, matching, flow) in a_flow()) {
        let mut writer = Writer::new();
        instructions::encode(version, &flow, &matching, &mut writer);
        prop_assert_eq!(writer.len() % 8, 0);
        let mut reader = Reader::new(writer.as_slice(), Code::BadLen);
        prop_assert_eq!(instructions::decode(version, &mut reader, &matching), Ok(flow));
    }

    #[test]
    fn no_learn_makes_it_panic_and_what_is_taken_comes_back(
        head in any::<[u8; 24]>(),
        parts in proptest::collection::vec(a_raw_part(), 0..10),
        more in proptest::collection::vec(any::<u8>(), 0..16),
        (second, plain) in any::<(bool, bool)>(),
    ) {
        let mut writer = Writer::new();
        writer.u16(0xffff).u16(0).u32(crate::openflow::NICIRA).u16(if second { 45 } else { 16 });
        // A head that is taken, to come as far as the parts; or any.
        match plain {
            true => writer.bytes(&head[..14]).zeros(2).u8(1).zeros(5).zeros(if second { 8 } else { 0 }),
            false => writer.bytes(&head),
        };
        for part in &parts {
            writer.bytes(part);
        }
        writer.bytes(if plain { &[] } else { &more }).pad(0, 8).put_len(2, 0);
        let read = |bytes: &[u8]| actions::decode_packet_out(Version::V13, &mut Reader::new(bytes, Code::BadLen));
        if let Ok(taken) = read(writer.as_slice()) {
            let mut again = Writer::new();
            actions::encode(Version::V13, &taken, &mut again);
            prop_assert_eq!(read(again.as_slice()), Ok(taken));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        everything(&bytes);
    }

    #[test]
    fn no_change_makes_it_panic(
        (version, matching, flow) in a_flow(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in any::<Index>(),
    ) {
        let mut writer = Writer::new();
        matching::encode_oxm(&matching, &mut writer, version);
        instructions::encode(version, &flow, &matching, &mut writer);
        let mut bytes = writer.into_bytes();
        let len = bytes.len();
        bytes.truncate(cut.index(len + 1));
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        everything(&bytes);
        let mut reader = Reader::new(&bytes, Code::BadLen);
        if let Ok(matching) = matching::decode_oxm(&mut reader) {
            let _ = instructions::decode(version, &mut reader, &matching);
        }
    }

    /// Actions that have the right form up to their type, so that each of them is read.
    #[test]
    fn no_action_makes_it_panic(
        kind in 0..60u16,
        owner in select(&[None, Some(super::NICIRA), Some(super::ONF)][..]),
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut writer = Writer::new();
        writer.u16(if owner.is_some() { 0xffff } else { kind }).u16(0);
        if let Some(owner) = owner {
            writer.u32(owner).u16(kind);
        }
        writer.bytes(&body).pad(0, 8);
        writer.put_len(2, 0);
        everything(writer.as_slice());
    }
}

/// Some Geneve options, in one piece and in several.
fn options() -> OptionMap {
    let mut map = OptionMap::default();
    for (kind, len, index) in [(1, 4, 0), (2, 12, 5), (3, 20, 20)] {
        map.add(Mapping { class: 0x102, kind, len, index }).expect("there is room");
    }
    map
}

proptest! {
    /// Options, and values of them, of whatever length.
    #[test]
    fn no_option_makes_it_panic(
        fields in proptest::collection::vec((0..25u8, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..24)), 1..4),
        kind in select(&[6u16, 7, 15, 27, 28, 32, 33, 50][..]),
        start in any::<[u8; 6]>(),
    ) {
        let mut list = Writer::new();
        for (index, masked, value) in &fields {
            list.u16(1).u8((40 + index) << 1 | u8::from(*masked)).u8(value.len() as u8).bytes(value);
        }
        let mut whole = Writer::new();
        whole.u16(1).u16(list.len() as u16 + 4).bytes(list.as_slice()).pad(0, 8);
        everything(whole.as_slice());
        everything(list.as_slice());
        let mut action = Writer::new();
        action.u16(0xffff).u16(0).u32(super::NICIRA).u16(kind).bytes(&start).bytes(list.as_slice()).pad(0, 8);
        action.put_len(2, 0);
        everything(action.as_slice());
        let mut action = Writer::new();
        action.u16(25).u16(0).bytes(list.as_slice()).pad(0, 8);
        action.put_len(2, 0);
        everything(action.as_slice());
    }
}

/// Reads bytes as everything that there is. What is read is written again, which must not panic either.
fn everything(bytes: &[u8]) {
    let options = Arc::new(options());
    let new = || Reader::new(bytes, Code::BadLen).knowing(&options);
    let mut writer = Writer::knowing(options.clone());
    let matches = [
        matching::decode_oxm(&mut new()),
        matching::decode_nxm(&mut new()),
        matching::decode_nxm_with_cookie(&mut new()).map(|(matching, ..)| matching),
        matching::decode_v10(&mut new()),
    ];
    for matching in matches.into_iter().flatten() {
        matching::encode_oxm(&matching, &mut writer, Version::V13);
        matching::encode_nxm(&matching, &mut writer);
        matching::encode_v10(&matching, &mut writer);
    }
    for version in Version::ALL {
        for list in [actions::decode(version, &mut new()), actions::decode_packet_out(version, &mut new())] {
            list.into_iter().for_each(|list| actions::encode(version, &list, &mut writer));
        }
        let flow = instructions::decode(version, &mut new(), &Match::any());
        flow.into_iter().for_each(|flow| instructions::encode(version, &flow, &Match::any(), &mut writer));
    }
}

#[test]
fn a_conjunction_comes_back_in_every_version() {
    let clause = RuleAction::Conjunction(Clause { id: 7, of: 3, number: 3 });
    let flow = Instructions::apply(vec![clause, RuleAction::Note([1, 2, 3, 4, 5, 6].into())]);
    for version in Version::ALL {
        let mut writer = Writer::new();
        instructions::encode(version, &flow, &Match::any(), &mut writer);
        let mut reader = Reader::new(writer.as_slice(), Code::BadLen);
        assert_eq!(instructions::decode(version, &mut reader, &Match::any()), Ok(flow.clone()));
    }
}
