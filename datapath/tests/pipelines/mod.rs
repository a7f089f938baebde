//! Pipelines and frames at random: few values, so that they meet, and every word of the language.
#![allow(dead_code, reason = "each test file uses its part")]

use datapath::action::learn::{Learn, Source, Spec};
use datapath::action::punt::Reason;
use datapath::flow::spread::HashFields;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{
    Band, BandKind, Bucket, Bundle, Clause, Domain, Fragments, Group, GroupId, GroupKind, HashedField,
    Header, Instructions, LinkChoice, Match, MeterId, MeterSpec, MeterUnit, Multipath, Part, PortChoice,
    PortConfig, PortSetup, PriorityTags, QueueId, Rule, RuleAction, Selection, StormSpec, TableId, VlanMode,
};
use etherparse::PacketBuilder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub(crate) const GUESTS: u16 = 3;
/// The last table only ends things: it may be asked from anywhere.
pub(crate) const LAST: u8 = 4;

/// A change of a pipeline.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Insert(TableId, Rule),
    /// The rule that is at this place by then.
    Remove(prop::sample::Index),
    Group(u32, Group),
    RemoveGroup(u32),
    Meter(u32, MeterSpec),
    RemoveMeter(u32),
    Port(u32, PortConfig),
    /// Of a port, whether it is up.
    Link(u32, bool),
    Fragments(Fragments),
    /// Whether the controller is told of what no rule takes.
    Misses(bool),
    /// A lesson that was taken up is struck out: the one that is at this place by then.
    StrikeOut(prop::sample::Index),
    /// Whether a limit of rules that learn is reached: table, cookie, limit.
    Full(u8, u64, u32, bool),
}

/// A label stack: labels and their times to live, the outermost first.
type Labels = Vec<(u32, u8)>;
/// A provider backbone: the service, and the tags in front of its own.
type Backbone = (u8, Vec<(bool, u16)>);

/// Whole frames, with up to two tags, and now and then with labels or in a provider backbone.
pub(crate) fn frames() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let labels = vec((0..4u32, select(vec![0u8, 1, 2, 64])), 1..=4);
    frames_with((option::weighted(0.25, labels), option::weighted(0.15, (0..3u8, tags()))))
}

/// Options that rules and frames speak of: class, type, length and number of the field.
pub(crate) const OPTIONS: [(u16, u8, u8, u16); 4] =
    [(0x0102, 0x80, 4, 0), (0x0102, 1, 8, 1), (0xffff, 2, 20, 7), (0x0103, 0x83, 4, 63)];

/// Where they lie in a key, with the bits that say which are there.
const PIECES: [Field; 5] =
    [Field::Option0, Field::Option1, Field::OptionPair1, Field::Option5, Field::OptionQuad3];
const PRESENCE: [u128; 4] = [1 << 0, 1 << 1, 1 << 2, 1 << 5];

/// What follows a Geneve header: options, now and then some that nobody knows, and a frame.
pub(crate) fn geneve() -> impl Strategy<Value = (u32, Vec<u8>, Vec<u8>)> {
    let known = (select(OPTIONS.to_vec()), 0..4u8, prop::bool::weighted(0.02));
    let known = known.prop_map(|((class, kind, len, _), value, shorter)| {
        let len = if shorter { len - 4 } else { len };
        [&class.to_be_bytes()[..], &[kind, len / 4], &vec![value; len.into()]].concat()
    });
    let other = (prop::bool::weighted(0.05), 0..3u8).prop_map(|(critical, words)| {
        let kind = if critical { 0xf0 } else { 0x70 };
        [&[0x77, 0x77, kind, words][..], &vec![7; usize::from(words) * 4]].concat()
    });
    let options = vec(prop_oneof![8 => known, 1 => other], 0..4);
    (0..4u32, options, frames()).prop_map(|(vni, options, (_, frame))| (vni, options.concat(), frame))
}

/// Whole frames, with up to two tags.
pub(crate) fn frames_without_shims() -> impl Strategy<Value = (u16, Vec<u8>)> {
    frames_with(Just((None, None)))
}

fn frames_with(
    shims: impl Strategy<Value = (Option<Labels>, Option<Backbone>)>,
) -> impl Strategy<Value = (u16, Vec<u8>)> {
    let ttl = select(vec![0u8, 1, 2, 64]);
    (1..=GUESTS, any::<[u8; 6]>(), 0..15u8, ttl, tags(), shims).prop_map(
        |(port, pick, kind, ttl, tags, (labels, backbone))| {
            let mut frame = plain(pick, kind, ttl);
            if let Some(labels) = labels {
                label(&mut frame, &labels);
            }
            tag(&mut frame, &tags);
            if let Some((service, tags)) = backbone {
                frame.splice(0..0, [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0x88, 0xe7, 0, 0, 0, service]);
                tag(&mut frame, &tags);
            }
            (port, frame)
        },
    )
}

fn tags() -> impl Strategy<Value = Vec<(bool, u16)>> {
    vec((any::<bool>(), select(vec![0u16, 1, 2, 0x2001, 0xe002])), 0..=2)
}

