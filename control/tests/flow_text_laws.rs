//! Laws of the flow syntax: what is written is read back the same, and no text makes the parser panic.

use control::text::{NoNames, format_rule, parse_flow, parse_flows};
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Match, Rule, RuleAction};
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
const ARP: &[Field] = &[Field::NwSrc, Field::NwDst, Field::NwProto, Field::ArpSha, Field::ArpTha];

const KINDS: [Kind; 7] = [
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
    Kind { eth_type: Some(0x86dd), protocol: Some(17), icmp_type: None, matched: UDP6, set: UDP6 },
    Kind {
        eth_type: Some(0x86dd),
        protocol: Some(58),
        icmp_type: Some(135),
        matched: &[Field::Ipv6Src, Field::NdTarget, Field::NdSll],
        set: &[Field::Ipv6Dst, Field::NwTtl],
    },
    Kind {
        eth_type: Some(0x0806),
        protocol: None,
        icmp_type: None,
        matched: ARP,
        set: &[Field::NwSrc, Field::NwDst, Field::ArpSha, Field::ArpTha],
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
];
const ALWAYS_SET: &[Field] = &[Field::EthSrc, Field::EthDst, Field::TunId, Field::TunDst, Field::TunIpv6Dst];
/// Fields whose value carries no mask.
const EXACT: &[Field] = &[Field::NwTtl, Field::NwProto, Field::IpDscp, Field::NwEcn];

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
    fn what_is_written_is_read_back(rule in rules()) {
        let text = format_rule(&rule, &NoNames);
        let read = parse_flow("flow", &text, &NoNames).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert_eq!(&read, &rule, "{}", text);
        prop_assert_eq!(format_rule(&read, &NoNames), text);
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
        ]), 0..20),
        separator in prop::sample::select(vec!["", ",", " "]),
    ) {
        let _ = parse_flows("flows", &words.join(separator), &NoNames).map_err(|faults| faults[0].to_string());
    }
}
