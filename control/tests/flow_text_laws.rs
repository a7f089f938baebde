//! Laws of the flow syntax: what is written is read back the same, and no text makes the parser panic.

use control::text::{
    LOCAL, NoNames, format_flow, format_group, format_meter, parse_flows, parse_groups, parse_meters,
    parse_table_flow,
};
use datapath::action::learn::{Learn, Source, Spec};
use datapath::action::punt::Reason;
use datapath::flow::spread::HashFields;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Band, BandKind, Bucket, Bundle, Clause, Group, GroupId, GroupKind, HashedField, Header, Instructions,
    LinkChoice, Match, MeterId, MeterSpec, MeterUnit, Multipath, Part, PortChoice, QueueId, Rule, RuleAction,
    Selection, TableId,
};
use proptest::prelude::*;

/// A protocol and the fields that its frames have: to match, and to set.
struct Kind {
    eth_type: Option<u128>,
    protocol: Option<u128>,
    /// Type of ICMPv6.
    icmp_type: Option<u128>,
    matched: &'static [Field],
    set: &'static [Field],
}

const IP: &[Field] = &[Field::NwSrc, Field::NwDst, Field::NwTtl];
const TCP: &[Field] =
    &[Field::NwSrc, Field::NwDst, Field::NwTtl, Field::TpSrc, Field::TpDst, Field::TcpFlags];
const UDP6: &[Field] = &[Field::Ipv6Src, Field::Ipv6Dst, Field::Ipv6Label, Field::TpSrc, Field::TpDst];
const UDP6_MATCHED: &[Field] =
    &[Field::Ipv6Src, Field::Ipv6Dst, Field::Ipv6Label, Field::Ipv6Exthdr, Field::TpSrc, Field::TpDst];
const ARP: &[Field] = &[Field::NwSrc, Field::NwDst, Field::NwProto, Field::ArpSha, Field::ArpTha];

const KINDS: [Kind; 9] = [
    Kind { eth_type: None, protocol: None, icmp_type: None, matched: &[], set: &[] },
    Kind { eth_type: Some(0x88cc), protocol: None, icmp_type: None, matched: &[], set: &[] },
    Kind { eth_type: Some(0x0800), protocol: None, icmp_type: None, matched: IP, set: IP },
    Kind {
        eth_type: Some(0x0800),
        protocol: Some(6),
        icmp_type: None,
        matched: TCP,
        set: &[Field::NwSrc, Field::IpDscp, Field::NwEcn, Field::TpSrc, Field::TpDst],
    },
    Kind { eth_type: Some(0x86dd), protocol: Some(17), icmp_type: None, matched: UDP6_MATCHED, set: UDP6 },
    Kind {
        eth_type: Some(0x86dd),
        protocol: Some(58),
        icmp_type: Some(135),
        matched: &[Field::Ipv6Src, Field::NdTarget, Field::NdSll],
        set: &[Field::Ipv6Dst, Field::NwTtl, Field::NdTarget, Field::NdSll],
    },
    Kind {
        eth_type: Some(0x0806),
        protocol: None,
        icmp_type: None,
        matched: ARP,
        set: &[Field::NwSrc, Field::NwDst, Field::ArpSha, Field::ArpTha],
    },
    Kind {
        eth_type: Some(0x8847),
        protocol: None,
        icmp_type: None,
        matched: &[Field::MplsLabel, Field::MplsTc, Field::MplsBos, Field::MplsTtl],
        set: &[Field::MplsLabel, Field::MplsTc, Field::MplsTtl],
    },
    Kind {
        eth_type: Some(0x88e7),
        protocol: None,
        icmp_type: None,
        matched: &[Field::PbbIsid, Field::PbbUca],
        set: &[Field::PbbIsid, Field::PbbUca],
    },
];

/// Fields of every frame.
const ALWAYS: &[Field] = &[
    Field::EthSrc,
    Field::EthDst,
    Field::TunId,
    Field::TunSrc,
    Field::TunDst,
    Field::TunIpv6Src,
    Field::TunIpv6Dst,
    Field::ConjId,
    Field::PktMark,
    Field::Metadata,
    Field::Reg0,
    Field::Reg7,
    Field::Reg15,
];
const ALWAYS_SET: &[Field] = &[
    Field::EthSrc,
    Field::EthDst,
    Field::TunId,
    Field::TunDst,
    Field::TunIpv6Dst,
    Field::Metadata,
    Field::Reg3,
    Field::Xreg2,
    Field::Xxreg3,
];
/// Fields whose value carries no mask.
const EXACT: &[Field] = &[
    Field::NwTtl,
    Field::NwProto,
    Field::IpDscp,
    Field::NwEcn,
    Field::ConjId,
    Field::MplsLabel,
    Field::MplsTc,
    Field::MplsBos,
    Field::MplsTtl,
    Field::PbbUca,
];