fn tag(frame: &mut Vec<u8>, tags: &[(bool, u16)]) {
    let bytes = tags.iter().flat_map(|(service, tci)| {
        let tpid = if *service { [0x88, 0xa8] } else { [0x81, 0x00] };
        [tpid, tci.to_be_bytes()].concat()
    });
    frame.splice(12..12, bytes.collect::<Vec<u8>>());
}

fn label(frame: &mut Vec<u8>, labels: &[(u32, u8)]) {
    let bottom = labels.len() - 1;
    let entries = labels.iter().enumerate().flat_map(|(at, (label, ttl))| {
        (label << 12 | label << 9 | u32::from(at == bottom) << 8 | u32::from(*ttl)).to_be_bytes()
    });
    let entries: Vec<u8> = entries.collect();
    frame.splice(12..14, [&[0x88, 0x47], &entries[..]].concat());
}

fn plain([a, b, c, d, e, f]: [u8; 6], kind: u8, ttl: u8) -> Vec<u8> {
    let mac = |n: u8| [2, 0, 0, 0, 0, n & 1];
    let four = |n: u8| [10, 0, n >> 7, n & 3];
    let six = |n: u8| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n & 3];
    let port = |n: u8| [53, 80, 81, 443][usize::from(n & 3)];
    let ethernet = PacketBuilder::ethernet2(mac(a), mac(b));
    let mut frame = Vec::new();
    let payload = [7; 9];
    match kind {
        0 | 1 => ethernet.ipv4(four(c), four(d), ttl).udp(port(e), port(f)).write(&mut frame, &payload),
        2 => ethernet.ipv4(four(c), four(d), ttl).tcp(port(e), port(f), 1, 2).write(&mut frame, &payload),
        3 => ethernet.ipv6(six(c), six(d), ttl).udp(port(e), port(f)).write(&mut frame, &payload),
        4 => ethernet.ipv6(six(c), six(d), ttl).tcp(port(e), port(f), 1, 2).write(&mut frame, &payload),
        5 => ethernet.ipv4(four(c), four(d), ttl).icmpv4_echo_request(1, 2).write(&mut frame, &payload),
        6 => ethernet.ipv6(six(c), six(d), ttl).icmpv6_echo_request(1, 2).write(&mut frame, &payload),
        7 => {
            let mut frame = plain([a, b, c, d, e, f], 3, ttl);
            // Hop-by-hop options, and with destination options; padding in both.
            let options = [17, 0, 1, 4, 0, 0, 0, 0];
            let chain = if e & 4 == 0 { options.to_vec() } else { [&[60], &options[1..], &options].concat() };
            frame[19] += chain.len() as u8;
            frame[20] = 0;
            frame.splice(54..54, chain);
            return frame;
        }
        8 => {
            let sctp = crate::common::sctp([port(e), port(f)], &payload);
            ethernet.ipv4(four(c), four(d), ttl).write(&mut frame, etherparse::IpNumber::SCTP, &sctp)
        }
        9 | 10 => {
            let kind = 135 + (e & 1);
            let link = [1 + (e & 1), 1, 2, 0, 0, 0, 0, f & 1];
            let options = if e & 2 == 0 { link.to_vec() } else { [14, 1, 0, 0, 0, 0, 0, 0].to_vec() };
            let message = [&six(f)[..], &options].concat();
            ethernet
                .ipv6(six(c), six(d), ttl)
                .icmpv6_raw(kind, 0, [0x60, 0, 0, 0])
                .write(&mut frame, &message)
        }
        // The first fragment of a packet, or a later one.
        12 | 13 => {
            let mut frame = plain([a, b, c, d, e, f], 2 * (kind - 12), ttl);
            let (flags, at) = if e & 4 == 0 { (0x20, 0) } else { (0, 3) };
            frame[20..22].copy_from_slice(&[flags, at]);
            return frame;
        }
        14 => {
            let mut frame = plain([a, b, c, d, e, f], 3 + (f >> 7), ttl);
            let more = if e & 4 == 0 { [0, 1] } else { [0, 24] };
            let fragment = [[frame[20], 0], more, [0, 0], [0, 9]].concat();
            frame[19] += 8;
            frame[20] = 44;
            frame.splice(54..54, fragment);
            return frame;
        }
        _ => {
            let arp = [0, 1, 8, 0, 6, 4, 0, 1 + e % 2];
            let (from, to) = ([&mac(a)[..], &four(c)].concat(), [&[0; 6][..], &four(d)].concat());
            return [&mac(b)[..], &mac(a), &[8, 6], &arp, &from, &to].concat();
        }
    }
    .expect("a frame");
    frame
}

