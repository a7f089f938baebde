//! Actions of experimenters: Nicira's, and one of ONF's. The layouts are those of `lib/ofp-actions.c` of Open vSwitch 3.1.

use super::parts::{Named, NamedPart, read_field, read_range};
use super::standard::word;
use super::{NESTED_MAX, ONF_COPY_FIELD, Place, Reading, is_zero, nxast, padding};
use crate::ofproto::context::Needs;
use crate::ofproto::reserved;
use crate::openflow::wire::Reader;
use crate::openflow::{Code, NICIRA, ONF, options, ports};
use datapath::action::punt::Reason;
use datapath::action::queue::QueueId;
use datapath::flow::OfPort;
use datapath::pipeline::{CLAUSES_MAX, Clause, RuleAction, TABLES, TableId};
use std::sync::Arc;

/// The table of the rule itself, in a resubmit.
const THIS_TABLE: u8 = 0xff;
/// Controllers that a `dec_ttl` may tell, as in flows that are text.
const CONTROLLERS_MAX: usize = 16;
/// Bytes of `userdata` at the most, likewise.
const USERDATA_MAX: usize = 1024;
/// The least that a frame is cut to: an Ethernet header.
const CUT_MIN: u32 = 14;
/// Bytes that a note may have, likewise.
const NOTE_MAX: usize = 4096;
/// Type and length of a property.
const PROPERTY_HEADER: usize = 4;

impl Reading {
    /// An action of an experimenter, behind that one's number.
    pub(super) fn experimenters(&mut self, sender: u32, mut body: Reader<'_>) -> Result<(), Code> {
        match sender {
            NICIRA => {
                let kind = body.u16()?;
                self.nicira(kind, body)
            }
            ONF => match body.u16()? {
                ONF_COPY_FIELD if !self.is_v15() => {
                    body.skip(2)?;
                    self.copy_field(body, 2)
                }
                _ => Err(Code::BadActionExperimenterType),
            },
            _ => Err(Code::BadActionExperimenter),
        }
    }

    fn nicira(&mut self, kind: u16, mut body: Reader<'_>) -> Result<(), Code> {
        match kind {
            nxast::RESUBMIT => {
                let port = body.u16()?;
                padding(&mut body, 4)?;
                self.resubmit(port, THIS_TABLE)
            }
            nxast::RESUBMIT_TABLE => {
                let (port, table) = (body.u16()?, body.u8()?);
                if body.array::<3>()? != [0; 3] {
                    return Err(Code::BadArgument);
                }
                body.end()?;
                self.resubmit(port, table)
            }
            nxast::SET_TUNNEL => self.set_plain("tun_id", behind_two(body)?.into()),
            nxast::SET_TUNNEL64 => {
                body.skip(6)?;
                let id = body.u64()?;
                body.end()?;
                self.set_plain("tun_id", id.into())
            }
            nxast::SET_QUEUE => {
                self.push(RuleAction::SetQueue(QueueId(behind_two(body)?)));
                Ok(())
            }
            nxast::POP_QUEUE => {
                self.not_in_a_set()?;
                self.plain(body, Needs::Nothing, RuleAction::PopQueue)
            }
            nxast::REG_MOVE if !self.is_v15() => self.reg_move(body),
            nxast::REG_LOAD if !self.is_v15() => self.reg_load(body),
            nxast::REG_LOAD2 if !self.is_v15() => self.reg_load2(body),
            nxast::NOTE => self.note(body),
            nxast::OUTPUT_REG => {
                let range = body.u16()?;
                let mut header = body.part(4, Code::BadActionLen)?;
                let named = read_field(&mut header)?;
                body.skip(2)?;
                if !is_zero(&body) {
                    return Err(Code::BadArgument);
                }
                padding(&mut body, 6)?;
                self.output_reg(named, range, &body)
            }
            nxast::OUTPUT_REG2 => {
                let range = body.u16()?;
                body.skip(2)?;
                let named = read_field(&mut body)?;
                if !is_zero(&body) {
                    return Err(Code::NxMustBeZero);
                }
                self.output_reg(named, range, &body)
            }
            nxast::OUTPUT_TRUNC => self.output_cut(body),
            nxast::EXIT => {
                self.not_in_a_set()?;
                self.plain(body, Needs::Nothing, RuleAction::Exit)
            }
            nxast::DEC_TTL => self.plain(body, Needs::Ip, RuleAction::DecTtl),
            nxast::DEC_TTL_CNT_IDS => self.dec_ttl_telling(body),
            nxast::CONTROLLER => {
                let (max_len, controller) = (body.u16()?, body.u16()?);
                let reason = reason(body.u8()?)?;
                padding(&mut body, 1)?;
                self.controller(max_len, controller, reason, &[])
            }
            nxast::CONTROLLER2 => self.controller2(body),
            nxast::WRITE_METADATA => self.write_metadata(body),
            nxast::PUSH_MPLS => self.push_mpls(before_four(body)?),
            nxast::POP_MPLS => self.pop_mpls(before_four(body)?),
            nxast::SET_MPLS_LABEL => self.set_plain("mpls_label", behind_two(body)?.into()),
            nxast::SET_MPLS_TC => self.set_plain("mpls_tc", byte_of_six(body)?.into()),
            nxast::SET_MPLS_TTL => self.set_plain("mpls_ttl", byte_of_six(body)?.into()),
            nxast::DEC_MPLS_TTL => self.plain(body, Needs::Mpls, RuleAction::DecMplsTtl),
            nxast::STACK_PUSH => {
                self.not_in_a_set()?;
                let part = self.source(stacked(body)?, body.options())?;
                self.push(RuleAction::Push(part));
                Ok(())
            }
            nxast::STACK_POP => {
                self.not_in_a_set()?;
                let part = self.target(stacked(body)?, body.options())?;
                if part.field == datapath::flow::Field::VlanTci {
                    return Err(Code::BadSetArgument);
                }
                self.push(RuleAction::Pop(part));
                Ok(())
            }
            nxast::MULTIPATH => self.multipath(body),
            nxast::BUNDLE => self.bundle(body, false),
            nxast::BUNDLE_LOAD => self.bundle(body, true),
            nxast::CHECK_PKT_LARGER => {
                self.not_in_a_set()?;
                let (len, offset) = (body.u16()?, body.u16()?);
                let named = read_field(&mut body)?;
                if !is_zero(&body) {
                    return Err(Code::NxMustBeZero);
                }
                let to = self.target(NamedPart::new(named, offset, 1)?, body.options())?;
                if to.field == datapath::flow::Field::VlanTci {
                    return Err(Code::BadSetArgument);
                }
                self.push(RuleAction::CheckLarger { len, to });
                Ok(())
            }
            nxast::DELETE_FIELD => {
                let named = read_field(&mut body)?;
                if !is_zero(&body) {
                    return Err(Code::NxMustBeZero);
                }
                // There is no way to take any other field away.
                let Named::Option(mapping) = named else { return Err(Code::BadArgument) };
                self.push(options::deletion(mapping, body.options()));
                Ok(())
            }
            nxast::LEARN => self.learn(body, false),
            nxast::LEARN2 => self.learn(body, true),
            nxast::FIN_TIMEOUT => {
                self.not_in_a_set()?;
                let (idle, hard) = (body.u16()?, body.u16()?);
                padding(&mut body, 2)?;
                self.push_where(Needs::Tcp, RuleAction::FinTimeout { idle, hard })
            }
            nxast::CONJUNCTION => self.conjunction(body),
            nxast::GROUP => self.group(behind_two(body)?),
            nxast::CLONE => self.clone_of(body),
            _ => Err(Code::BadActionExperimenterType),
        }
    }