/// The mask of a field: whole, a prefix, or anything but nothing.
fn mask(field: Field, whole: bool, random: u128, prefix: u32) -> u128 {
    let bits = u32::from(field.slot().bits);
    match random & field.max() {
        _ if whole || EXACT.contains(&field) => field.max(),
        random if prefix == 0 && random != 0 => random,
        _ => field.max() << (bits - (1 + prefix % bits)) & field.max(),
    }
}

type Draw = (usize, bool, u128, u128, u32);

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    prop::collection::vec((any::<usize>(), any::<bool>(), any::<u128>(), any::<u128>(), 0u32..140), 0..6)
}

/// Tags as the parser can ask for them.
const TAGS: [(u128, u128); 6] =
    [(0, 0), (0x1005, 0x1fff), (0x7005, 0xffff), (0x7000, 0xf000), (0x1000, 0x1000), (0, 0x1fff)];
const FRAGMENTS: [(u128, u128); 6] = [(0, 0), (0, 3), (1, 1), (1, 3), (3, 3), (0, 2)];

/// Part of a field.
fn part(field: Field, offset: u128, bits: u128) -> Part {
    let width = field.slot().bits;
    let offset = (offset % u128::from(width)) as u8;
    Part { field, offset, bits: 1 + (bits % u128::from(width - offset)) as u8 }
}

/// A flow that is made of these bits and of constants.
fn learned(from: Part, draw: &Draw) -> RuleAction {
    let (pick, whole, value, random, prefix) = *draw;
    let short = |shift: u32| (value >> shift) as u16;
    let to = Part { field: Field::Xxreg1, offset: 0, bits: from.bits };
    let constant = |field, value| Spec::Match { to: Part::all(field), from: Source::Value(value) };
    let there = Part { field: Field::Ipv6Dst, offset: 0, bits: from.bits };
    let specs = vec![
        constant(Field::EthType, 0x86dd),
        constant(Field::Ipv6Src, random),
        Spec::Match { to, from: Source::Field(from) },
        Spec::Load { to, from: Source::Field(from) },
        Spec::Load { to: there, from: Source::Value(u128::from(whole)) },
        Spec::Output(from),
    ];
    let in_port = Part { field: Field::InPort, offset: 0, bits: 16 };
    let mut specs: Vec<_> = specs.into_iter().take(pick % 7).collect();
    specs.push(Spec::Match { to: in_port, from: Source::Value(u128::from(1 + short(9) % 0xfeff)) });
    let learn = Learn {
        table: prefix as u8,
        priority: short(0),
        cookie: random as u64,
        idle_timeout: short(16),
        hard_timeout: short(32),
        fin_idle_timeout: short(48),
        fin_hard_timeout: if whole { short(64) } else { 0 },
        send_flow_rem: whole,
        delete_learned: pick % 2 == 0,
        limit: if whole { value as u32 } else { 0 },
        result: (pick % 3 == 0).then_some(Part { bits: 1, ..from }),
        specs: specs.into(),
    };
    RuleAction::Learn(learn.into())
}

