//! Writing rules as text, the way `ovs-ofctl dump-flows --no-stats` of OpenFlow 1.5 does: fields in the same order, under
//! the same names. What the parser accepted it accepts again, with the same meaning.

use super::annotations::write_note;
use super::conditions::PRIORITY_DEFAULT;
use super::controller::{write_controller, write_dec_ttl};
use super::fields::{Form, NAMES, Name, Set};
use super::flags;
use super::learn::{write_fin_timeout, write_learn};
use super::options;
use super::parts::write_part;
use super::ports::{LOCAL, PortNames};
use super::spread::{write_bundle, write_multipath};
use super::value::{FRAGMENTS, RESERVED};
use super::words::PROTOCOLS;
use crate::ofproto::context::{ARP, Context, Needs, TAG_PRESENT};
use crate::ofproto::reserved;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Clause, Instructions, Match, Part, Rule, RuleAction, TableId};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A rule as text, without its table.
pub fn format_rule(rule: &Rule, ports: &dyn PortNames) -> String {
    format_flow(TableId(0), rule, ports)
}

/// A rule of a table as text. Table 0 is not named.
pub fn format_flow(table: TableId, rule: &Rule, ports: &dyn PortNames) -> String {
    let mut text = String::new();
    if rule.cookie != 0 {
        let _ = write!(text, "cookie={:#x}, ", rule.cookie);
    }
    if table != TableId(0) {
        let _ = write!(text, "table={}, ", table.0);
    }
    let mut conditions = Vec::new();
    if rule.priority != PRIORITY_DEFAULT {
        conditions.push(format!("priority={}", rule.priority));
    }
    write_match(&mut conditions, &rule.matching, ports);
    if !conditions.is_empty() {
        text.push_str(&conditions.join(","));
        text.push(' ');
    }
    text.push_str("actions=");
    text.push_str(&format_instructions(&rule.instructions, &rule.matching, ports));
    text
}

/// All that a rule does as text.
pub fn format_instructions(instructions: &Instructions, matching: &Match, ports: &dyn PortNames) -> String {
    let mut context = Context::of(matching);
    let Instructions { meter, apply, clear, write, metadata, goto } = instructions;
    let mut words: Vec<_> = meter.iter().map(|meter| format!("meter:{}", meter.0)).collect();
    words.extend(write_each(apply, &mut context, ports));
    if *clear {
        words.push("clear_actions".into());
    }
    if !write.is_empty() {
        words.push(format!("write_actions({})", write_actions(write, &context, ports)));
    }
    if let Some((value, mask)) = metadata {
        let form = Form::Hexadecimal(1);
        let value = write_value(form, Field::Metadata, (*value).into(), (*mask).into());
        words.push(format!("write_metadata:{value}"));
    }
    if let Some(table) = goto {
        words.push(format!("goto_table:{}", table.0));
    }
    if words.is_empty() { "drop".into() } else { words.join(",") }
}

/// A match as text; empty when every frame fits.
pub fn format_match(matching: &Match, ports: &dyn PortNames) -> String {
    let mut conditions = Vec::new();
    write_match(&mut conditions, matching, ports);
    conditions.join(",")
}

/// Actions as text. The match tells the names of fields that protocols share.
pub fn format_actions(actions: &[RuleAction], matching: &Match, ports: &dyn PortNames) -> String {
    write_actions(actions, &Context::of(matching), ports)
}

/// Actions of frames of which this is known.
pub(super) fn write_actions(actions: &[RuleAction], context: &Context, ports: &dyn PortNames) -> String {
    if actions.is_empty() {
        return "drop".into();
    }
    write_each(actions, &mut context.clone(), ports).join(",")
}

/// Each action, with what is known when it is its turn.
fn write_each(actions: &[RuleAction], context: &mut Context, ports: &dyn PortNames) -> Vec<String> {
    let (mut texts, mut rest) = (Vec::with_capacity(actions.len()), actions);
    while let [action, behind @ ..] = rest {
        rest = match options::write_set(rest, ports) {
            Some((text, count)) => {
                texts.push(text);
                rest.get(count..).unwrap_or(&[])
            }
            None => {
                texts.push(write_action(action, context, ports));
                behind
            }
        };
        context.after(action);
    }
    texts
}

