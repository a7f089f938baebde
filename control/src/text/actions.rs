//! What stands behind `actions=`.
//!
//! Each action is checked against the match and the actions before it: a header is set only where every frame of the flow
//! has it. Two families are accepted without that, as in Open vSwitch: `mod_vlan_*` adds the tag that is missing, and
//! `strip_vlan` leaves a frame without a tag alone.

use super::conditions::read_table;
use super::controller;
use super::fields;
use super::ports::PortNames;
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::{read_number, read_port};
use super::words;
use crate::ofproto::context::{Context, Needs, TAG_PRESENT};
use crate::ofproto::reserved;
use datapath::flow::Field;
use datapath::pipeline::{GroupId, METER_ID_MAX, MeterId, Part, RuleAction};
use std::collections::BTreeSet;

/// How many actions a flow may have.
pub const ACTIONS_MAX: usize = 256;

/// The least that a frame is cut to: an Ethernet header.
const CUT_MIN: u32 = 14;
/// How deep clones may be nested.
const NESTED_MAX: usize = 16;

/// What is known beside the text.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) ports: &'a dyn PortNames,
    pub(super) there: There<'a>,
}

/// What flows may lead to. None: that is not known, and nothing is refused for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct There<'a> {
    /// The groups that there are.
    pub groups: Option<&'a BTreeSet<GroupId>>,
    /// The meters that there are.
    pub meters: Option<&'a BTreeSet<MeterId>>,
}

/// Where actions stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// They are done when the flow is found.
    Flow,
    /// In the action set: done at the end, each kind once (OpenFlow 1.3 section 5.10).
    ActionSet,
    /// In the bucket of a group, which is an action set too.
    Bucket,
}