/// Actions that are written alike in every flow.
fn anywhere(draw: &Draw) -> RuleAction {
    let (pick, whole, value, random, prefix) = *draw;
    let registers = [Field::Reg1, Field::Xreg3, Field::Xxreg0, Field::Metadata, Field::TunId, Field::EthDst];
    let field = |pick: usize| registers[pick % registers.len()];
    let port = OfPort(1 + value as u32 % 0xfeff);
    match prefix % 20 {
        0 if random % 3 == 0 => RuleAction::OutputCut { port, max_len: 14 + random as u32 % 3000 },
        0 => RuleAction::OutputReg(part(field(pick), value, random)),
        1 if whole => RuleAction::All,
        1 => RuleAction::Normal,
        2 => RuleAction::Flood,
        3 => RuleAction::Group(GroupId(value as u32 % 0xffff_ff01)),
        4 => {
            let (from, mut to) = (part(field(pick), value, random), part(field(pick / 8), random, value));
            let bits = from.bits.min(to.bits);
            to.bits = bits;
            RuleAction::Move { from: Part { bits, ..from }, to }
        }
        5 => RuleAction::Resubmit { port: Some(port), table: whole.then_some(TableId(random as u8 % 254)) },
        6 => RuleAction::Resubmit { port: None, table: Some(TableId(random as u8 % 254)) },
        7 => RuleAction::Clone(Vec::new()),
        9 => RuleAction::Push(part(field(pick), value, random)),
        10 => RuleAction::Pop(part(field(pick), value, random)),
        12 if whole => RuleAction::Multipath(Box::new(Multipath {
            fields: HashFields::ALL[pick % 7],
            basis: value as u16,
            choice: LinkChoice::ALL[random as usize % 4].0,
            last: value as u16,
            arg: random as u32,
            to: Part { field: field(pick / 8), offset: 3, bits: 16 },
        })),
        13 if whole => RuleAction::Bundle(Box::new(Bundle {
            fields: HashFields::ALL[pick % 7],
            basis: value as u16,
            choice: PortChoice::ALL[random as usize % 2].0,
            members: (0..value as u32 % 4).map(|at| OfPort(1 + (random as u32 + at) % 0xfeff)).collect(),
            to: (pick % 2 == 0).then(|| part(field(pick / 8), value, random)),
        })),
        11 if whole => RuleAction::CheckLarger {
            len: value as u16,
            to: Part { bits: 1, ..part(field(pick), random, 0) },
        },
        11 if random % 2 == 0 => learned(part(field(pick), value, random), draw),
        11 => RuleAction::Exit,
        12 => RuleAction::SetQueue(QueueId(value as u32)),
        13 => RuleAction::PopQueue,
        14 => RuleAction::Output(LOCAL),
        15 => RuleAction::CopyTtlOut,
        16 => RuleAction::CopyTtlIn,
        17 => RuleAction::Controller {
            max_len: value as u16,
            reason: Reason::ALL[pick % 6],
            controller: if whole { random as u16 } else { 0 },
            userdata: vec![value as u8; pick % 3].into(),
        },
        18 => RuleAction::Controller {
            max_len: value as u16,
            reason: Reason::Action,
            controller: 0,
            userdata: [].into(),
        },
        8 => RuleAction::Note(vec![value as u8; 6 + 8 * (pick % 3)].into()),
        _ => RuleAction::Clone(vec![RuleAction::Output(port), RuleAction::Clone(vec![RuleAction::InPort])]),
    }
}

/// Whether an action set may have it.
fn in_a_set(action: &RuleAction) -> bool {
    use RuleAction::{
        Bundle, CheckLarger, Clone, Exit, Learn, Multipath, Note, OutputCut, OutputReg, Pop, PopQueue, Push,
        Resubmit,
    };
    let told_by_port = |action: &RuleAction| match action {
        RuleAction::Controller { reason, controller, userdata, .. } => {
            (*reason, *controller, userdata.len()) == (Reason::Action, 0, 0)
        }
        _ => true,
    };
    told_by_port(action)
        && !matches!(
            action,
            OutputCut { .. }
                | OutputReg(_)
                | Resubmit { .. }
                | Clone(_)
                | Note(_)
                | Push(_)
                | Pop(_)
                | PopQueue
                | CheckLarger { .. }
                | Multipath(_)
                | Bundle(_)
                | Learn(_)
                | Exit
        )
}

prop_compose! {
    fn flows()(
        rule in rules(),
        (table, apply, write) in (0u8..254, draws(), draws()),
        clear in any::<bool>(),
        metadata in any::<Option<(u64, u64)>>(),
        goto in any::<Option<u8>>(),
        meter in any::<Option<u16>>(),
    ) -> (TableId, Rule) {
        let mut rule = rule;
        let instructions = std::sync::Arc::make_mut(&mut rule.instructions);
        instructions.apply.extend(apply.iter().map(anywhere));
        instructions.write = write.iter().map(anywhere).filter(in_a_set).collect();
        instructions.meter = meter.map(|meter| MeterId(u32::from(meter) + 1));
        instructions.clear = clear;
        instructions.metadata = metadata.map(|(value, mask)| (value & (mask | 1), mask | 1));
        instructions.goto = goto.filter(|to| *to > table && *to < 254).map(TableId);
        (TableId(table), rule)
    }
}

