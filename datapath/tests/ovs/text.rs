//! Rules and groups in the syntax of `ovs-ofctl`, as far as the comparison needs it.

use datapath::flow::Field;
use datapath::pipeline::{
    Band, Clause, Group, GroupKind, Match, MeterSpec, MeterUnit, Part, PortSetup, PriorityTags, Rule,
    RuleAction, TableId, VlanMode,
};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) fn rule(table: TableId, rule: &Rule) -> String {
    let instructions = &rule.instructions;
    let meter = instructions.meter.map(|meter| format!("meter:{}", meter.0));
    let mut all: Vec<String> =
        meter.into_iter().chain(actions(&instructions.apply, &rule.matching)).collect();
    if instructions.clear {
        all.push("clear_actions".into());
    }
    if !instructions.write.is_empty() {
        all.push(format!("write_actions({})", actions(&instructions.write, &rule.matching).join(",")));
    }
    if let Some((value, mask)) = instructions.metadata {
        all.push(format!("write_metadata:{value:#x}/{mask:#x}"));
    }
    if let Some(next) = instructions.goto {
        all.push(format!("goto_table:{}", next.0));
    }
    if all.is_empty() {
        all.push("drop".into());
    }
    let matching = matching(&rule.matching);
    let Rule { cookie, priority, .. } = rule;
    format!("cookie={cookie},table={},priority={priority}{matching} actions={}", table.0, all.join(","))
}

pub(crate) fn group(id: u32, group: &Group) -> String {
    let kind = match group.kind {
        GroupKind::All => "all",
        GroupKind::Select => "select",
        GroupKind::Indirect => "indirect",
        GroupKind::FastFailover => "ff",
    };
    let bucket = |bucket: &datapath::pipeline::Bucket| {
        let watch = bucket.watch_port.map_or(String::new(), |port| format!("watch_port:{port},"));
        format!(",bucket={watch}actions={}", actions(&bucket.actions, &Match::any()).join(","))
    };
    format!("group_id={id},type={kind}{}", group.buckets.iter().map(bucket).collect::<String>())
}

/// A meter, all of whose bands drop.
pub(crate) fn meter(id: u32, meter: &MeterSpec) -> String {
    let unit = if meter.unit == MeterUnit::Kbps { "kbps" } else { "pktps" };
    let burst = if meter.burst { ",burst" } else { "" };
    let band = |band: &Band| match meter.burst {
        true => format!(",type=drop,rate={},burst_size={}", band.rate, band.burst_size),
        false => format!(",type=drop,rate={}", band.rate),
    };
    let bands: String = meter.bands.iter().map(band).collect();
    format!("meter={id},{unit}{burst},stats,bands={}", &bands[1..])
}

/// What a port is, for `ovs-vsctl`: words of the Port table.
pub(crate) fn port(name: &str, setup: &PortSetup) -> Vec<String> {
    let list = |name: &str, vids: &[u16]| {
        let vids: Vec<String> = vids.iter().map(u16::to_string).collect();
        (!vids.is_empty()).then(|| format!("{name}={}", vids.join(",")))
    };
    let mode = match setup.mode {
        VlanMode::Trunk => "trunk",
        VlanMode::Access => "access",
        VlanMode::NativeTagged => "native-tagged",
        VlanMode::NativeUntagged => "native-untagged",
        VlanMode::Dot1qTunnel => "dot1q-tunnel",
    };
    let priority_tags = match setup.priority_tags {
        PriorityTags::Never => "never",
        PriorityTags::IfNonzero => "if-nonzero",
        PriorityTags::Always => "always",
    };
    let tpid = if setup.service_tpid == 0x8100 { "802.1q" } else { "802.1ad" };
    let clear = format!("clear port {name} vlan_mode tag trunks cvlans other_config");
    let set = [
        Some(format!("-- set port {name} vlan_mode={mode}")),
        (setup.mode != VlanMode::Trunk).then(|| format!("tag={}", setup.tag)),
        list("trunks", &setup.trunks),
        list("cvlans", &setup.cvlans),
        Some(format!("protected={}", setup.protected)),
        Some(format!("other_config:priority-tags={priority_tags} other_config:qinq-ethtype={tpid}")),
    ];
    let words = [Some(clear)].into_iter().chain(set).flatten().collect::<Vec<_>>().join(" ");
    words.split(' ').map(str::to_string).collect()
}

