//! What stands behind `actions=`.
//!
//! Each action is checked against the match and the actions before it: a header is set only where every frame of the flow
//! has it. Two families are accepted without that, as in Open vSwitch: `mod_vlan_*` adds the tag that is missing, and
//! `strip_vlan` leaves a frame without a tag alone.

use super::conditions::read_table;
use super::context::{Context, Needs, TAG_PRESENT, Tag};
use super::fields::{self, Form, NAMES, Name, Set};
use super::parts::{NamedPart, is_there, read_part};
use super::ports::PortNames;
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::{Bits, read_ipv4, read_mac, read_number, read_port, read_setting, settable};
use super::words;
use datapath::flow::Field;
use datapath::pipeline::{GroupId, Part, RuleAction};
use std::collections::BTreeSet;

/// How many actions a flow may have.
pub const ACTIONS_MAX: usize = 256;

const TPID_8021Q: u16 = 0x8100;
const TPID_8021AD: u16 = 0x88a8;

/// How deep clones may be nested.
const NESTED_MAX: usize = 16;

/// What is known beside the text.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) ports: &'a dyn PortNames,
    /// The groups that there are; None when that is not known.
    pub(super) groups: Option<&'a BTreeSet<GroupId>>,
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
    known: Known<'a>,
    place: Place,
    context: Context,
    drop: Option<Fault>,
    /// How many clones this is inside of.
    depth: usize,
    /// How many actions were read, those inside of others too.
    count: usize,
    actions: Vec<RuleAction>,
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

    fn push_action(&mut self, action: RuleAction) {
        self.count += 1;
        self.actions.push(action);
    }

    fn action(&mut self, word: Word<'_>) -> Result<(), Fault> {
        match word.key.text {
            "output" => self.output(word.argument()?),
            "group" => self.group(word.argument()?),
            "set_field" => self.set_field(word.argument()?),
            "load" => self.load(word.argument()?),
            "move" => self.copy(word.argument()?),
            "resubmit" => self.resubmit(word),
            "clone" => self.clone_of(word),
            "dec_ttl" => self.dec_ttl(word),
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
            instruction if words::INSTRUCTIONS.contains(&instruction) => {
                Err(word.key.fault(format!("{instruction} stands in a flow, and not inside of anything")))
            }
            _ => self.bare_port(word),
        }
    }

    fn output(&mut self, to: Span<'_>) -> Result<(), Fault> {
        let ports = self.known.ports;
        let reserved = match to.text.to_ascii_lowercase().as_str() {
            "in_port" => Some(RuleAction::InPort),
            "all" => Some(RuleAction::All),
            "flood" => Some(RuleAction::Flood),
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

    fn output_field(&self, text: Span<'_>) -> Result<Part, Fault> {
        if self.place == Place::ActionSet {
            return Err(text.fault("an action set has no output to the port that a field says"));
        }
        self.source(text)
    }

    fn group(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let group = read_group_id(text)?;
        check_group(group, text, self.known.groups)?;
        self.push_action(RuleAction::Group(group));
        Ok(())
    }

    fn dec_ttl(&mut self, word: Word<'_>) -> Result<(), Fault> {
        if let Some(ids) = word.value.filter(|value| !value.text.is_empty()) {
            return Err(ids.fault("dec_ttl with numbers of controllers is not supported yet"));
        }
        if !self.context.meets(Needs::Ip) {
            return Err(word.key.fault(format!("dec_ttl needs {}", Needs::Ip.advice())));
        }
        self.push_action(RuleAction::DecTtl);
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
    fn not_in_a_set(&self, word: &Word<'_>) -> Result<(), Fault> {
        let name = word.key.text;
        match self.place {
            Place::Flow => Ok(()),
            Place::ActionSet => Err(word.key.fault(format!("an action set has no {name}"))),
            Place::Bucket => Err(word.key.fault(format!("{name} in a bucket is not supported yet"))),
        }
    }

    /// `load:VALUE->FIELD[BITS]`.
    fn load(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let Some((value, target)) = text.split_once("->") else {
            return Err(text.fault("load is written load:VALUE->FIELD[] or load:VALUE->FIELD[0..15]"));
        };
        let to = read_part(target)?;
        self.check(to.name, target)?;
        let max = to.part.mask() >> to.part.offset;
        let number = read_number(value.text, max).map_err(|message| value.fault(message))?;
        let bits = Bits { field: to.part.field, value: number << to.part.offset, mask: to.mask() };
        let tagged = self.context.tag == Tag::Present;
        self.set(settable(to.name, bits, tagged).map_err(|message| value.fault(message))?);
        Ok(())
    }

    /// `move:FIELD[BITS]->FIELD[BITS]`.
    fn copy(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let Some((source, target)) = text.split_once("->") else {
            return Err(text.fault("move is written move:FIELD[]->FIELD[] or move:FIELD[0..7]->FIELD[8..15]"));
        };
        let from = self.source(source)?;
        let to = read_part(target)?;
        self.check(to.name, target)?;
        if from.bits != to.part.bits {
            let message =
                format!("{} bits do not fit {}: write which, as in reg0[0..15]", from.bits, to.part.bits);
            return Err(text.fault(message));
        }
        let tag_may_go = to.part.field == Field::VlanTci
            && (self.context.tag != Tag::Present || to.part.mask() & TAG_PRESENT != 0);
        if tag_may_go {
            return Err(
                target.fault("whether there is a tag is not copied: push_vlan, then move to vlan_vid")
            );
        }
        self.push_action(RuleAction::Move { from, to: to.part });
        Ok(())
    }

    /// Part of a field that every frame of this flow has.
    fn source(&self, text: Span<'_>) -> Result<Part, Fault> {
        let NamedPart { name, part } = read_part(text)?;
        if is_there(name, &self.context) {
            return Ok(part);
        }
        Err(text.fault(format!("{} needs {}", name.names[0], name.needs.advice())))
    }

    /// A word that is no action: a port, or a mistake.
    fn bare_port(&mut self, word: Word<'_>) -> Result<(), Fault> {
        let name = word.key.text;
        let lower = name.to_ascii_lowercase();
        if words::lists(words::ACTIONS_NOT_YET, &lower) && self.known.ports.number(name).is_none() {
            return Err(word.key.fault(format!("the action {name} is not supported yet")));
        }
        let is_port = self.known.ports.number(name.trim_matches('"')).is_some()
            || matches!(lower.as_str(), "in_port" | "all" | "flood")
            || name.bytes().all(|byte| byte.is_ascii_digit());
        if !is_port {
            let known = words::ACTIONS.iter().copied().chain(self.known.ports.names());
            let message = format!("{name:?} is no action and no port{}", did_you_mean(name, known));
            return Err(word.key.fault(message));
        }
        word.bare()?;
        self.output(word.key)
    }

    /// `set_field:VALUE[/MASK]->FIELD`.
    fn set_field(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let Some((value, target)) = text.split_once("->") else {
            return Err(
                text.fault("set_field is written set_field:VALUE->FIELD or set_field:VALUE/MASK->FIELD")
            );
        };
        let Some(name) = fields::find(target.text) else {
            let message = if words::lists(words::FIELDS_NOT_YET, target.text) {
                format!("the field {} is not supported yet", target.text)
            } else {
                let known = NAMES.iter().flat_map(|name| name.names.iter().copied());
                format!("{:?} is no field{}", target.text, did_you_mean(target.text, known))
            };
            return Err(target.fault(message));
        };
        self.check(name, target)?;
        if value.text.is_empty() {
            return Err(text.fault("set_field needs a value in front of ->"));
        }
        let tagged = self.context.tag == Tag::Present;
        let bits = read_setting(name, value.text, tagged, self.known.ports);
        self.set(bits.map_err(|message| value.fault(message))?);
        Ok(())
    }

    /// Whether a field can be set in the frames of this flow.
    fn check(&self, name: &Name, place: Span<'_>) -> Result<(), Fault> {
        let field = name.names[0];
        match name.set {
            Set::When(needs) if self.context.meets(needs) => Ok(()),
            Set::When(needs) if self.context.hidden_by_fragments(needs) => {
                Err(place.fault(format!("setting {field}: later fragments do not carry that header")))
            }
            Set::When(needs) => Err(place.fault(format!("setting {field} needs {}", needs.advice()))),
            Set::ReadOnly => Err(place.fault(format!("{field} can be matched and not set"))),
            Set::NotYet => Err(place.fault(format!("setting {field} is not supported yet"))),
            Set::Instead(other) => Err(place.fault(format!("set_field knows it as {other}"))),
        }
    }

    fn set(&mut self, Bits { field, value, mask }: Bits) {
        if field == Field::VlanTci {
            self.context.tag = Tag::Present;
        }
        self.push_action(RuleAction::SetField { field, value, mask });
    }

    /// An action of OpenFlow 1.0 that sets one field to one value.
    fn modify(&mut self, word: Word<'_>, field: &str) -> Result<(), Fault> {
        let value = word.argument()?;
        let Some(name) = fields::find(field) else {
            return Err(word
                .key
                .fault(format!("{} needs TCP, UDP or SCTP: add tcp, udp or sctp", word.key.text)));
        };
        self.check(name, word.key)?;
        let read = match name.form {
            Form::Mac => read_mac(value.text).map(u128::from),
            Form::Ipv4 => read_ipv4(value.text).map(|address| address.to_bits().into()),
            _ => read_number(value.text, name.max),
        };
        let mut bits = Bits {
            field: name.field,
            value: read.map_err(|message| value.fault(message))?,
            mask: name.field.max(),
        };
        if name.form == Form::Tos {
            if bits.value & 3 != 0 {
                return Err(value.fault("the two lower bits of the type of service are set by mod_nw_ecn"));
            }
            bits = Bits { field: Field::IpDscp, value: bits.value >> 2, mask: Field::IpDscp.max() };
        }
        self.set(bits);
        Ok(())
    }

    /// The name of a port field in the transport protocol of this flow; an unknown name when there is none.
    fn port_field(&self, [tcp, udp, sctp]: [&'static str; 3]) -> &'static str {
        let names = [tcp, udp, sctp];
        let fits = |name: &&str| {
            fields::find(name)
                .is_some_and(|name| matches!(name.set, Set::When(needs) if self.context.meets(needs)))
        };
        names.into_iter().find(fits).unwrap_or("")
    }

    /// Sets a part of the tag, and adds the tag where it is missing.
    fn modify_tag(
        &mut self,
        word: Word<'_>,
        field: Field,
        always: u128,
        max: u128,
        shift: u32,
    ) -> Result<(), Fault> {
        let text = word.argument()?;
        let value = read_number(text.text, max).map_err(|message| text.fault(message))?;
        if self.context.tag == Tag::Absent {
            self.push(TPID_8021Q);
        }
        let bits = match self.context.tag {
            Tag::Present => Bits { field, value: value | always, mask: field.max() },
            _ => Bits {
                field: Field::VlanTci,
                value: value << shift | TAG_PRESENT,
                mask: max << shift | TAG_PRESENT,
            },
        };
        self.set(bits);
        Ok(())
    }

    fn push_vlan(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let tpid = read_number(text.text, u16::MAX.into()).map_err(|message| text.fault(message))? as u16;
        if !matches!(tpid, TPID_8021Q | TPID_8021AD) {
            return Err(text.fault(format!("{tpid:#x} is no VLAN Ethernet type: 0x8100 or 0x88a8")));
        }
        self.push(tpid);
        Ok(())
    }

    fn push(&mut self, tpid: u16) {
        self.push_action(RuleAction::PushVlan { tpid });
        self.context.tag = Tag::Present;
    }

    /// Takes the tag away. A frame may have had two, so afterwards nothing is known.
    fn pop_vlan(&mut self, word: Word<'_>) -> Result<(), Fault> {
        word.bare()?;
        self.push_action(RuleAction::PopVlan);
        self.context.tag = Tag::Unknown;
        Ok(())
    }
}

/// The largest number that a group can have (OpenFlow 1.3 section 7.3.4.3, `OFPG_MAX`).
pub(super) const GROUP_ID_MAX: u32 = 0xffff_ff00;

/// The number of a group.
pub(super) fn read_group_id(text: Span<'_>) -> Result<GroupId, Fault> {
    let number = read_number(text.text, GROUP_ID_MAX.into()).map_err(|message| text.fault(message))?;
    Ok(GroupId(number as u32))
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