/// How a group chooses: each field once, with some of its bits.
fn selections() -> impl Strategy<Value = Selection> {
    let fields = [
        (Field::EthSrc, Header::Any),
        (Field::VlanTci, Header::Any),
        (Field::VlanVid, Header::Any),
        (Field::NwSrc, Header::Ip4),
        (Field::NwSrc, Header::Arp),
        (Field::Ipv6Dst, Header::Ip6),
        (Field::Ipv6Label, Header::Ip6),
        (Field::TpSrc, Header::Tcp),
        (Field::TpSrc, Header::Udp),
        (Field::TcpFlags, Header::Tcp),
        (Field::TunId, Header::Any),
        (Field::Reg5, Header::Any),
        (Field::Xxreg1, Header::Any),
    ];
    let fields = prop::sample::subsequence(fields.to_vec(), 0..=fields.len());
    let masks = prop::collection::vec(prop_oneof![Just(u128::MAX), 1..u128::MAX], 13);
    prop_oneof![
        Just(Selection::Unsaid),
        any::<u64>().prop_map(Selection::Datapath),
        (any::<u64>(), fields, masks).prop_map(|(param, fields, masks)| {
            let field = |((field, of), mask): ((Field, Header), u128)| {
                let mask = if mask & field.max() == 0 { field.max() } else { mask & field.max() };
                HashedField { field, mask, of }
            };
            Selection::Hash(param, fields.into_iter().zip(masks).map(field).collect())
        }),
    ]
}

prop_compose! {
    fn groups()(
        id in 0u32..=0xffff_ff00,
        kind in 0..4usize,
        selection in selections(),
        buckets in prop::collection::vec((any::<u16>(), any::<Option<u16>>(), draws()), 1..5),
    ) -> (GroupId, Group) {
        let kinds = [GroupKind::All, GroupKind::Select, GroupKind::Indirect, GroupKind::FastFailover];
        let kind = kinds[kind];
        let bucket = |(number, (weight, watch, draws)): (u32, (u16, Option<u16>, Vec<Draw>))| {
            let watched = |watch: u16| OfPort(1 + u32::from(watch) % 0xfeff);
            let watch_port = match kind {
                GroupKind::FastFailover => Some(watched(watch.unwrap_or(7))),
                GroupKind::Select => watch.map(watched),
                _ => None,
            };
            let weight = if kind == GroupKind::Select { weight } else { 0 };
            let here = |action: &RuleAction| in_a_set(action) && !matches!(action, RuleAction::Group(_));
            let actions = draws.iter().map(anywhere).filter(here).collect();
            Bucket { id: number * 3, weight, watch_port, watch_group: None, actions }
        };
        let mut buckets: Vec<_> = (0..).zip(buckets).map(bucket).collect();
        if kind == GroupKind::Indirect {
            buckets.truncate(1);
        }
        let selection = if kind == GroupKind::Select { selection } else { Selection::Unsaid };
        (GroupId(id), Group { kind, selection, buckets })
    }
}

prop_compose! {
    fn meters()(
        (id, packets, burst, stats) in (1u32..=65_536, any::<bool>(), any::<bool>(), any::<bool>()),
        bands in prop::collection::vec((any::<Option<u8>>(), 1u32.., 1u32..), 1..=16),
    ) -> (MeterId, MeterSpec) {
        let band = |(level, rate, size): (Option<u8>, u32, u32)| Band {
            kind: level.map_or(BandKind::Drop, |level| BandKind::DscpRemark { prec_level: level.max(1) }),
            rate,
            burst_size: if burst { size } else { 0 },
        };
        let unit = if packets { MeterUnit::Pktps } else { MeterUnit::Kbps };
        (MeterId(id), MeterSpec { unit, burst, stats, bands: bands.into_iter().map(band).collect() })
    }
}