fn matching(matching: &Match) -> String {
    let (key, mask) = (matching.key(), matching.mask());
    // Parts of the same bits: the whole tag stands for all of it, and no register is told twice.
    let told = [
        Field::EthType,
        Field::NwProto,
        Field::InPort,
        Field::VlanTci,
        Field::EthSrc,
        Field::EthDst,
        Field::NwSrc,
        Field::NwDst,
        Field::NwTtl,
        Field::TpSrc,
        Field::TpDst,
        Field::Ipv6Src,
        Field::Ipv6Dst,
        Field::ArpSha,
        Field::NdTarget,
        Field::NdSll,
        Field::NdTll,
        Field::NdReserved,
        Field::NdOptionsType,
        Field::MplsLabel,
        Field::MplsTc,
        Field::MplsBos,
        Field::MplsTtl,
        Field::Metadata,
        Field::Reg0,
        Field::Reg1,
        Field::ConjId,
        Field::ActsetOutput,
    ];
    let (arp, icmp6) = (key.get(Field::EthType) == 0x0806, key.get(Field::NwProto) == 58);
    let condition = |field: &Field| {
        // ARP and neighbour discovery share words, and so do addresses of IPv4 and the rest of neighbour discovery.
        let other = match field {
            Field::ArpSha => !arp,
            Field::NdTarget | Field::NdSll | Field::NdTll => arp,
            Field::NdReserved | Field::NdOptionsType => !icmp6,
            Field::NwSrc | Field::NwDst => icmp6,
            _ => false,
        };
        let bits = mask.get(*field);
        (bits != 0 && !other).then(|| {
            let name = match field {
                Field::TpSrc if icmp6 => "icmpv6_type",
                Field::TpDst if icmp6 => "icmpv6_code",
                Field::EthType => "dl_type",
                Field::NwProto => "nw_proto",
                field => field.name(),
            };
            format!(",{name}={}", masked(*field, key.get(*field), bits))
        })
    };
    told.iter().filter_map(condition).collect()
}

fn masked(field: Field, value: u128, mask: u128) -> String {
    match mask == field.max() {
        true => number(field, value),
        false => format!("{}/{}", number(field, value), number(field, mask)),
    }
}

fn number(field: Field, value: u128) -> String {
    match field {
        Field::EthSrc | Field::EthDst | Field::ArpSha | Field::ArpTha | Field::NdSll | Field::NdTll => {
            let [.., a, b, c, d, e, f] = value.to_be_bytes();
            format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
        }
        Field::NwSrc | Field::NwDst => Ipv4Addr::from(value as u32).to_string(),
        Field::Ipv6Src | Field::Ipv6Dst | Field::NdTarget => Ipv6Addr::from(value).to_string(),
        Field::ActsetOutput if value == 0xffff_fff7 => "unset".into(),
        Field::InPort | Field::ConjId | Field::ActsetOutput => value.to_string(),
        _ => format!("{value:#x}"),
    }
}

/// The name of a field in an action, which depends on the frames that the rule is for.
fn name(field: Field, matching: &Match) -> &'static str {
    let protocol = matching.key().get(Field::NwProto);
    let (arp, tcp, sctp) = (matching.key().get(Field::EthType) == 0x0806, protocol == 6, protocol == 132);
    match field {
        Field::NwSrc if arp => "arp_spa",
        Field::NwDst if arp => "arp_tpa",
        Field::NwSrc => "ip_src",
        Field::NwDst => "ip_dst",
        Field::TpSrc if tcp => "tcp_src",
        Field::TpDst if tcp => "tcp_dst",
        Field::TpSrc if sctp => "sctp_src",
        Field::TpDst if sctp => "sctp_dst",
        Field::TpSrc => "udp_src",
        Field::TpDst => "udp_dst",
        field => field.name(),
    }
}

