//! Translation against an interpreter so plain that it is right: outputs and field sets, done to the key.

mod common;
mod packets;
mod strategies;

use common::*;
use datapath::action::Action;
use datapath::flow::{Field, FlowKey, OfPort};
use datapath::pipeline::{Pipeline, Rule, RuleAction, Translation, translate};
use datapath::stats::DropReason;
use proptest::prelude::*;
use std::cmp::Ordering;
use strategies::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn translation_does_what_the_rule_says(
        rules in rules(),
        frame in prop_oneof![frames(), packets::packets().prop_map(|packet| packet.bytes())].prop_filter("a frame with a key", |frame| frame.len() >= 14),
        port in 1..=2u32,
    ) {
        let rules: Vec<Rule> = rules.into_iter().map(without_tags).collect();
        let mut key = FlowKey::default();
        datapath::flow::extract(&frame, OfPort(port), None, &mut key).expect("long enough");
        let pipeline = pipeline(1, rules.clone(), 2);
        let mut translation = Translation::default();
        translate(&pipeline, &key, &mut translation);
        prop_assert_eq!(walk(&pipeline, &key, &translation), interpret(&rules, &key));
    }
}

fn without_tags(mut rule: Rule) -> Rule {
    use RuleAction::{PopVlan, PushVlan, SetField};
    std::sync::Arc::make_mut(&mut rule.instructions).apply.retain(|action| match action {
        PushVlan { .. } | PopVlan => false,
        SetField { field, .. } => !matches!(field, Field::VlanVid | Field::VlanPcp | Field::VlanTci),
        _ => true,
    });
    rule
}

/// A frame sent: by which bridge port, with which fields in it, with which tunnel key.
type Sent = (u32, FlowKey, Option<u32>);

/// What the program of a translation sends, by its actions done to a key.
fn walk(pipeline: &Pipeline, key: &FlowKey, translation: &Translation) -> (Vec<Sent>, Vec<DropReason>) {
    let (mut now, mut sent, mut dropped) = (key.clone(), Vec::new(), Vec::new());
    for action in translation.actions() {
        match *action {
            Action::Output(port) => sent.push((port.0.into(), now.clone(), None)),
            Action::Encap { encap, marks } => {
                assert_eq!(pipeline.encap(encap).uplink(), UPLINK);
                sent.push((TUNNEL, now.clone(), Some(marks.key)));
            }
            Action::Edit(edit) => now.set_masked(edit.field(), edit.value(), edit.mask()),
            Action::Drop(reason) => dropped.push(reason),
            other => panic!("no rule asks for {other:?}"),
        }
    }
    (sent, dropped)
}

/// The rules by the letter.
fn interpret(rules: &[Rule], key: &FlowKey) -> (Vec<Sent>, Vec<DropReason>) {
    let in_port = key.get(Field::InPort) as u32;
    let fits = |rule: &&Rule| {
        Field::ALL
            .iter()
            .all(|f| (key.get(*f) ^ rule.matching.key().get(*f)) & rule.matching.mask().get(*f) == 0)
    };
    // Of two rules with one match and one priority the later one replaces the earlier one, in its place.
    let same = |a: &Rule, b: &Rule| a.priority == b.priority && a.matching == b.matching;
    let found = rules.iter().filter(fits).max_by(|a, b| a.priority.cmp(&b.priority).then(Ordering::Greater));
    let Some(found) = found.and_then(|first| rules.iter().rfind(|rule| same(rule, first))) else {
        return (vec![], vec![DropReason::TableMiss]);
    };
    let (mut now, mut tun_id, mut to_input) = (key.clone(), key.get(Field::TunId), false);
    let (mut sent, mut dropped) = (Vec::new(), Vec::new());
    for action in &found.instructions.apply {
        match *action {
            RuleAction::Output(port) if port.0 == in_port => to_input = true,
            RuleAction::Output(OfPort(TUNNEL)) => sent.push((TUNNEL, now.clone(), Some(tun_id as u32))),
            RuleAction::Output(OfPort(port)) if port <= 2 => sent.push((port, now.clone(), None)),
            RuleAction::Output(_) => dropped.push(DropReason::NoSuchPort),
            RuleAction::InPort => sent.push((in_port, now.clone(), None)),
            RuleAction::SetField { field: Field::TunId, value, mask } => {
                tun_id = tun_id & !mask | value & mask
            }
            RuleAction::SetField { field, value, mask } if is_there(field, key) => {
                now.set(field, now.get(field) & !mask | value & mask);
            }
            _ => {}
        }
    }
    if sent.is_empty() && dropped.is_empty() {
        dropped.push(if to_input { DropReason::OutputToInput } else { DropReason::RuleDrop });
    }
    (sent, dropped)
}

/// Whether a frame with this key has the field (ovs-fields(7), "prerequisites").
fn is_there(field: Field, key: &FlowKey) -> bool {
    let ip4 = key.get(Field::EthType) == 0x0800;
    let ip6 = key.get(Field::EthType) == 0x86dd;
    let arp = key.get(Field::EthType) == 0x0806;
    match field {
        Field::EthSrc | Field::EthDst => true,
        Field::NwSrc | Field::NwDst => ip4 || arp,
        Field::NwTtl | Field::NwTos | Field::IpDscp => ip4 || ip6,
        Field::Ipv6Src | Field::Ipv6Dst | Field::Ipv6Label => ip6,
        Field::ArpSha => arp,
        Field::TpSrc | Field::TpDst if ip4 || ip6 => match key.get(Field::NwProto) {
            1 | 6 | 17 | 58 => key.get(Field::NwFrag) & 2 == 0,
            // The checksum of SCTP covers the datagram whole.
            132 => key.get(Field::NwFrag) == 0,
            _ => false,
        },
        Field::TpSrc | Field::TpDst => false,
        _ => panic!("{field:?} is not set by these rules"),
    }
}
