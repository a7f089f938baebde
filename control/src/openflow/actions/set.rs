//! The actions that write fields: set_field, those for one field each, load and move in their forms, and tags.

use super::parts::{Named, NamedPart, read_field};
use super::{Reading, is_zero};
use crate::ofproto::context::{Needs, TAG_PRESENT, Tag};
use crate::openflow::fields::{FIELDS, Form, WireField, ones};
use crate::openflow::matching::{Value, read_option, read_value};
use crate::openflow::wire::Reader;
use crate::openflow::{Code, Version, options, ports};
use crate::text::options::Wide;
use datapath::flow::Field;
use datapath::pipeline::RuleAction;
use datapath::tunnel::Mapping;
use datapath::wire::ethertype;

const IDENTIFIER: u16 = 0xfff;
const PRIORITY: u8 = 7;

impl Reading {
    /// Of 1.0 no action asks for a match on the header that it changes, as in Open vSwitch: frames without it are left alone.
    pub(super) fn is_v10(&self) -> bool {
        self.version == Version::V10
    }

    pub(super) fn is_v15(&self) -> bool {
        self.version >= Version::V15
    }

    /// Set-Field (OpenFlow 1.3.5 section 7.2.5); with a mask since 1.5.
    pub(super) fn set_field(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        if let Some((mapping, wide)) = read_option(&mut body)? {
            if !options::is_whole(&wide) && !self.is_v15() {
                return Err(Code::BadSetMask);
            }
            return self.set_option(mapping, &wide, &body);
        }
        let value = read_value(&mut body, Code::BadSetType, Code::BadSetLen)?;
        if value.masked && !self.is_v15() {
            return Err(Code::BadSetMask);
        }
        // OpenFlow 1.3.5 section 7.2.5: not the port. Under its name in Nicira's numbering it can be, as in Open vSwitch.
        if value.row.form == Form::Port {
            return Err(Code::BadSetArgument);
        }
        // The bit that says that there is a tag is set along (OpenFlow 1.5.1 section 7.2.6.7).
        if value.row.form == Form::TagId && value.value & value.mask & TAG_PRESENT == 0 {
            return Err(Code::BadSetArgument);
        }
        self.set_value(value, &body)
    }

    /// NXAST_REG_LOAD2, which is what Set-Field is in OpenFlow 1.5.
    pub(super) fn reg_load2(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        if let Some((mapping, wide)) = read_option(&mut body)? {
            return self.set_option(mapping, &wide, &body);
        }
        let value = read_value(&mut body, Code::BadSetType, Code::BadSetLen)?;
        self.set_value(value, &body)
    }

    fn set_option(&mut self, mapping: Mapping, wide: &Wide, rest: &Reader<'_>) -> Result<(), Code> {
        if !is_zero(rest) {
            return Err(Code::BadSetArgument);
        }
        let settings = options::settings(mapping, wide, rest.options());
        if settings.is_empty() {
            return Err(Code::BadSetMask);
        }
        settings.into_iter().for_each(|action| self.push(action));
        Ok(())
    }

    fn set_value(&mut self, value: Value, rest: &Reader<'_>) -> Result<(), Code> {
        if !is_zero(rest) {
            return Err(Code::BadSetArgument);
        }
        self.can_set(value.row)?;
        let whole = Value { mask: value.row.ones(), ..value };
        whole.check().map_err(|_| Code::BadSetArgument)?;
        if value.mask == 0 {
            return Err(Code::BadSetMask);
        }
        self.write(value.row, value.value, value.mask)
    }

    /// NXAST_REG_LOAD: bits of a field by their place.
    pub(super) fn reg_load(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        let (offset, bits) = super::parts::read_range(body.u16()?);
        let mut header = body.part(4, Code::BadActionLen)?;
        let to = NamedPart::new(read_field(&mut header)?, offset, bits)?;
        let value = body.u64()?;
        body.end()?;
        if u128::from(value) & !ones(bits.into()) != 0 {
            return Err(Code::BadArgument);
        }
        let row = match to.named {
            Named::Row(row) => row,
            Named::Option(_) => {
                let part = to.part(body.options())?;
                let value = u128::from(value) << part.offset;
                self.push(RuleAction::SetField { field: part.field, value, mask: part.mask() });
                return Ok(());
            }
        };
        self.can_set(row)?;
        let whole = to.is_whole() && row.form != Form::TagId;
        let mask = if whole { row.ones() } else { ones(bits.into()) << offset };
        self.write(row, u128::from(value) << offset, mask)
    }