fn write_match(out: &mut Vec<String>, matching: &Match, ports: &dyn PortNames) {
    let context = Context::of(matching);
    let get = |field| (matching.key().get(field), matching.mask().get(field));
    let shorthand = PROTOCOLS.iter().find(|protocol| {
        context.eth_type == Some(protocol.eth_type)
            && (protocol.protocol.is_none() || protocol.protocol == context.protocol)
    });
    let mut proto_shown = false;
    let (mark, mask) = get(Field::PktMark);
    if mask != 0 {
        let mark = write_condition(Form::Hexadecimal(1), Field::PktMark, mark, mask);
        out.push(format!("pkt_mark={mark}"));
    }
    let (id, mask) = get(Field::ConjId);
    if mask != 0 {
        out.push(format!("conj_id={}", write_condition(Form::Decimal, Field::ConjId, id, mask)));
    }
    if let Some(protocol) = shorthand {
        out.push(protocol.name.into());
        proto_shown = protocol.protocol.is_some();
    }
    let arp = context.eth_type == Some(ARP);
    let neighbour = context.meets(Needs::Nd);
    let icmp = context.meets(Needs::AnyIcmp);
    let names: [(Field, &str); 58] = [
        (Field::Reg0, "reg0"),
        (Field::Reg1, "reg1"),
        (Field::Reg2, "reg2"),
        (Field::Reg3, "reg3"),
        (Field::Reg4, "reg4"),
        (Field::Reg5, "reg5"),
        (Field::Reg6, "reg6"),
        (Field::Reg7, "reg7"),
        (Field::Reg8, "reg8"),
        (Field::Reg9, "reg9"),
        (Field::Reg10, "reg10"),
        (Field::Reg11, "reg11"),
        (Field::Reg12, "reg12"),
        (Field::Reg13, "reg13"),
        (Field::Reg14, "reg14"),
        (Field::Reg15, "reg15"),
        (Field::TunId, "tun_id"),
        (Field::TunSrc, "tun_src"),
        (Field::TunDst, "tun_dst"),
        (Field::TunIpv6Src, "tun_ipv6_src"),
        (Field::TunIpv6Dst, "tun_ipv6_dst"),
        (Field::TunGbpId, "tun_gbp_id"),
        (Field::TunGbpFlags, "tun_gbp_flags"),
        (Field::TunFlags, "tun_flags"),
        (Field::Metadata, "metadata"),
        (Field::InPort, "in_port"),
        (Field::ActsetOutput, "actset_output"),
        (Field::VlanTci, "vlan_tci"),
        (Field::EthSrc, "dl_src"),
        (Field::EthDst, "dl_dst"),
        (Field::EthType, if shorthand.is_some() { "" } else { "dl_type" }),
        (Field::Ipv6Src, "ipv6_src"),
        (Field::Ipv6Dst, "ipv6_dst"),
        (Field::Ipv6Label, "ipv6_label"),
        (Field::Ipv6Exthdr, "ipv6_exthdr"),
        (
            Field::NwSrc,
            if arp {
                "arp_spa"
            } else if neighbour {
                ""
            } else {
                "nw_src"
            },
        ),
        (Field::NwDst, if arp { "arp_tpa" } else { "nw_dst" }),
        (
            Field::NwProto,
            if proto_shown {
                ""
            } else if arp {
                "arp_op"
            } else {
                "nw_proto"
            },
        ),
        (Field::ArpSha, if arp { "arp_sha" } else { "" }),
        (Field::ArpTha, if arp { "arp_tha" } else { "" }),
        (Field::IpDscp, "nw_tos"),
        (Field::NwEcn, "nw_ecn"),
        (Field::NwTtl, "nw_ttl"),
        (Field::MplsLabel, "mpls_label"),
        (Field::MplsTc, "mpls_tc"),
        (Field::MplsTtl, "mpls_ttl"),
        (Field::MplsBos, "mpls_bos"),
        (Field::PbbIsid, "pbb_isid"),
        (Field::PbbUca, "pbb_uca"),
        (Field::NwFrag, "nw_frag"),
        (Field::TpSrc, if icmp { "icmp_type" } else { "tp_src" }),
        (Field::TpDst, if icmp { "icmp_code" } else { "tp_dst" }),
        (Field::TcpFlags, "tcp_flags"),
        (Field::NdTarget, if arp { "" } else { "nd_target" }),
        (Field::NdReserved, if neighbour { "nd_reserved" } else { "" }),
        (Field::NdOptionsType, "nd_options_type"),
        (Field::NdSll, "nd_sll"),
        (Field::NdTll, "nd_tll"),
    ];
    for (field, name) in names {
        if field == Field::Metadata {
            options::write_match(out, matching, ports);
        }
        let (value, mask) = get(field);
        if name.is_empty() || mask == 0 {
            continue;
        }
        match field {
            Field::VlanTci => write_tag(out, value, mask),
            Field::InPort => out.push(format!("in_port={}", write_port(value, ports))),
            Field::ActsetOutput => out.push(format!("actset_output={}", write_any_port(value, ports))),
            Field::IpDscp => out.push(format!("nw_tos={}", value << 2)),
            Field::NwFrag => out.push(format!("nw_frag={}", write_fragment(value, mask))),
            Field::TcpFlags => out.push(format!("tcp_flags={}", flags::TCP.write(value, mask))),
            Field::TunFlags => out.push(format!("tun_flags={}", flags::TUNNEL.write_signed(value, mask))),
            Field::Ipv6Exthdr => {
                out.push(format!("ipv6_exthdr={}", flags::EXTENSION_HEADERS.write(value, mask)));
            }
            _ => out.push(format!("{name}={}", write_condition(form(field), field, value, mask))),
        }
    }
}