    /// An action without arguments.
    fn plain(&mut self, mut body: Reader<'_>, needs: Needs, action: RuleAction) -> Result<(), Code> {
        padding(&mut body, 6)?;
        self.push_where(needs, action)
    }

    fn resubmit(&mut self, port: u16, table: u8) -> Result<(), Code> {
        self.not_in_a_set()?;
        let port = Some(ports::from_short(port)).filter(|port| *port != reserved::IN_PORT);
        let table = Some(table).filter(|table| *table != THIS_TABLE);
        if table.is_some_and(|table| usize::from(table) >= TABLES) {
            return Err(Code::BadArgument);
        }
        self.push(RuleAction::Resubmit { port, table: table.map(TableId) });
        Ok(())
    }

    fn note(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        if self.place == Place::ActionSet {
            return Err(Code::BadActionType);
        }
        let bytes = body.take_rest();
        if bytes.len() > NOTE_MAX {
            return Err(Code::BadActionLen);
        }
        self.push(RuleAction::Note(bytes.into()));
        Ok(())
    }

    fn output_reg(&mut self, named: Named, range: u16, body: &Reader<'_>) -> Result<(), Code> {
        if self.place == Place::ActionSet {
            return Err(Code::BadActionType);
        }
        let (offset, bits) = read_range(range);
        let part = self.source(NamedPart::new(named, offset, bits)?, body.options())?;
        self.push(RuleAction::OutputReg(part));
        Ok(())
    }

    /// Only to a port that is one, or back (`lib/ofp-actions.c`, decode_NXAST_RAW_OUTPUT_TRUNC).
    fn output_cut(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        self.not_in_a_set()?;
        let (port, max_len) = (ports::from_short(body.u16()?), body.u32()?);
        body.end()?;
        if max_len < CUT_MIN {
            return Err(Code::BadArgument);
        }
        match port {
            reserved::IN_PORT | reserved::LOCAL => {}
            OfPort(1..) if port < reserved::MAX => {}
            _ => return Err(Code::BadOutPort),
        }
        self.push(RuleAction::OutputCut { port, max_len });
        Ok(())
    }