    /// Writes bits of a field, given as they are on the wire.
    fn write(&mut self, row: &'static WireField, value: u128, mask: u128) -> Result<(), Code> {
        let whole = mask == row.ones();
        // All of a narrow value is all of the bits that a key has for it.
        let all = |bits: u128| if whole && !row.maskable { row.field.max() } else { mask & bits };
        let (field, value, mask) = match row.form {
            // The two lower bits are another field.
            Form::Tos if whole || mask & 0xfc == 0xfc => (Field::IpDscp, value >> 2, Field::IpDscp.max()),
            Form::Tos => (row.field, value & 0xfc, mask & 0xfc),
            Form::TagId => (row.field, value, all(row.field.max())),
            Form::ShortPort if whole => {
                (row.field, ports::from_short(value as u16).0.into(), row.field.max())
            }
            Form::Port if whole => {
                let port = ports::from_wide(value as u32).map_err(|_| Code::BadSetArgument)?;
                (row.field, port.0.into(), row.field.max())
            }
            Form::WholeTag => return self.write_tag(value, mask),
            _ => (row.field, value, all(row.max() & row.field.max())),
        };
        if value & !mask != 0 {
            return Err(Code::BadArgument);
        }
        if row.form == Form::TagId && value & TAG_PRESENT != mask & TAG_PRESENT {
            return Err(Code::BadSetArgument);
        }
        if row.form == Form::TagId && whole && value & TAG_PRESENT == 0 {
            return Err(Code::BadSetArgument);
        }
        self.push(RuleAction::SetField { field, value, mask });
        Ok(())
    }

    /// Writes a tag, bit 12 of which says that there is one. A frame that had none gets it.
    fn write_tag(&mut self, value: u128, mask: u128) -> Result<(), Code> {
        let there = value & TAG_PRESENT != 0;
        if mask == Field::VlanTci.max() && !there {
            self.pop_vlan();
            return Ok(());
        }
        if !there && (mask & TAG_PRESENT != 0 || self.context.tag != Tag::Present) {
            return Err(Code::BadSetArgument);
        }
        self.push(RuleAction::SetField { field: Field::VlanTci, value, mask });
        self.context.tag = Tag::Present;
        Ok(())
    }

    /// An action for one field, by its name in flows.
    pub(super) fn set_plain(&mut self, name: &str, value: u128) -> Result<(), Code> {
        let row = FIELDS.iter().find(|row| row.name == name).ok_or(Code::BadActionType)?;
        if !self.is_v10() {
            self.has(row)?;
        }
        if value & !row.max() != 0 {
            return Err(Code::BadArgument);
        }
        self.push(RuleAction::SetField { field: row.field, value, mask: row.field.max() });
        Ok(())
    }

    /// The type of service, whose two lower bits are another field.
    pub(super) fn set_tos(&mut self, tos: u8) -> Result<(), Code> {
        if tos & 3 != 0 {
            return Err(Code::BadArgument);
        }
        self.set_plain("ip_dscp", (tos >> 2).into())
    }

    /// A port of whichever transport protocol.
    pub(super) fn set_port(&mut self, field: Field, port: u16) -> Result<(), Code> {
        self.push_where(
            Needs::Transport,
            RuleAction::SetField { field, value: port.into(), mask: field.max() },
        )
    }

    /// The identifier of a tag, which a frame without one gets (OpenFlow 1.0.1 section 3.3, `OFPAT_SET_VLAN_VID`).
    pub(super) fn set_tag_id(&mut self, id: u16) -> Result<(), Code> {
        if id > IDENTIFIER {
            return Err(Code::BadArgument);
        }
        self.set_tag(Field::VlanVid, u128::from(id) | TAG_PRESENT, IDENTIFIER.into(), 0);
        Ok(())
    }