fn actions(actions: &[RuleAction], matching: &Match) -> Vec<String> {
    actions.iter().map(|one| action(one, matching)).collect()
}

fn part(part: &Part, matching: &Match) -> String {
    format!("{}[{}..{}]", name(part.field, matching), part.offset, part.offset + part.bits - 1)
}

fn action(action: &RuleAction, matching: &Match) -> String {
    match action {
        RuleAction::Output(port) => format!("output:{port}"),
        RuleAction::OutputCut { port, max_len } => format!("output(port={port},max_len={max_len})"),
        RuleAction::OutputReg(from) => format!("output:{}", part(from, matching)),
        RuleAction::InPort => "in_port".into(),
        RuleAction::All => "all".into(),
        RuleAction::Flood => "flood".into(),
        RuleAction::Normal => "normal".into(),
        RuleAction::Group(group) => format!("group:{}", group.0),
        RuleAction::SetField { field: Field::InPort, value, .. } => format!("load:{value}->NXM_OF_IN_PORT[]"),
        RuleAction::SetField { field, value, mask } => {
            format!("set_field:{}->{}", masked(*field, *value, *mask), name(*field, matching))
        }
        RuleAction::Move { from, to } if from.field == Field::InPort => {
            format!("move:NXM_OF_IN_PORT[0..15]->{}", part(to, matching))
        }
        RuleAction::Move { from, to } => format!("move:{}->{}", part(from, matching), part(to, matching)),
        RuleAction::PushVlan { tpid } => format!("push_vlan:{tpid:#x}"),
        RuleAction::PopVlan => "pop_vlan".into(),
        RuleAction::DecTtl => "dec_ttl".into(),
        RuleAction::DecTtlOrTell(controllers) => {
            let ids: Vec<_> = controllers.iter().map(u16::to_string).collect();
            format!("dec_ttl({})", ids.join(","))
        }
        RuleAction::Controller { max_len, .. } => format!("controller:{max_len}"),
        RuleAction::SetQueue(queue) => format!("set_queue:{}", queue.0),
        RuleAction::Multipath(_) | RuleAction::Bundle(_) => {
            unreachable!("by which hash is not said: rules that are compared have none")
        }
        RuleAction::CheckLarger { len, to } => format!("check_pkt_larger({len})->{}", part(to, matching)),
        RuleAction::PopQueue => "pop_queue".into(),
        RuleAction::PushMpls { ether_type } => format!("push_mpls:{ether_type:#x}"),
        RuleAction::PopMpls { ether_type } => format!("pop_mpls:{ether_type:#x}"),
        RuleAction::DecMplsTtl => "dec_mpls_ttl".into(),
        RuleAction::PushPbb | RuleAction::PopPbb | RuleAction::CopyTtlOut | RuleAction::CopyTtlIn => {
            unreachable!("Open vSwitch has no {action:?}")
        }
        RuleAction::Resubmit { port, table } => format!(
            "resubmit({},{})",
            port.map_or(String::new(), |port| port.to_string()),
            table.map_or(String::new(), |table| table.0.to_string()),
        ),
        RuleAction::Conjunction(Clause { id, of, number }) => format!("conjunction({id},{number}/{of})"),
        RuleAction::Push(from) => format!("push:{}", part(from, matching)),
        RuleAction::Pop(to) => format!("pop:{}", part(to, matching)),
        // What it does lies between frames: control's tests compare that.
        RuleAction::Learn(_) | RuleAction::FinTimeout { .. } => unreachable!("no rule here has {action:?}"),
        RuleAction::Exit => "exit".into(),
        RuleAction::Note(bytes) => {
            let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("note:{}", bytes.join("."))
        }
        RuleAction::Clone(list) => format!("clone({})", actions(list, matching).join(",")),
    }
}