fn condition() -> impl Strategy<Value = (Field, u128, u128)> {
    let four = select(vec![0x0a00_0000u128, 0x0a00_0001, 0x0a00_0102, 0x0a00_0003]);
    let net = select(vec![0xffff_ffffu128, 0xff00_0000, 0xffff_ff00, 1, 0x0100]);
    let small = 0..4u128;
    let bits = select(vec![u128::MAX, 1, 3, 2]);
    let port = (select(vec![53u128, 80, 81, 443]), select(vec![0xffffu128, 0xfffe, 1]));
    prop_oneof![
        2 => (1..=GUESTS).prop_map(|port| (Field::InPort, port.into(), Field::InPort.max())),
        2 => (select(vec![Field::NwSrc, Field::NwDst]), four, net).prop_map(|(f, v, m)| (f, v, m)),
        2 => (select(vec![Field::TpSrc, Field::TpDst]), port).prop_map(|(f, (v, m))| (f, v, m)),
        2 => select(vec![0x0800u128, 0x86dd, 0x0806, 0x8847, 0x88e7]).prop_map(|v| (Field::EthType, v, 0xffff)),
        1 => (select(vec![Field::MplsLabel, Field::MplsTc, Field::MplsBos, Field::PbbIsid]), 0..2u128, bits.clone())
            .prop_map(|(f, v, m)| (f, v, m & f.max())),
        1 => select(vec![1u128, 2, 63, 64]).prop_map(|v| (Field::MplsTtl, v, 0xff)),
        1 => select(vec![1u128, 6, 17, 58, 132]).prop_map(|v| (Field::NwProto, v, 0xff)),
        2 => (select(vec![Field::EthSrc, Field::EthDst, Field::Ipv6Src, Field::Ipv6Dst, Field::ArpSha]), small.clone(), bits.clone())
            .prop_map(|(f, v, m)| (f, v, m & f.max())),
        1 => select(vec![(0u128, 0x1000u128), (0x1000, 0x1000), (0x1001, 0x1fff), (0xe000, 0xe000), (0, 0xffff)])
            .prop_map(|(v, m)| (Field::VlanTci, v, m)),
        1 => Just((Field::InnerVlanTci, 0x1001, 0x1fff)),
        1 => (select(vec![Field::NdTarget, Field::NdReserved, Field::NdOptionsType, Field::NdSll, Field::NdTll]), small.clone(), bits.clone())
            .prop_map(|(f, v, m)| (f, v, m & f.max())),
        1 => (select(vec![0u128, 0x40, 0x48]), select(vec![0x1ffu128, 0x40, 8]))
            .prop_map(|(v, m)| (Field::Ipv6Exthdr, v, m)),
        1 => select(vec![1u128, 2, 63, 64]).prop_map(|v| (Field::NwTtl, v, 0xff)),
        3 => (select(vec![Field::Reg0, Field::Reg1, Field::Metadata, Field::TunId]), small.clone(), bits.clone())
            .prop_map(|(f, v, m)| (f, v, m & f.max())),
        1 => select(vec![1u128, 2, 0xffff_fff7]).prop_map(|v| (Field::ActsetOutput, v, 0xffff_ffff)),
        1 => (select(PIECES.to_vec()), small, bits).prop_map(|(f, v, m)| (f, v, m & f.max())),
        1 => (select(PRESENCE.to_vec()), any::<bool>())
            .prop_map(|(bit, there)| (Field::OptionPresence, if there { bit } else { 0 }, bit)),
    ]
}

fn matching() -> impl Strategy<Value = Match> {
    vec(condition(), 0..3).prop_map(all_of)
}

fn all_of(conditions: Vec<(Field, u128, u128)>) -> Match {
    conditions.into_iter().fold(Match::any(), |all, (field, value, mask)| all.with(field, value, mask))
}

/// What is set is listed here anew, not taken from the datapath's own list of what can be written: one that is missing there would be missing here.
fn set() -> impl Strategy<Value = RuleAction> {
    let set = |field: Field, value: u128, mask: u128| RuleAction::SetField {
        field,
        value: value & mask & field.max(),
        mask: mask & field.max(),
    };
    let fields = vec![
        Field::EthSrc,
        Field::EthDst,
        Field::NwSrc,
        Field::NwDst,
        Field::NwTos,
        Field::IpDscp,
        Field::NwTtl,
        Field::TpSrc,
        Field::TpDst,
        Field::Ipv6Src,
        Field::Ipv6Dst,
        Field::Ipv6Label,
        Field::ArpSha,
        Field::ArpTha,
        Field::NdTarget,
        Field::NdReserved,
        Field::NdOptionsType,
        Field::NdSll,
        Field::NdTll,
        Field::MplsLabel,
        Field::MplsTc,
        Field::MplsTtl,
        Field::PbbIsid,
        Field::Reg0,
        Field::Reg1,
        Field::Metadata,
        Field::TunId,
    ];
    let masks = select(vec![u128::MAX, u128::MAX, 1, 3, 0xfe]);
    prop_oneof![
        8 => (select(fields), 0..4u128, masks.clone()).prop_map(move |(f, v, m)| set(f, v, m)),
        2 => (select(PIECES.to_vec()), 0..4u128, masks).prop_map(move |(f, v, m)| set(f, v, m)),
        1 => select(PRESENCE.to_vec()).prop_map(move |bit| set(Field::OptionPresence, 0, bit)),
        1 => (0..3u128).prop_map(move |v| set(Field::VlanVid, 0x1000 | v, u128::MAX)),
        1 => (0..8u128).prop_map(move |v| set(Field::VlanPcp, v, u128::MAX)),
        1 => (0..4u128).prop_map(move |v| set(Field::InPort, v, u128::MAX)),
        1 => select(vec![0x0800u128, 0x1234, 0x8847, 0x8848, 0x88e7])
            .prop_map(move |v| set(Field::EthType, v, u128::MAX)),
        1 => select(vec![1u128, 17, 58, 99]).prop_map(move |v| set(Field::NwProto, v, u128::MAX)),
        1 => (0..2u128).prop_map(move |v| set(Field::MplsBos, v, u128::MAX)),
    ]
}