    /// The priority of a tag, likewise.
    pub(super) fn set_tag_priority(&mut self, priority: u8) -> Result<(), Code> {
        if priority > PRIORITY {
            return Err(Code::BadArgument);
        }
        self.set_tag(Field::VlanPcp, priority.into(), PRIORITY.into(), 13);
        Ok(())
    }

    fn set_tag(&mut self, field: Field, value: u128, max: u128, shift: u32) {
        if self.context.tag == Tag::Absent {
            self.push_tag(ethertype::VLAN);
        }
        let action = match self.context.tag {
            Tag::Present => RuleAction::SetField { field, value, mask: field.max() },
            _ => RuleAction::SetField {
                field: Field::VlanTci,
                value: value << shift | TAG_PRESENT,
                mask: max << shift | TAG_PRESENT,
            },
        };
        self.push(action);
        self.context.tag = Tag::Present;
    }

    /// Part of a tag in a frame that must have one (OpenFlow 1.1).
    pub(super) fn set_plain_tag(&mut self, name: &str, value: u16) -> Result<(), Code> {
        let present = if name == "vlan_vid" { TAG_PRESENT } else { 0 };
        if value > IDENTIFIER {
            return Err(Code::BadArgument);
        }
        if !self.context.meets(Needs::Tag) {
            return Err(Code::MatchInconsistent);
        }
        match present {
            0 => self.set_plain(name, value.into()),
            _ => {
                let (field, value) = (Field::VlanVid, u128::from(value) | present);
                self.push(RuleAction::SetField { field, value, mask: field.max() });
                Ok(())
            }
        }
    }

    pub(super) fn push_tag(&mut self, tpid: u16) {
        self.push(RuleAction::PushVlan { tpid });
        self.context.tag = Tag::Present;
    }

    /// Takes the tag away. A frame may have had two, so afterwards nothing is known.
    pub(super) fn pop_vlan(&mut self) {
        self.push(RuleAction::PopVlan);
        self.context.tag = Tag::Unknown;
    }

    /// Copy-Field of OpenFlow 1.5 and of ONF's extension: the number of bits, the first of them here and there, padding, two headers.
    pub(super) fn copy_field(&mut self, mut body: Reader<'_>, pad: usize) -> Result<(), Code> {
        let (bits, from, to) = (body.u16()?, body.u16()?, body.u16()?);
        body.skip(pad)?;
        self.copy(body, bits, from, to)
    }

    /// NXAST_REG_MOVE: the same without padding.
    pub(super) fn reg_move(&mut self, body: Reader<'_>) -> Result<(), Code> {
        self.copy_field(body, 0)
    }

    fn copy(&mut self, mut body: Reader<'_>, bits: u16, from: u16, to: u16) -> Result<(), Code> {
        let from = (read_field(&mut body)?, from);
        let to = (read_field(&mut body)?, to);
        if !is_zero(&body) {
            return Err(Code::NxMustBeZero);
        }
        let from = NamedPart::new(from.0, from.1, bits)?;
        let to = NamedPart::new(to.0, to.1, bits)?;
        let to_part = self.target(to, body.options())?;
        let from_part = self.source(NamedPart { bits: to_part.bits.into(), ..from }, body.options())?;
        if from_part.bits != to_part.bits {
            return Err(Code::BadSetLen);
        }
        // Bits of a tag need one; with the bit that says whether there is one they make it, or take it away.
        if to_part.field == Field::VlanTci {
            match (to_part.mask() & TAG_PRESENT != 0, self.context.tag) {
                (true, _) => self.context.tag = Tag::Unknown,
                (false, Tag::Present) => {}
                (false, _) => return Err(Code::BadSetArgument),
            }
        }
        self.push(RuleAction::Move { from: from_part, to: to_part });
        Ok(())
    }
}
