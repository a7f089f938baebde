//! What stands behind `actions=`.
//!
//! Each action is checked against the match and the actions before it: a header is set only where every frame of the flow
//! has it. Two families are accepted without that, as in Open vSwitch: `mod_vlan_*` adds the tag that is missing, and
//! `strip_vlan` leaves a frame without a tag alone.

use super::context::{Context, TAG_PRESENT, Tag};
use super::fields::{self, Form, NAMES, Name, Set};
use super::ports::PortNames;
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::{Bits, read_ipv4, read_mac, read_number, read_port, read_setting};
use super::words;
use datapath::flow::Field;
use datapath::pipeline::{Match, RuleAction};

/// How many actions a flow may have.
pub const ACTIONS_MAX: usize = 256;

const TPID_8021Q: u16 = 0x8100;
const TPID_8021AD: u16 = 0x88a8;

/// Reads a list of actions of a flow with this match.
pub(super) fn read_actions(
    text: Span<'_>,
    matching: &Match,
    ports: &dyn PortNames,
) -> Result<Vec<RuleAction>, Fault> {
    let mut reading = Reading { ports, context: Context::of(matching), actions: Vec::new() };
    let mut words = Words::of(text);
    let mut drop: Option<Span<'_>> = None;
    while let Some(word) = words.next()? {
        match word.key.text {
            "drop" => {
                word.bare()?;
                drop = Some(word.key);
            }
            _ => reading.word(word)?,
        }
        if reading.actions.len() > ACTIONS_MAX {
            return Err(word.key.fault(format!("too many actions: at most {ACTIONS_MAX}")));
        }
    }
    match drop {
        Some(place) if !reading.actions.is_empty() => {
            Err(place.fault("drop stands alone: no other action with it"))
        }
        _ => Ok(reading.actions),
    }
}

struct Reading<'a> {
    ports: &'a dyn PortNames,
    context: Context,
    actions: Vec<RuleAction>,
}

impl Reading<'_> {
    fn word(&mut self, word: Word<'_>) -> Result<(), Fault> {
        match word.key.text {
            "output" => self.output(word.argument()?),
            "set_field" => self.set_field(word.argument()?),
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
            _ => self.bare_port(word),
        }
    }

    fn output(&mut self, port: Span<'_>) -> Result<(), Fault> {
        if port.text.eq_ignore_ascii_case("in_port") {
            self.actions.push(RuleAction::InPort);
            return Ok(());
        }
        let port = read_port(port.text, self.ports).map_err(|message| port.fault(message))?;
        self.actions.push(RuleAction::Output(port));
        Ok(())
    }

    /// A word that is no action: a port, or a mistake.
    fn bare_port(&mut self, word: Word<'_>) -> Result<(), Fault> {
        let name = word.key.text;
        let lower = name.to_ascii_lowercase();
        if words::lists(words::ACTIONS_NOT_YET, &lower) && self.ports.number(name).is_none() {
            return Err(word.key.fault(format!("the action {name} is not supported yet")));
        }
        let is_port = self.ports.number(name.trim_matches('"')).is_some()
            || lower == "in_port"
            || name.bytes().all(|byte| byte.is_ascii_digit());
        if !is_port {
            let known = words::ACTIONS.iter().copied().chain(self.ports.names());
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
        let bits = read_setting(name, value.text, self.ports).map_err(|message| value.fault(message))?;
        self.set(bits);
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
        self.actions.push(RuleAction::SetField { field, value, mask });
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
        self.actions.push(RuleAction::PushVlan { tpid });
        self.context.tag = Tag::Present;
    }

    /// Takes the tag away. A frame may have had two, so afterwards nothing is known.
    fn pop_vlan(&mut self, word: Word<'_>) -> Result<(), Fault> {
        word.bare()?;
        self.actions.push(RuleAction::PopVlan);
        self.context.tag = Tag::Unknown;
        Ok(())
    }
}