fn moved() -> impl Strategy<Value = RuleAction> {
    let part = |field, offset, bits| Part { field, offset, bits };
    select(vec![
        (part(Field::NwSrc, 0, 8), part(Field::Reg0, 0, 8)),
        (part(Field::NwDst, 0, 2), part(Field::Reg1, 1, 2)),
        (part(Field::EthSrc, 0, 48), part(Field::EthDst, 0, 48)),
        (part(Field::InPort, 0, 16), part(Field::Reg1, 0, 16)),
        (part(Field::Reg0, 0, 16), part(Field::TpDst, 0, 16)),
        (part(Field::Reg1, 0, 4), part(Field::NwDst, 2, 4)),
        (part(Field::TpDst, 0, 16), part(Field::TpSrc, 0, 16)),
        (part(Field::NwTtl, 0, 8), part(Field::Metadata, 3, 8)),
        (part(Field::ActsetOutput, 0, 32), part(Field::Reg0, 0, 32)),
        (part(Field::NwTtl, 0, 8), part(Field::MplsTtl, 0, 8)),
        (part(Field::MplsLabel, 0, 8), part(Field::Reg1, 0, 8)),
        (part(Field::PbbIsid, 0, 8), part(Field::MplsLabel, 4, 8)),
        (part(Field::VlanVid, 0, 12), part(Field::TunId, 0, 12)),
        (part(Field::VlanTci, 0, 16), part(Field::Reg0, 0, 16)),
        (part(Field::Reg0, 0, 16), part(Field::VlanTci, 0, 16)),
        (part(Field::Reg1, 0, 4), part(Field::VlanTci, 12, 4)),
        (part(Field::TpDst, 0, 16), part(Field::VlanTci, 0, 16)),
        (part(Field::Metadata, 0, 3), part(Field::NwTos, 2, 3)),
        (part(Field::Ipv6Dst, 0, 32), part(Field::Reg0, 0, 32)),
        (part(Field::OptionPair1, 3, 16), part(Field::Reg1, 0, 16)),
        (part(Field::Reg0, 0, 8), part(Field::Option5, 24, 8)),
        (part(Field::OptionQuad3, 0, 32), part(Field::Option0, 0, 32)),
    ])
    .prop_map(|(from, to)| RuleAction::Move { from, to })
}

fn output() -> impl Strategy<Value = RuleAction> {
    let reg = Part { field: Field::Reg1, offset: 0, bits: 16 };
    prop_oneof![
        6 => select(vec![1u32, 2, 3, 10, 11, 77]).prop_map(|port| RuleAction::Output(OfPort(port))),
        1 => Just(RuleAction::OutputReg(reg)),
        1 => Just(RuleAction::InPort),
        1 => Just(RuleAction::All),
        1 => Just(RuleAction::Flood),
        2 => Just(RuleAction::Normal),
        1 => controller(),
    ]
}

/// Whole frames: what is cut off cannot be compared with what a frame says.
fn controller() -> impl Strategy<Value = RuleAction> {
    let reason = select(vec![Reason::Action, Reason::Action, Reason::InvalidTtl]);
    (reason, 0..3u16, select(vec![vec![], vec![7u8, 8]])).prop_map(|(reason, controller, userdata)| {
        RuleAction::Controller { max_len: u16::MAX, reason, controller, userdata: userdata.into() }
    })
}

/// What ports are to NORMAL; who is at the other ends of the tunnel if it leaves that open, or is for tenants that are listed alone: tenant, address and key;
/// and whether it is the latter.
#[derive(Clone, Debug)]
pub(crate) struct Setups(
    pub(crate) BTreeMap<OfPort, PortSetup>,
    pub(crate) Option<Vec<(u64, Ipv4Addr, u64)>>,
    pub(crate) bool,
);

/// Of guests, and the tunnel.
pub(crate) fn setups() -> impl Strategy<Value = Setups> {
    (ports(), option::weighted(0.6, far_ends()), prop::bool::weighted(0.4)).prop_map(
        |(ports, far, limited)| {
            // The one end that a limited tunnel has.
            let there = |far: Vec<(u64, Ipv4Addr, u64)>| {
                far.into_iter().filter(|end| end.1.octets()[3] == 2).collect()
            };
            match (far, limited) {
                (Some(far), true) => Setups(ports, Some(there(far)), true),
                (far, _) => Setups(ports, far, false),
            }
        },
    )
}