/// How the values of a field are written.
fn form(field: Field) -> Form {
    NAMES.iter().find(|name| name.field == field).map_or(Form::Hexadecimal(1), |name| name.form)
}

fn write_tag(out: &mut Vec<String>, tci: u128, mask: u128) {
    let present = tci & mask & TAG_PRESENT != 0;
    match (mask & 0xfff, mask & 0xe000) {
        (0xfff, 0xe000) if present => {
            out.push(format!("dl_vlan={}", tci & 0xfff));
            out.push(format!("dl_vlan_pcp={}", tci >> 13));
        }
        (0xfff, 0) if present => out.push(format!("dl_vlan={}", tci & 0xfff)),
        (0, 0xe000) if present => out.push(format!("dl_vlan_pcp={}", tci >> 13)),
        _ if mask == Field::VlanTci.max() => out.push(format!("vlan_tci={tci:#06x}")),
        _ => out.push(format!("vlan_tci={tci:#06x}/{mask:#06x}")),
    }
}

pub(super) fn write_port(number: u128, ports: &dyn PortNames) -> String {
    let Ok(number) = u32::try_from(number) else { return number.to_string() };
    match ports.name(OfPort(number)) {
        Some(name) => name.into(),
        None if OfPort(number) == LOCAL => "LOCAL".into(),
        None => number.to_string(),
    }
}

fn write_any_port(number: u128, ports: &dyn PortNames) -> String {
    let reserved = RESERVED.iter().find(|(_, port)| u128::from(port.0) == number);
    reserved.map_or_else(|| write_port(number, ports), |(name, _)| (*name).into())
}

fn write_fragment(value: u128, mask: u128) -> &'static str {
    let known = FRAGMENTS.iter().find(|(_, v, m)| (value & 3, mask & 3) == (*v, *m));
    known.map_or("not_later", |(name, ..)| name)
}

/// A value and a mask, as in a match.
fn write_condition(form: Form, field: Field, value: u128, mask: u128) -> String {
    let exact = mask == field.max();
    match form {
        Form::Hexadecimal(digits @ 2..) => {
            let width = digits + 2;
            let value = format!("{value:#0width$x}");
            if exact { value } else { format!("{value}/{mask:#0width$x}") }
        }
        Form::Decimal if !exact => format!("{value:#x}/{mask:#x}"),
        _ => write_value(form, field, value, mask),
    }
}

/// A value and a mask, as in `set_field`.
pub(super) fn write_value(form: Form, field: Field, value: u128, mask: u128) -> String {
    let exact = mask == field.max();
    match form {
        Form::Mac if exact => mac(value),
        Form::Mac => format!("{}/{}", mac(value), mac(mask)),
        Form::Ipv4 => {
            let prefix = (mask as u32).leading_ones();
            let address = Ipv4Addr::from_bits(value as u32);
            match prefix {
                32 => address.to_string(),
                _ if mask as u32 == u32::MAX.checked_shl(32 - prefix).unwrap_or(0) => {
                    format!("{address}/{prefix}")
                }
                _ => format!("{address}/{}", Ipv4Addr::from_bits(mask as u32)),
            }
        }
        Form::Ipv6 => {
            let prefix = mask.leading_ones();
            let address = Ipv6Addr::from_bits(value);
            match prefix {
                128 => address.to_string(),
                _ if mask == u128::MAX.checked_shl(128 - prefix).unwrap_or(0) => {
                    format!("{address}/{prefix}")
                }
                _ => format!("{address}/{}", Ipv6Addr::from_bits(mask)),
            }
        }
        Form::Hexadecimal(_) | Form::VlanTci if exact => hexadecimal(value),
        Form::Hexadecimal(_) | Form::VlanTci => format!("{}/{}", hexadecimal(value), hexadecimal(mask)),
        Form::Tos => value.to_string(),
        Form::Flags(flags) => flags.write(value, mask),
        _ if exact => value.to_string(),
        _ => format!("{value}/{mask:#x}"),
    }
}

/// As C writes `%#x`: zero without a prefix.
pub(super) fn hexadecimal(value: u128) -> String {
    if value == 0 { "0".into() } else { format!("{value:#x}") }
}

