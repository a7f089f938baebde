//! The actions that write fields: set_field, load, move, those of OpenFlow 1.0 for one field each, and tags.

use super::actions::Reading;
use super::fields::{self, Form, NAMES, Name, Set};
use super::options;
use super::parts::{NamedPart, is_there, read_part};
use super::scan::{Fault, Span, Word};
use super::suggest::did_you_mean;
use super::value::{Bits, read_ipv4, read_mac, read_number, read_setting, settable};
use super::words;
use crate::ofproto::context::{TAG_PRESENT, Tag};
use datapath::flow::Field;
use datapath::pipeline::{Part, RuleAction};

const TPID_8021Q: u16 = 0x8100;
const TPID_8021AD: u16 = 0x88a8;

impl Reading<'_> {
    /// `load:VALUE->FIELD[BITS]`.
    pub(super) fn load(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let Some((value, target)) = text.split_once("->") else {
            return Err(text.fault("load is written load:VALUE->FIELD[] or load:VALUE->FIELD[0..15]"));
        };
        let to = read_part(target, self.known.ports)?;
        self.check(to.name, target)?;
        let max = to.part.mask() >> to.part.offset;
        let number = read_number(value.text, max).map_err(|message| value.fault(message))?;
        let bits = Bits { field: to.part.field, value: number << to.part.offset, mask: to.mask() };
        let tagged = self.context.tag == Tag::Present;
        self.set(settable(to.name, bits, tagged).map_err(|message| value.fault(message))?);
        Ok(())
    }

    /// `move:FIELD[BITS]->FIELD[BITS]`.
    pub(super) fn copy(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let Some((source, target)) = text.split_once("->") else {
            return Err(text.fault("move is written move:FIELD[]->FIELD[] or move:FIELD[0..7]->FIELD[8..15]"));
        };
        let from = self.source(source)?;
        let to = read_part(target, self.known.ports)?;
        self.check(to.name, target)?;
        if from.bits != to.part.bits {
            let message =
                format!("{} bits do not fit {}: write which, as in reg0[0..15]", from.bits, to.part.bits);
            return Err(text.fault(message));
        }
        if to.part.field == Field::VlanTci {
            match (to.part.mask() & TAG_PRESENT != 0, self.context.tag) {
                (true, _) => self.context.tag = Tag::Unknown,
                (false, Tag::Present) => {}
                (false, _) => {
                    return Err(target.fault(
                        "not every frame of this flow has a tag: push_vlan before, or copy to vlan_tci[] as a whole",
                    ));
                }
            }
        }
        self.push_action(RuleAction::Move { from, to: to.part });
        Ok(())
    }

    /// `push:FIELD[BITS]`.
    pub(super) fn push_part(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let from = self.source(word.argument()?)?;
        self.push_action(RuleAction::Push(from));
        Ok(())
    }

    /// `pop:FIELD[BITS]`.
    pub(super) fn pop_part(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let target = word.argument()?;
        let to = read_part(target, self.known.ports)?;
        self.check(to.name, target)?;
        if to.part.field == Field::VlanTci {
            return Err(target.fault("a whole tag is not popped: pop to vlan_vid or vlan_pcp"));
        }
        self.push_action(RuleAction::Pop(to.part));
        Ok(())
    }

    /// `check_pkt_larger(BYTES)->FIELD[BIT]`.
    pub(super) fn check_larger(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let written = || word.key.fault("check_pkt_larger is written check_pkt_larger(BYTES)->FIELD[BIT]");
        let (bytes, target) = word.value.and_then(|text| text.split_once(")->")).ok_or_else(written)?;
        let len = read_number(bytes.text, u16::MAX.into()).map_err(|message| bytes.fault(message))?;
        let to = read_part(target, self.known.ports)?;
        self.check(to.name, target)?;
        if to.part.bits != 1 {
            return Err(target.fault("the answer is one bit: write which, as in reg0[0]"));
        }
        self.push_action(RuleAction::CheckLarger { len: len as u16, to: to.part });
        Ok(())
    }

    /// `delete_field:FIELD`, of a field that can be absent.
    pub(super) fn delete_field(&mut self, text: Span<'_>) -> Result<(), Fault> {
        match options::find(text, self.known.ports)? {
            Some(mapping) => {
                self.push_action(options::deletion(mapping, self.known.ports));
                Ok(())
            }
            None => Err(text.fault("only tun_metadata0 to tun_metadata63 can be taken away")),
        }
    }

    pub(super) fn exit(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        word.bare()?;
        self.push_action(RuleAction::Exit);
        Ok(())
    }

    /// Part of a field that every frame of this flow has.
    pub(super) fn source(&self, text: Span<'_>) -> Result<Part, Fault> {
        let NamedPart { name, part } = read_part(text, self.known.ports)?;
        if is_there(name, &self.context) {
            return Ok(part);
        }
        Err(text.fault(format!("{} needs {}", name.names[0], name.needs.advice())))
    }

    /// `set_field:VALUE[/MASK]->FIELD`.
    pub(super) fn set_field(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let Some((value, target)) = text.split_once("->") else {
            return Err(
                text.fault("set_field is written set_field:VALUE->FIELD or set_field:VALUE/MASK->FIELD")
            );
        };
        if let Some(mapping) = options::find(target, self.known.ports)? {
            let bits = options::settings(mapping, value, self.known.ports)?;
            bits.into_iter().for_each(|bits| self.set(bits));
            return Ok(());
        }
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
    pub(super) fn check(&self, name: &Name, place: Span<'_>) -> Result<(), Fault> {
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

    pub(super) fn set(&mut self, Bits { field, value, mask }: Bits) {
        if field == Field::VlanTci {
            self.context.tag = Tag::Present;
        }
        self.push_action(RuleAction::SetField { field, value, mask });
    }

    /// An action of OpenFlow 1.0 that sets one field to one value.
    pub(super) fn modify(&mut self, word: Word<'_>, field: &str) -> Result<(), Fault> {
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
    pub(super) fn port_field(&self, [tcp, udp, sctp]: [&'static str; 3]) -> &'static str {
        let names = [tcp, udp, sctp];
        let fits = |name: &&str| {
            fields::find(name)
                .is_some_and(|name| matches!(name.set, Set::When(needs) if self.context.meets(needs)))
        };
        names.into_iter().find(fits).unwrap_or("")
    }

    /// Sets a part of the tag, and adds the tag where it is missing.
    pub(super) fn modify_tag(
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

    pub(super) fn push_vlan(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let tpid = read_number(text.text, u16::MAX.into()).map_err(|message| text.fault(message))? as u16;
        if !matches!(tpid, TPID_8021Q | TPID_8021AD) {
            return Err(text.fault(format!("{tpid:#x} is no VLAN Ethernet type: 0x8100 or 0x88a8")));
        }
        self.push(tpid);
        Ok(())
    }

    pub(super) fn push(&mut self, tpid: u16) {
        self.push_action(RuleAction::PushVlan { tpid });
        self.context.tag = Tag::Present;
    }

    /// Takes the tag away. A frame may have had two, so afterwards nothing is known.
    pub(super) fn pop_vlan(&mut self, word: Word<'_>) -> Result<(), Fault> {
        word.bare()?;
        self.push_action(RuleAction::PopVlan);
        self.context.tag = Tag::Unknown;
        Ok(())
    }
}