/// Actions as they are read, one word after the other.
pub(super) struct Reading<'a> {
    pub(super) known: Known<'a>,
    pub(super) place: Place,
    pub(super) context: Context,
    drop: Option<Fault>,
    /// How many clones this is inside of.
    pub(super) depth: usize,
    /// How many actions were read, those inside of others too.
    count: usize,
    pub(super) actions: Vec<RuleAction>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(known: Known<'a>, place: Place, context: Context) -> Reading<'a> {
        Reading { known, place, context, drop: None, depth: 0, count: 0, actions: Vec::new() }
    }

    /// Actions that stand elsewhere in the same flow, after these.
    pub(super) fn inside(&self, place: Place) -> Reading<'a> {
        Reading {
            place,
            count: self.count,
            depth: self.depth,
            ..Reading::new(self.known, place, self.context)
        }
    }

    /// Whether there is anything, if only a `drop`.
    pub(super) fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.drop.is_none()
    }

    /// The actions, when there are no more.
    pub(super) fn finish(self) -> Result<Vec<RuleAction>, Fault> {
        match self.drop {
            Some(fault) if !self.actions.is_empty() => Err(fault),
            _ => Ok(self.actions),
        }
    }

    /// Whether `drop` was read, which allows nothing beside it.
    pub(super) fn drop_alone(&self) -> Result<(), Fault> {
        self.drop.clone().map_or(Ok(()), Err)
    }

    /// Reads all words of a list.
    pub(super) fn list(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let mut words = Words::of(text);
        while let Some(word) = words.next()? {
            self.word(word)?;
        }
        Ok(())
    }

    /// Reads one action.
    pub(super) fn word(&mut self, word: Word<'_>) -> Result<(), Fault> {
        if word.key.text == "drop" {
            word.bare()?;
            self.drop = Some(word.key.fault("drop stands alone: no other action with it"));
            return Ok(());
        }
        self.action(word)?;
        if self.count > ACTIONS_MAX {
            return Err(word.key.fault(format!("too many actions: at most {ACTIONS_MAX}")));
        }
        Ok(())
    }

    pub(super) fn push_action(&mut self, action: RuleAction) {
        self.context.after(&action);
        self.count += 1;
        self.actions.push(action);
    }

    fn action(&mut self, word: Word<'_>) -> Result<(), Fault> {
        match word.key.text {
            "output" if word.value.is_some_and(|value| value.text.contains("max_len")) => {
                self.output_cut(&word)
            }
            "output" => self.output(word.argument()?),
            "group" => self.group(word.argument()?),
            "set_queue" => self.set_queue(word.argument()?),
            "pop_queue" => self.pop_queue(word),
            "enqueue" => self.enqueue(word),
            "set_field" => self.set_field(word.argument()?),
            "load" => self.load(word.argument()?),
            "move" => self.copy(word.argument()?),
            "delete_field" => self.delete_field(word.argument()?),
            "resubmit" => self.resubmit(word),
            "clone" => self.clone_of(word),
            "dec_ttl" => self.dec_ttl(word),
            "push_mpls" => self.push_mpls(word.argument()?),
            "pop_mpls" => self.pop_mpls(word),
            "set_mpls_label" => self.modify(word, "mpls_label"),
            "set_mpls_tc" => self.modify(word, "mpls_tc"),
            "set_mpls_ttl" => self.modify(word, "mpls_ttl"),
            "dec_mpls_ttl" => self.bare_action(word, Needs::Mpls, RuleAction::DecMplsTtl),
            "push_pbb" => self.push_pbb(word.argument()?),
            "pop_pbb" => self.bare_action(word, Needs::Backbone, RuleAction::PopPbb),
            "copy_ttl_out" => self.bare_action(word, Needs::Nothing, RuleAction::CopyTtlOut),
            "copy_ttl_in" => self.bare_action(word, Needs::Nothing, RuleAction::CopyTtlIn),
            "conjunction" => self.conjunction(word),
            "note" => self.note(word),
            "push" => self.push_part(word),
            "pop" => self.pop_part(word),
            "exit" => self.exit(word),
            "multipath" => self.multipath(word),
            "bundle" => self.bundle(word, false),
            "bundle_load" => self.bundle(word, true),
            "check_pkt_larger" => self.check_larger(word),
            "learn" => self.learn(word),
            "fin_timeout" => self.fin_timeout(word),
            "mod_dl_src" => self.modify(word, "eth_src"),
            "mod_dl_dst" => self.modify(word, "eth_dst"),
            "mod_nw_src" => self.modify(word, "ip_src"),
            "mod_nw_dst" => self.modify(word, "ip_dst"),
            "mod_nw_tos" => self.modify(word, "nw_tos"),
            "mod_nw_ecn" => self.modify(word, "nw_ecn"),
            "mod_nw_ttl" => self.modify(word, "nw_ttl"),
            "mod_tp_src" => self.modify(word, self.port_field(["tcp_src", "udp_src", "sctp_src"])),
            "mod_tp_dst" => self.modify(word, self.port_field(["tcp_dst", "udp_dst", "sctp_dst"])),
            "mod_vlan_vid" | "set_vlan_vid" => self.modify_tag(word, Field::VlanVid, TAG_PRESENT, 0xfff, 0),
            "mod_vlan_pcp" | "set_vlan_pcp" => self.modify_tag(word, Field::VlanPcp, 0, 7, 13),
            "strip_vlan" | "pop_vlan" => self.pop_vlan(word),
            "push_vlan" => self.push_vlan(word.argument()?),
            "set_tunnel" | "set_tunnel64" => self.modify(word, "tun_id"),
            "meter" => {
                Err(word.key.fault("meter stands first of all that a flow does, and not inside of anything"))
            }
            instruction if words::INSTRUCTIONS.contains(&instruction) => {
                Err(word.key.fault(format!("{instruction} stands in a flow, and not inside of anything")))
            }
            name if name.eq_ignore_ascii_case("controller") => self.controller(word),
            _ => self.bare_port(word),
        }
    }

    pub(super) fn output(&mut self, to: Span<'_>) -> Result<(), Fault> {
        let ports = self.known.ports;
        let reserved = match to.text.to_ascii_lowercase().as_str() {
            "in_port" => Some(RuleAction::InPort),
            "all" => Some(RuleAction::All),
            "flood" => Some(RuleAction::Flood),
            "controller" => Some(controller::plain()),
            "normal" => Some(RuleAction::Normal),
            _ => None,
        };
        let is_field =
            to.text.contains('[') || ports.number(to.text).is_none() && fields::find_bits(to.text).is_some();
        let action = match reserved {
            Some(action) => action,
            None if is_field => RuleAction::OutputReg(self.output_field(to)?),
            None => RuleAction::Output(read_port(to.text, ports).map_err(|message| to.fault(message))?),
        };
        self.push_action(action);
        Ok(())
    }

    /// `output(port=PORT,max_len=BYTES)`.
    fn output_cut(&mut self, word: &Word<'_>) -> Result<(), Fault> {
        if self.place != Place::Flow {
            return Err(word
                .key
                .fault("max_len is for outputs of flows, not for those of an action set or a bucket"));
        }
        let text = word.argument()?;
        let (mut port, mut max_len) = (None, None);
        let mut words = Words::of(text);
        while let Some(word) = words.next()? {
            let value = word.argument()?;
            match word.key.text {
                "port" if value.text.eq_ignore_ascii_case("in_port") => port = Some(reserved::IN_PORT),
                "port" => {
                    let read = read_port(value.text, self.known.ports);
                    port = Some(read.map_err(|message| value.fault(message))?);
                }
                "max_len" => {
                    let read = read_number(value.text, u32::MAX.into()).map_err(|m| value.fault(m))? as u32;
                    if read < CUT_MIN {
                        return Err(value.fault(format!("a frame is cut to {CUT_MIN} bytes at the least")));
                    }
                    max_len = Some(read);
                }
                _ => return Err(word.key.fault("output is written output(port=PORT,max_len=BYTES)")),
            }
        }
        let (Some(port), Some(max_len)) = (port, max_len) else {
            return Err(text.fault("output is written output(port=PORT,max_len=BYTES)"));
        };
        self.push_action(RuleAction::OutputCut { port, max_len });
        Ok(())
    }

    fn output_field(&self, text: Span<'_>) -> Result<Part, Fault> {
        if self.place == Place::ActionSet {
            return Err(text.fault("an action set has no output to the port that a field says"));
        }
        self.source(text)
    }

    fn group(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let group = read_group_id(text)?;
        check_group(group, text, self.known.there.groups)?;
        self.push_action(RuleAction::Group(group));
        Ok(())
    }

    /// `resubmit:PORT` or `resubmit([PORT],[TABLE])`.
    fn resubmit(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let text = word.argument()?;
        let (port, table) = match text.split_once(",") {
            Some((port, table)) => (port, Some(table)),
            None => (text, None),
        };
        if let Some(more) = table.filter(|table| table.text.contains(',')) {
            return Err(more.fault("resubmit takes a port and a table; more is not supported yet"));
        }
        let port = match port.text.trim() {
            "" => None,
            name if name.eq_ignore_ascii_case("in_port") => None,
            name => Some(read_port(name, self.known.ports).map_err(|message| port.fault(message))?),
        };
        let table = table.filter(|table| !table.text.trim().is_empty());
        let table = table.map(|table| read_table(table.trim())).transpose()?;
        if port.is_none() && table.is_none() {
            return Err(word.key.fault("resubmit needs a port or a table, as in resubmit(,1)"));
        }
        self.push_action(RuleAction::Resubmit { port, table });
        Ok(())
    }

    fn clone_of(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let Some(text) = word.value else {
            return Err(word.key.fault("clone is written clone(ACTIONS)"));
        };
        if self.depth == NESTED_MAX {
            return Err(word.key.fault(format!("clones are nested deeper than {NESTED_MAX}")));
        }
        let mut inner = self.inside(self.place);
        inner.depth += 1;
        inner.list(text)?;
        self.count = inner.count;
        let actions = inner.finish()?;
        self.push_action(RuleAction::Clone(actions));
        Ok(())
    }

    /// Refuses what an action set does not have.
    pub(super) fn not_in_a_set(&self, word: &Word<'_>) -> Result<(), Fault> {
        let name = word.key.text;
        match self.place {
            Place::Flow => Ok(()),
            Place::ActionSet => Err(word.key.fault(format!("an action set has no {name}"))),
            Place::Bucket => Err(word.key.fault(format!("{name} in a bucket is not supported yet"))),
        }
    }

    /// A word that is no action: a port, or a mistake.
    fn bare_port(&mut self, word: Word<'_>) -> Result<(), Fault> {
        let name = word.key.text;
        let lower = name.to_ascii_lowercase();
        if words::lists(words::ACTIONS_NOT_YET, &lower) && self.known.ports.number(name).is_none() {
            return Err(word.key.fault(format!("the action {name} is not supported yet")));
        }
        let is_port = self.known.ports.number(name.trim_matches('"')).is_some()
            || matches!(lower.as_str(), "in_port" | "all" | "flood" | "normal" | "local")
            || name.bytes().all(|byte| byte.is_ascii_digit());
        if !is_port {
            let known = words::ACTIONS.iter().copied().chain(self.known.ports.names());
            let message = format!("{name:?} is no action and no port{}", did_you_mean(name, known));
            return Err(word.key.fault(message));
        }
        word.bare()?;
        self.output(word.key)
    }
}