prop_compose! {
    fn rules()(
        kind in 0..KINDS.len(),
        (priority, cookie, port) in (any::<u16>(), any::<u64>(), 0u32..=0xfeff),
        (tag, fragment) in (0..TAGS.len(), 0..FRAGMENTS.len()),
        (tos, ecn) in (any::<Option<u8>>(), any::<Option<u8>>()),
        conditions in draws(),
        actions in draws(),
    ) -> Rule {
        let kind = &KINDS[kind];
        let mut matching = Match::any();
        let exact = [(Field::EthType, kind.eth_type), (Field::NwProto, kind.protocol), (Field::TpSrc, kind.icmp_type)];
        for (field, value) in exact {
            if let Some(value) = value {
                matching.require(field, value, field.max());
            }
        }
        if port != 0 {
            matching.require(Field::InPort, port.into(), Field::InPort.max());
        }
        matching.require(Field::VlanTci, TAGS[tag].0, TAGS[tag].1);
        if matches!(kind.eth_type, Some(0x0800 | 0x86dd)) {
            let (value, mask) = FRAGMENTS[if kind.protocol.is_some() { fragment % 4 } else { fragment }];
            matching.require(Field::NwFrag, value, mask);
            if let Some(tos) = tos {
                matching.require(Field::IpDscp, tos.into(), Field::IpDscp.max());
            }
            if let Some(ecn) = ecn {
                matching.require(Field::NwEcn, ecn.into(), Field::NwEcn.max());
            }
        }
        let fields: Vec<_> = ALWAYS.iter().chain(kind.matched).copied().collect();
        for (pick, whole, value, random, prefix) in conditions {
            let field = fields[pick % fields.len()];
            if matching.mask().get(field) == 0 {
                matching.require(field, value, mask(field, whole, random, prefix));
            }
        }
        let settable: Vec<_> = ALWAYS_SET.iter().chain(kind.set).copied().collect();
        let actions = actions.into_iter().map(|(pick, whole, value, random, prefix)| match pick % 8 {
            0 => RuleAction::Output(OfPort(1 + value as u32 % 0xfeff)),
            1 => RuleAction::InPort,
            2 => RuleAction::PushVlan { tpid: if whole { 0x8100 } else { 0x88a8 } },
            3 => RuleAction::PopVlan,
            4 => RuleAction::SetField { field: Field::VlanTci, value: 0x1000 | value & 0xefff, mask: 0xffff },
            _ => {
                let field = settable[pick / 8 % settable.len()];
                let mask = mask(field, whole, random, prefix);
                RuleAction::SetField { field, value: value & mask, mask }
            }
        });
        let actions = actions.collect();
        Rule { cookie, ..Rule::acting(priority, matching, actions) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back((table, rule) in flows()) {
        let text = format_flow(table, &rule, &NoNames);
        let read = parse_table_flow("flow", &text, &NoNames);
        let read = read.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert_eq!(&read, &(table, rule), "{}", text);
        prop_assert_eq!(format_flow(table, &read.1, &NoNames), text);
    }

    #[test]
    fn conjunctions_that_are_written_are_read_back(
        (table, mut rule) in flows(),
        clauses in prop::collection::vec((any::<u32>(), 2..=64u8, any::<u8>()), 1..4),
    ) {
        let clause = |(id, of, number): (u32, u8, u8)| Clause { id, of, number: 1 + number % of };
        let mut apply: Vec<_> = clauses.into_iter().map(|c| RuleAction::Conjunction(clause(c))).collect();
        let notes = rule.instructions.apply.iter().filter(|a| matches!(a, RuleAction::Note(_)));
        apply.extend(notes.cloned());
        rule.instructions = Instructions::apply(apply).into();
        let text = format_flow(table, &rule, &NoNames);
        let read = parse_table_flow("flow", &text, &NoNames);
        prop_assert_eq!(read.map_err(|fault| TestCaseError::fail(fault.to_string()))?, (table, rule), "{}", text);
    }

    #[test]
    fn labels_and_backbones_that_are_written_are_read_back(
        (table, mut rule) in flows(),
        draws in draws(),
        below in prop::sample::select(vec![0x0800u16, 0x86dd, 0x8847, 0x8848, 0x88cc]),
        (isid, local) in (0..1u128 << 24, any::<bool>()),
    ) {
        use RuleAction::{CopyTtlIn, CopyTtlOut, DecMplsTtl, PopMpls, PopPbb, PushMpls, PushPbb, SetField};
        let labels = [Field::MplsLabel, Field::MplsTc, Field::MplsTtl];
        let mut apply = vec![PushMpls { ether_type: 0x8847 }];
        for (pick, whole, value, _, prefix) in draws {
            let field = labels[pick % labels.len()];
            apply.push(match prefix % 6 {
                0 => PushMpls { ether_type: if whole { 0x8847 } else { 0x8848 } },
                1 => DecMplsTtl,
                2 => CopyTtlOut,
                3 => CopyTtlIn,
                _ => SetField { field, value: value & field.max(), mask: field.max() },
            });
        }
        apply.push(PopMpls { ether_type: below });
        if local {
            let set = SetField { field: Field::PbbIsid, value: isid, mask: Field::PbbIsid.max() };
            apply.extend([PushPbb, set, PopPbb, RuleAction::Output(LOCAL)]);
        }
        rule.instructions = Instructions::apply(apply).into();
        let text = format_flow(table, &rule, &NoNames);
        let read = parse_table_flow("flow", &text, &NoNames);
        prop_assert_eq!(read.map_err(|fault| TestCaseError::fail(fault.to_string()))?, (table, rule), "{}", text);
    }

    /// `enqueue` is written as what it does.
    #[test]
    fn enqueue_is_an_output_by_a_queue(port in 1u32..0xff00, queue in any::<u32>(), round in any::<bool>()) {
        let text = match round {
            true => format!("actions=enqueue({port},{queue})"),
            false => format!("actions=enqueue:{port}:{queue}"),
        };
        let read = parse_table_flow("flow", &text, &NoNames);
        let (table, rule) = read.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        let wanted =
            vec![RuleAction::SetQueue(QueueId(queue)), RuleAction::Output(OfPort(port)), RuleAction::PopQueue];
        prop_assert_eq!(&rule.instructions.apply, &wanted);
        let written = format_flow(table, &rule, &NoNames);
        let again = parse_table_flow("flow", &written, &NoNames);
        prop_assert_eq!(again.map_err(|fault| TestCaseError::fail(fault.to_string()))?, (table, rule), "{}", written);
    }

    #[test]
    fn groups_that_are_written_are_read_back((id, group) in groups()) {
        let text = format_group(id, &group, &NoNames);
        let read = parse_groups("group", &text, &NoNames);
        let read = read.map_err(|faults| TestCaseError::fail(faults[0].to_string()))?;
        prop_assert_eq!(&read, &vec![(id, group)], "{}", text);
    }

    #[test]
    fn meters_that_are_written_are_read_back((id, meter) in meters()) {
        let text = format_meter(id, &meter);
        let read = parse_meters("meter", &text);
        let read = read.map_err(|faults| TestCaseError::fail(faults[0].to_string()))?;
        prop_assert_eq!(&read, &vec![(id, meter)], "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let _ = parse_flows("flows", &text, &NoNames).map_err(|faults| faults[0].to_string());
    }

    #[test]
    fn no_words_make_the_parser_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "ip", "tcp", "arp", "nw_src=", "dl_vlan=", "tcp_flags=", "/", ":", "->", "(", ")", "=", "*", "1.2.3.4", "::1",
            "0xffff", "actions=", "set_field:", "output:", "+", "-", "|", "mod_tp_dst:", "99999999999999999999", "\"",
            "table=", "reg0", "[", "]", "..", "move:", "load:", "resubmit(", "clone(", "group:", "bucket=", "group_id=",
            "type=all", "conjunction(", "note:", "conj_id=", "write_actions(", "goto_table:", "write_metadata:",
            "push_mpls:0x8847", "pop_mpls:", "dec_mpls_ttl", "push_pbb:0x88e7", "pop_pbb", "mpls_label=", "set_queue:1", "pop_queue",
            "enqueue:1:2", "enqueue(", "push:", "pop:", "exit", "copy_ttl_in", "LOCAL", "normal", "controller", "meter=1", "meter:1", "kbps", "burst", "bands=", "type=drop", "rate=9", "write_actions(", "goto_table:", "write_metadata:",
        ]), 0..20),
        separator in prop::sample::select(vec!["", ",", " "]),
    ) {
        let text = words.join(separator);
        let _ = parse_flows("flows", &text, &NoNames).map_err(|faults| faults[0].to_string());
        let _ = parse_groups("groups", &text, &NoNames).map_err(|faults| faults[0].to_string());
        let _ = parse_meters("meters", &text).map_err(|faults| faults[0].to_string());
    }
}