/// One of three addresses, the last of which there is no way to.
fn far_ends() -> impl Strategy<Value = Vec<(u64, Ipv4Addr, u64)>> {
    let end = (0..3u64, 2..5u8, select(vec![0u64, 1, 2, 0xff_ffff]));
    vec(end, 0..=5).prop_map(|mut ends| {
        ends.sort();
        ends.dedup_by_key(|(tenant, last, _)| (*tenant, *last));
        ends.into_iter().map(|(tenant, last, key)| (tenant, [192, 0, 2, last].into(), key)).collect()
    })
}

fn ports() -> impl Strategy<Value = BTreeMap<OfPort, PortSetup>> {
    let some = |port: u32| option::weighted(0.6, setup(port)).prop_map(move |s| s.map(|s| (OfPort(port), s)));
    // Frames of more than one tenant come in by the last one.
    let geneve = setup(11).prop_map(|s| Some((OfPort(11), s)));
    (some(1), some(2), some(3), some(10), geneve)
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

fn setup(port: u32) -> impl Strategy<Value = PortSetup> {
    let domain = match port {
        10 => select(vec![Domain::TunnelKey, Domain::TenantKey]).boxed(),
        11 => Just(Domain::TunnelKey).boxed(),
        _ => select(vec![Domain::Tenant(0), Domain::Tenant(0), Domain::Tenant(1)]).boxed(),
    };
    let mode = select(vec![
        VlanMode::Trunk,
        VlanMode::Access,
        VlanMode::Access,
        VlanMode::NativeTagged,
        VlanMode::NativeUntagged,
        VlanMode::Dot1qTunnel,
    ]);
    let list = || select(vec![vec![], vec![], vec![0, 1], vec![1, 2]]);
    let priority = select(vec![PriorityTags::Never, PriorityTags::IfNonzero, PriorityTags::Always]);
    let rare = || prop::bool::weighted(0.15);
    let rate = |rates: Vec<u32>| option::weighted(0.1, select(rates));
    let storm = (rate(vec![1, 50, 5000]), rate(vec![1, 100]));
    let storm = storm.prop_map(|(pps, kbps)| StormSpec { pps, kbps });
    (domain, mode, 1..3u16, list(), list(), priority, rare(), rare(), storm).prop_map(
        |(domain, mode, tag, trunks, cvlans, priority_tags, no_flood, protected, storm)| PortSetup {
            domain,
            mode,
            tag,
            trunks,
            cvlans,
            priority_tags,
            no_flood,
            protected,
            storm,
            service_tpid: 0x88a8,
        },
    )
}

fn header() -> impl Strategy<Value = RuleAction> {
    let push = select(vec![0x8100u16, 0x88a8]).prop_map(|tpid| RuleAction::PushVlan { tpid });
    prop_oneof![
        3 => push,
        3 => Just(RuleAction::PopVlan),
        2 => select(vec![0x8847, 0x8848]).prop_map(|ether_type| RuleAction::PushMpls { ether_type }),
        3 => select(vec![0x0800, 0x0800, 0x86dd, 0x0806, 0x8847]).prop_map(|ether_type| RuleAction::PopMpls { ether_type }),
        2 => Just(RuleAction::PushPbb),
        2 => Just(RuleAction::PopPbb),
        1 => Just(RuleAction::CopyTtlIn),
        1 => Just(RuleAction::CopyTtlOut),
        1 => Just(RuleAction::DecMplsTtl),
    ]
}

/// What leads nowhere else.
fn leaf() -> impl Strategy<Value = RuleAction> {
    let queue = prop_oneof![3 => (0..4u32).prop_map(|id| RuleAction::SetQueue(QueueId(id))), 1 => Just(RuleAction::PopQueue)];
    prop_oneof![8 => set(), 4 => moved(), 4 => header(), 2 => Just(RuleAction::DecTtl), 1 => Just(RuleAction::DecTtlOrTell([1, 2].into())), 8 => output(), 1 => queue]
}

fn hashed() -> impl Strategy<Value = (HashFields, u16)> {
    (select(HashFields::ALL.to_vec()), 0..3u16)
}

fn multipath() -> impl Strategy<Value = RuleAction> {
    let to = select(vec![
        Part { field: Field::Reg1, offset: 0, bits: 3 },
        Part { field: Field::NwDst, offset: 1, bits: 3 },
        Part { field: Field::TpSrc, offset: 0, bits: 16 },
        Part { field: Field::EthDst, offset: 5, bits: 40 },
    ]);
    let choices: Vec<_> = LinkChoice::ALL.iter().map(|(choice, _)| *choice).collect();
    (hashed(), select(choices), 0..8u16, select(vec![0, 5, 9, 70_000]), to).prop_map(
        |((fields, basis), choice, last, arg, to)| {
            RuleAction::Multipath(Box::new(Multipath { fields, basis, choice, last, arg, to }))
        },
    )
}

fn bundle() -> impl Strategy<Value = RuleAction> {
    let choice = select(PortChoice::ALL.iter().map(|(choice, _)| *choice).collect::<Vec<_>>());
    let members = vec(select(vec![1u32, 2, 3, 10, 77]).prop_map(OfPort), 0..5);
    let to = select(vec![
        None,
        None,
        Some(Part { field: Field::Reg1, offset: 0, bits: 16 }),
        Some(Part { field: Field::TpDst, offset: 0, bits: 16 }),
        Some(Part { field: Field::Reg0, offset: 3, bits: 29 }),
    ]);
    (hashed(), choice, members, to).prop_map(|((fields, basis), choice, members, to)| {
        RuleAction::Bundle(Box::new(Bundle { fields, basis, choice, members: members.into(), to }))
    })
}

/// Flows made of what frames say, and of what rules have written.
fn learn() -> impl Strategy<Value = RuleAction> {
    let source = select(vec![
        Part { field: Field::InPort, offset: 0, bits: 16 },
        Part::all(Field::EthSrc),
        Part { field: Field::NwSrc, offset: 0, bits: 8 },
        Part::all(Field::Ipv6Src),
        Part::all(Field::TpDst),
        Part { field: Field::VlanTci, offset: 0, bits: 12 },
        Part { field: Field::Reg0, offset: 0, bits: 4 },
        Part { field: Field::TunId, offset: 0, bits: 8 },
        Part { field: Field::Option1, offset: 8, bits: 16 },
        Part { field: Field::MplsLabel, offset: 0, bits: 20 },
    ]);
    let spec = (source, 0..4u8, 0..3u128).prop_map(|(part, kind, value)| match kind {
        0 => Spec::Match { to: part, from: Source::Field(part) },
        1 => Spec::Load { to: part, from: Source::Field(part) },
        2 => Spec::Match { to: part, from: Source::Value(value) },
        _ => Spec::Output(part),
    });
    let result = select(vec![
        None,
        Some(Part { field: Field::Reg1, offset: 0, bits: 1 }),
        Some(Part { field: Field::EthDst, offset: 1, bits: 1 }),
        Some(Part { field: Field::NwTtl, offset: 6, bits: 1 }),
    ]);
    (vec(spec, 0..4), result, 0..2u64, 0..3u32).prop_map(|(specs, result, cookie, limit)| {
        let specs = specs.into();
        RuleAction::Learn(Learn { table: LAST, cookie, limit, result, specs, ..Learn::default() }.into())
    })
}

/// What an action set does not have: parts of fields put away and taken back, and the end of it all.
fn stacked() -> impl Strategy<Value = RuleAction> {
    let part = select(vec![
        Part { field: Field::Reg0, offset: 0, bits: 32 },
        Part { field: Field::Reg1, offset: 2, bits: 4 },
        Part { field: Field::NwDst, offset: 0, bits: 8 },
        Part { field: Field::EthSrc, offset: 0, bits: 48 },
        Part { field: Field::TpDst, offset: 0, bits: 16 },
        Part { field: Field::Option1, offset: 8, bits: 16 },
    ]);
    let cut = (select(vec![1u32, 2, 10, 0xffff_fff8]), select(vec![14u32, 30, 44, 60, 1000]))
        .prop_map(|(port, max_len)| RuleAction::OutputCut { port: OfPort(port), max_len });
    let bit = select(vec![
        (Field::Reg1, 0),
        (Field::Reg1, 1),
        (Field::Metadata, 2),
        (Field::NwDst, 1),
        (Field::NwTos, 2),
    ]);
    let larger = (select(vec![0u16, 14, 45, 59, 60, 61, 63, 64, 78, 100, 1000, u16::MAX]), bit).prop_map(
        |(len, (field, offset))| RuleAction::CheckLarger { len, to: Part { field, offset, bits: 1 } },
    );
    let fin = (0..3u16, 0..3u16).prop_map(|(idle, hard)| RuleAction::FinTimeout { idle, hard });
    prop_oneof![
        1 => multipath(),
        2 => bundle(),
        3 => larger,
        2 => learn(),
        1 => fin,
        2 => cut,
        2 => part.clone().prop_map(RuleAction::Push),
        2 => part.prop_map(RuleAction::Pop),
        1 => Just(RuleAction::Exit),
    ]
}

fn action(table: u8) -> BoxedStrategy<RuleAction> {
    if table == LAST {
        return leaf().boxed();
    }
    let port = option::weighted(0.3, (0..4u32).prop_map(OfPort));
    let resubmit = (port, table + 1..=LAST)
        .prop_map(|(port, table)| RuleAction::Resubmit { port, table: Some(TableId(table)) });
    let group = (0..4u32).prop_map(|id| RuleAction::Group(GroupId(id)));
    let flat = prop_oneof![8 => leaf(), 2 => resubmit, 1 => group, 1 => stacked()].boxed();
    let clone = vec(flat.clone(), 0..4).prop_map(RuleAction::Clone);
    prop_oneof![8 => flat, 1 => clone].boxed()
}

/// What a controller wants to be done with a frame of its own.
pub(crate) fn packet_out() -> impl Strategy<Value = Vec<RuleAction>> {
    let table = Just(RuleAction::Resubmit { port: None, table: Some(TableId(0)) });
    vec(prop_oneof![6 => action(0), 1 => table], 0..6)
}

/// What an action set takes.
fn written() -> impl Strategy<Value = RuleAction> {
    let resubmit = Just(RuleAction::Resubmit { port: None, table: Some(TableId(LAST)) });
    prop_oneof![10 => leaf(), 1 => resubmit]
}

fn instructions(table: u8) -> impl Strategy<Value = Instructions> {
    let group = (0..4u32).prop_map(|id| RuleAction::Group(GroupId(id)));
    let write = match table {
        LAST => vec(written().boxed(), 0..1),
        _ => vec(prop_oneof![6 => written(), 1 => group].boxed(), 0..4),
    };
    let metadata = option::weighted(0.2, (0..4u64, select(vec![u64::MAX, 1, 2])));
    let goto = match table {
        LAST => Just(None).boxed(),
        _ => option::weighted(0.5, (table + 1..=LAST).prop_map(TableId)).boxed(),
    };
    let meter = option::weighted(0.25, (1..=METERS).prop_map(MeterId));
    (meter, vec(action(table), 0..5), prop::bool::weighted(0.1), write, metadata, goto).prop_map(
        |(meter, apply, clear, write, metadata, goto)| Instructions {
            meter,
            apply,
            clear,
            write,
            metadata,
            goto,
        },
    )
}

/// A rule with its table.
pub(crate) fn rule() -> impl Strategy<Value = (TableId, Rule)> {
    prop_oneof![4 => Just(0u8), 2 => 1..LAST, 1 => Just(LAST)].prop_flat_map(|table| {
        (0..4u16, matching(), instructions(table)).prop_map(move |(priority, matching, instructions)| {
            (TableId(table), Rule::new(priority, matching, instructions))
        })
    })
}

/// A rule that stands for clauses of conjunctions, or the rule of a conjunction. Few of each, so that they meet.
fn conjunctive() -> impl Strategy<Value = (TableId, Rule)> {
    let clause = (1..3u32, 2..4u8, 1..4u8)
        .prop_map(|(id, of, number)| RuleAction::Conjunction(Clause { id, of, number: number.min(of) }));
    let table = prop_oneof![4 => Just(0u8), 1 => 1..LAST];
    let soft = (table.clone(), 1..4u16, vec(condition(), 0..2), vec(clause, 1..5), any::<bool>()).prop_map(
        |(table, priority, conditions, mut actions, noted)| {
            actions.extend(noted.then(|| RuleAction::Note([1; 6].into())));
            (TableId(table), Rule::acting(priority, all_of(conditions), actions))
        },
    );
    let of_id = table.prop_flat_map(|table| {
        (0..4u16, 1..3u128, vec(condition(), 0..2), instructions(table)).prop_map(
            move |(priority, id, conditions, instructions)| {
                let matching = all_of(conditions).exact(Field::ConjId, id);
                (TableId(table), Rule::new(priority, matching, instructions))
            },
        )
    });
    prop_oneof![3 => soft, 1 => of_id]
}

/// Some rules; every other time with conjunctions among them.
pub(crate) fn rules(most: usize) -> impl Strategy<Value = Vec<(TableId, Rule)>> {
    let plain = vec(rule(), 1..most).boxed();
    let mixed = vec(prop_oneof![2 => rule().boxed(), 3 => conjunctive().boxed()], 1..most * 2).boxed();
    prop_oneof![plain, mixed]
}

/// A group. Its buckets lead to groups of higher numbers only.
pub(crate) fn group(id: u32) -> impl Strategy<Value = Group> {
    let kind = select(vec![
        GroupKind::All,
        GroupKind::Select,
        GroupKind::Select,
        GroupKind::Indirect,
        GroupKind::FastFailover,
    ]);
    let deeper = (id + 1..=4).prop_map(|id| RuleAction::Group(GroupId(id)));
    let actions = vec(prop_oneof![8 => written(), 1 => deeper], 0..4);
    let port = option::weighted(0.4, select(vec![1u32, 2, 10, 77]).prop_map(OfPort));
    let watched = option::weighted(0.2, (id + 1..=4).prop_map(GroupId));
    let bucket = (0..3u16, port, watched, actions);
    (kind, selection(), vec(bucket, 0..4)).prop_map(|(kind, selection, buckets)| {
        let bucket = |(id, (weight, watch_port, watch_group, actions))| Bucket {
            id,
            weight,
            watch_port,
            watch_group,
            actions,
        };
        let most = if kind == GroupKind::Indirect { 1 } else { 4 };
        let selection = if kind == GroupKind::Select { selection } else { Selection::Unsaid };
        Group { kind, selection, buckets: (0..).zip(buckets).map(bucket).take(most).collect() }
    })
}

/// How a group chooses.
fn selection() -> impl Strategy<Value = Selection> {
    let of = select(vec![
        (Field::EthSrc, Header::Any),
        (Field::VlanPcp, Header::Tag),
        (Field::VlanVid, Header::Any),
        (Field::NwSrc, Header::Ip4),
        (Field::NwSrc, Header::Arp),
        (Field::NwProto, Header::Ip),
        (Field::NwProto, Header::Arp),
        (Field::NwTtl, Header::Ip),
        (Field::Ipv6Dst, Header::Ip6),
        (Field::TpSrc, Header::Tcp),
        (Field::TpDst, Header::Udp),
        (Field::TpSrc, Header::Sctp),
        (Field::TpSrc, Header::Icmp),
        (Field::TpDst, Header::Icmp6),
        (Field::NdTarget, Header::Any),
        (Field::MplsLabel, Header::Any),
        (Field::TunId, Header::Any),
        (Field::Reg0, Header::Any),
        (Field::Metadata, Header::Any),
        (Field::InPort, Header::Any),
    ]);
    let mask =
        prop_oneof![2 => Just(u128::MAX), 1 => any::<u128>(), 1 => (0..128u32).prop_map(|bit| 1 << bit)];
    let field =
        (of, mask).prop_map(|((field, of), mask)| HashedField { field, mask: mask & field.max(), of });
    let fields = vec(field, 0..5).prop_map(Vec::into_boxed_slice);
    prop_oneof![
        2 => Just(Selection::Unsaid),
        3 => (0..3u64, fields).prop_map(|(param, fields)| Selection::Hash(param, fields)),
        2 => (0..3u64, 0..3u64).prop_map(|(high, low)| Selection::Datapath(high << 32 | low)),
    ]
}

/// A meter that now and then has enough. Rates that divide a second, so that no implementation has to round.
fn meter() -> impl Strategy<Value = MeterSpec> {
    let unit = prop_oneof![Just(MeterUnit::Pktps), Just(MeterUnit::Kbps)];
    let remark = (1..4u8).prop_map(|prec_level| BandKind::DscpRemark { prec_level });
    let kind = prop_oneof![1 => Just(BandKind::Drop), 2 => remark];
    let band = (kind, select(vec![1u32, 10, 100, 1000, 100_000_000]), 0..4u32);
    (unit, vec(band, 1..4)).prop_map(|(unit, bands)| MeterSpec {
        unit,
        burst: true,
        stats: true,
        bands: bands.into_iter().map(|(kind, rate, burst_size)| Band { kind, rate, burst_size }).collect(),
    })
}

/// Queues of ports: a rate and a burst in bits, that many frames of one test exceed.
pub(crate) const QUEUES: [(u32, u32, u64, u64); 3] =
    [(1, 1, 1000, 2000), (2, 1, 100_000, 1), (2, 2, 1_000_000_000, 1_000_000)];

/// Meters that rules name; one of them may be absent.
const METERS: u32 = 3;

pub(crate) fn meters() -> impl Strategy<Value = Vec<(u32, MeterSpec)>> {
    vec(meter(), 0..=METERS as usize).prop_map(|meters| (1..).zip(meters).collect())
}

pub(crate) fn groups() -> impl Strategy<Value = Vec<(u32, Group)>> {
    let some = |id: u32| option::weighted(0.7, group(id)).prop_map(move |group| group.map(|g| (id, g)));
    (some(0), some(1), some(2)).prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect())
}