fn mac(value: u128) -> String {
    let bytes = (value as u64).to_be_bytes();
    let pairs: Vec<_> = bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

fn write_action(action: &RuleAction, context: &Context, ports: &dyn PortNames) -> String {
    match action {
        RuleAction::Output(LOCAL) => "LOCAL".into(),
        RuleAction::Output(port) => format!("output:{}", write_port(port.0.into(), ports)),
        RuleAction::InPort => "IN_PORT".into(),
        RuleAction::PushVlan { tpid } => format!("push_vlan:{tpid:#06x}"),
        RuleAction::PopVlan => "pop_vlan".into(),
        RuleAction::OutputCut { port, max_len } => {
            let port = match *port {
                LOCAL => "LOCAL".into(),
                reserved::IN_PORT => "IN_PORT".into(),
                port => write_port(port.0.into(), ports),
            };
            format!("output(port={port},max_len={max_len})")
        }
        RuleAction::SetField { field, value, mask } => write_setting(*field, *value, *mask, context, ports),
        RuleAction::OutputReg(part) => format!("output:{}", write_part(part, context, ports)),
        RuleAction::All => "ALL".into(),
        RuleAction::Flood => "FLOOD".into(),
        RuleAction::Normal => "NORMAL".into(),
        RuleAction::Group(group) => format!("group:{}", group.0),
        RuleAction::Move { from, to } => {
            format!("move:{}->{}", write_part(from, context, ports), write_part(to, context, ports))
        }
        RuleAction::DecTtl => "dec_ttl".into(),
        RuleAction::DecTtlOrTell(controllers) => write_dec_ttl(controllers),
        RuleAction::Controller { max_len, reason, controller, userdata } => {
            write_controller(*max_len, *reason, *controller, userdata)
        }
        RuleAction::SetQueue(queue) => format!("set_queue:{}", queue.0),
        RuleAction::PopQueue => "pop_queue".into(),
        RuleAction::PushMpls { ether_type } => format!("push_mpls:{ether_type:#06x}"),
        RuleAction::PopMpls { ether_type } => format!("pop_mpls:{ether_type:#06x}"),
        RuleAction::DecMplsTtl => "dec_mpls_ttl".into(),
        RuleAction::PushPbb => "push_pbb:0x88e7".into(),
        RuleAction::PopPbb => "pop_pbb".into(),
        RuleAction::CopyTtlOut => "copy_ttl_out".into(),
        RuleAction::CopyTtlIn => "copy_ttl_in".into(),
        RuleAction::Resubmit { port: Some(port), table: None } => {
            format!("resubmit:{}", write_port(port.0.into(), ports))
        }
        RuleAction::Resubmit { port, table } => {
            let port = port.map_or(String::new(), |port| write_port(port.0.into(), ports));
            format!("resubmit({port},{})", table.map_or(String::new(), |table| table.0.to_string()))
        }
        RuleAction::Conjunction(Clause { id, of, number }) => format!("conjunction({id},{number}/{of})"),
        RuleAction::Note(bytes) => write_note(bytes),
        RuleAction::Push(part) => format!("push:{}", write_part(part, context, ports)),
        RuleAction::Pop(part) => format!("pop:{}", write_part(part, context, ports)),
        RuleAction::Exit => "exit".into(),
        RuleAction::Multipath(multipath) => write_multipath(multipath, context, ports),
        RuleAction::Bundle(bundle) => write_bundle(bundle, context, ports),
        RuleAction::CheckLarger { len, to } => {
            format!("check_pkt_larger({len})->{}", write_part(to, context, ports))
        }
        RuleAction::Learn(learn) => write_learn(learn, context, ports),
        RuleAction::FinTimeout { idle, hard } => write_fin_timeout(*idle, *hard),
        RuleAction::Clone(actions) => format!("clone({})", write_actions(actions, context, ports)),
    }
}

/// Bits that are set: by `set_field`, or by `load` where `set_field` takes no mask.
fn write_setting(field: Field, value: u128, mask: u128, context: &Context, ports: &dyn PortNames) -> String {
    let Some(name) = settable(field, context) else {
        return format!("set_field:{value:#x}/{mask:#x}->{}", field.name());
    };
    if name.form == Form::Port && mask == field.max() {
        return format!("set_field:{}->{}", write_port(value, ports), name.names[0]);
    }
    if name.maskable || name.bits.is_none() || mask == field.max() {
        return format!("set_field:{}->{}", write_value(name.form, field, value, mask), name.names[0]);
    }
    let offset = mask.trailing_zeros() as u8;
    let part = Part { field, offset, bits: (mask >> offset).trailing_ones() as u8 };
    format!("load:{:#x}->{}", value >> offset, write_part(&part, context, ports))
}

/// The name under which a field is set in the frames of a flow.
fn settable(field: Field, context: &Context) -> Option<&'static Name> {
    let of_field = || NAMES.iter().filter(|name| name.field == field);
    let fits = |name: &&Name| matches!(name.set, Set::When(needs) if context.meets(needs));
    let any = |name: &&Name| matches!(name.set, Set::When(_));
    of_field().find(fits).or_else(|| of_field().find(any))
}