    fn dec_ttl_telling(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        let count = usize::from(body.u16()?);
        if body.array::<4>()? != [0; 4] {
            return Err(Code::NxMustBeZero);
        }
        let ids = body.take(count * 2)?;
        if count > CONTROLLERS_MAX {
            return Err(Code::BadActionLen);
        }
        let (ids, _) = ids.as_chunks::<2>();
        let ids: Box<[u16]> = ids.iter().map(|id| u16::from_be_bytes(*id)).collect();
        let action = if ids.is_empty() { RuleAction::DecTtl } else { RuleAction::DecTtlOrTell(ids) };
        self.push_where(Needs::Ip, action)
    }

    fn controller(&mut self, max_len: u16, id: u16, reason: Reason, userdata: &[u8]) -> Result<(), Code> {
        if (reason, id) != (Reason::Action, 0) || !userdata.is_empty() {
            self.not_in_a_set()?;
        }
        let userdata = Arc::from(userdata);
        self.push(RuleAction::Controller { max_len, reason, controller: id, userdata });
        Ok(())
    }

    /// Properties in any order; of one that is given twice the last counts, as in Open vSwitch.
    fn controller2(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        if body.array::<6>()? != [0; 6] {
            return Err(Code::NxMustBeZero);
        }
        let (mut max_len, mut id, mut why, mut userdata) = (u16::MAX, 0, Reason::Action, &[][..]);
        let mut properties = body.rest_as(Code::BadPropertyLen);
        while !properties.is_empty() {
            let (kind, len) = (properties.u16()?, usize::from(properties.u16()?));
            let inside = len.checked_sub(PROPERTY_HEADER).ok_or(Code::BadPropertyLen)?;
            let mut property = properties.part(inside, Code::BadPropertyLen)?;
            properties.skip(len.next_multiple_of(8) - len)?;
            match kind {
                0 => max_len = property.u16()?,
                1 => id = property.u16()?,
                2 => why = reason(property.u8()?)?,
                3 => userdata = property.take_rest(),
                // To hold a frame until the controller goes on with it (4), and to meter what is told (5), is not done here.
                _ => return Err(Code::BadPropertyType),
            }
        }
        if userdata.len() > USERDATA_MAX {
            return Err(Code::BadPropertyLen);
        }
        self.controller(max_len, id, why, userdata)
    }

    /// What since OpenFlow 1.1 is an instruction, and stands behind all actions as that does.
    fn write_metadata(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        if body.array::<6>()? != [0; 6] {
            return Err(Code::NxMustBeZero);
        }
        let (value, mask) = (body.u64()?, body.u64()?);
        body.end()?;
        if self.place != Place::Flow || self.depth > 0 {
            return Err(Code::UnsupInst);
        }
        self.metadata = Some((value & mask, mask));
        Ok(())
    }

    fn conjunction(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        let (number, of) = (body.u8()?, body.u8()?);
        let id = word(body)?;
        if !(2..=CLAUSES_MAX).contains(&of) || number >= of || self.depth > 0 {
            return Err(Code::NxBadConjunction);
        }
        match self.place {
            Place::Flow => {}
            Place::PacketOut => return Err(Code::NxBadConjunction),
            Place::ActionSet | Place::Bucket => return Err(Code::BadActionType),
        }
        self.push(RuleAction::Conjunction(Clause { id, of, number: number + 1 }));
        Ok(())
    }

    fn clone_of(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        self.not_in_a_set()?;
        if self.depth == NESTED_MAX {
            return Err(Code::ActionTooMany);
        }
        body.skip(6)?;
        let mut inner = self.inside(self.place);
        inner.depth += 1;
        inner.list(&mut body)?;
        self.count = inner.count;
        let actions = inner.finish()?;
        self.push(RuleAction::Clone(actions));
        Ok(())
    }
}

fn reason(number: u8) -> Result<Reason, Code> {
    Reason::ALL.get(usize::from(number)).copied().ok_or(Code::BadArgument)
}

/// A part of a field on its way to or from the stack.
fn stacked(mut body: Reader<'_>) -> Result<NamedPart, Code> {
    let offset = body.u16()?;
    let named = read_field(&mut body)?;
    let bits = body.u16()?;
    if !is_zero(&body) {
        return Err(Code::NxMustBeZero);
    }
    NamedPart::new(named, offset, bits)
}

/// Four bytes behind two of padding.
fn behind_two(mut body: Reader<'_>) -> Result<u32, Code> {
    body.skip(2)?;
    word(body)
}

/// Two bytes in front of four of padding.
fn before_four(mut body: Reader<'_>) -> Result<u16, Code> {
    let value = body.u16()?;
    padding(&mut body, 4)?;
    Ok(value)
}

/// A byte in front of five of padding.
fn byte_of_six(mut body: Reader<'_>) -> Result<u8, Code> {
    let value = body.u8()?;
    padding(&mut body, 5)?;
    Ok(value)
}