/// What controllers do beside rules.
pub(crate) fn aside() -> impl Strategy<Value = Change> {
    let port = || select(vec![1u32, 2, 3, 10]);
    let rare = || prop::bool::weighted(0.15);
    let config = (rare(), rare(), rare(), rare(), rare(), option::weighted(0.3, any::<bool>()));
    let config = config.prop_map(|(down, no_recv, no_recv_stp, no_fwd, no_packet_in, no_flood)| PortConfig {
        down,
        no_recv,
        no_recv_stp,
        no_fwd,
        no_packet_in,
        no_flood,
    });
    let fragments = select(vec![Fragments::Match, Fragments::WithoutPorts, Fragments::Drop]);
    prop_oneof![
        3 => (port(), config).prop_map(|(port, config)| Change::Port(port, config)),
        1 => (port(), any::<bool>()).prop_map(|(port, up)| Change::Link(port, up)),
        1 => fragments.prop_map(Change::Fragments),
        1 => any::<bool>().prop_map(Change::Misses),
    ]
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => rule().prop_map(|(table, rule)| Change::Insert(table, rule)),
        1 => conjunctive().prop_map(|(table, rule)| Change::Insert(table, rule)),
        5 => any::<prop::sample::Index>().prop_map(Change::Remove),
        1 => (0..4u32).prop_flat_map(|id| group(id).prop_map(move |group| Change::Group(id, group))),
        1 => (0..4u32).prop_map(Change::RemoveGroup),
        1 => (1..=METERS, meter()).prop_map(|(id, meter)| Change::Meter(id, meter)),
        1 => (1..=METERS).prop_map(Change::RemoveMeter),
        1 => aside(),
        1 => any::<prop::sample::Index>().prop_map(Change::StrikeOut),
        1 => (0..2u64, 1..3u32, any::<bool>()).prop_map(|(cookie, limit, full)| Change::Full(LAST, cookie, limit, full)),
    ]
}