/// The largest number that a group can have (OpenFlow 1.3 section 7.3.4.3, `OFPG_MAX`).
pub(super) const GROUP_ID_MAX: u32 = 0xffff_ff00;

/// The number of a group.
pub(super) fn read_group_id(text: Span<'_>) -> Result<GroupId, Fault> {
    let number = read_number(text.text, GROUP_ID_MAX.into()).map_err(|message| text.fault(message))?;
    Ok(GroupId(number as u32))
}

/// The number of a meter. Those that OpenFlow reserves (OpenFlow 1.3 section A.3.4.4, `OFPM_*`) are refused by name.
pub(super) fn read_meter_id(text: Span<'_>) -> Result<MeterId, Fault> {
    let lower = text.text.to_ascii_lowercase();
    if ["slowpath", "controller", "all"].contains(&lower.as_str()) {
        return Err(text.fault(format!("the meter {lower} is not supported yet: a meter is a number")));
    }
    match read_number(text.text, u32::MAX.into()) {
        Ok(number @ 1..) if number <= METER_ID_MAX.into() => Ok(MeterId(number as u32)),
        Ok(_) => Err(text.fault(format!("a meter is a number from 1 to {METER_ID_MAX}"))),
        Err(message) => Err(text.fault(message)),
    }
}

/// Refuses a meter that is known not to be there.
pub(super) fn check_meter(
    meter: MeterId,
    place: Span<'_>,
    meters: Option<&BTreeSet<MeterId>>,
) -> Result<(), Fault> {
    match meters {
        Some(meters) if !meters.contains(&meter) => {
            Err(place
                .fault(format!("there is no meter {}: meters are listed in a file of their own", meter.0)))
        }
        _ => Ok(()),
    }
}

/// Refuses a group that is known not to be there.
pub(super) fn check_group(
    group: GroupId,
    place: Span<'_>,
    groups: Option<&BTreeSet<GroupId>>,
) -> Result<(), Fault> {
    match groups {
        Some(groups) if !groups.contains(&group) => {
            Err(place
                .fault(format!("there is no group {}: groups are listed in a file of their own", group.0)))
        }
        _ => Ok(()),
    }
}
