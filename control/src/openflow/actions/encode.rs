//! Actions to the wire. What a version has no action for is said in Nicira's extensions, as Open vSwitch does; what came in one form may go out
//! in another of the same meaning, since rules know only what is to be done.

use super::parts::range;
use super::{EXPERIMENTER, UNIT, nxast};
use crate::ofproto::context::{Context, Needs, TAG_PRESENT, Tag};
use crate::ofproto::reserved;
use crate::openflow::fields::{
    EXPERIMENTER as EXPERIMENTER_CLASS, FIELDS, Form, Number, Numbering, WireField, option_number,
    write_header,
};
use crate::openflow::wire::Writer;
use crate::openflow::{NICIRA, Version, options, ports};
use crate::text::options::Wide;
use datapath::action::punt::Reason;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Clause, Match, MeterId, Part, RuleAction};
use datapath::tunnel::Mapping;

/// What stands where an output says how much of a frame a controller gets, when it goes to no controller: the most that OpenFlow lets one ask
/// for (`OFPCML_MAX`). It means nothing there; Ryu and os-ken write it, and Ryu's conformance suite compares it.
const MAX_LEN_UNUSED: u16 = 0xffe5;

/// Writes actions of frames of which nothing is known: those of groups and packet-outs.
pub fn encode(version: Version, actions: &[RuleAction], writer: &mut Writer) {
    let mut encoder = Encoder { version, context: Context::of_group(), writer };
    encoder.list(actions);
}

/// Writes actions of the frames of a match, which tells the names of fields that protocols share.
pub fn encode_for(version: Version, actions: &[RuleAction], matching: &Match, writer: &mut Writer) {
    let mut encoder = Encoder { version, context: Context::of(matching), writer };
    encoder.list(actions);
}

/// As [`encode_for`], with what is known of the frames, which is what is known afterwards.
pub(crate) fn encode_each(
    version: Version,
    actions: &[RuleAction],
    context: &mut Context,
    writer: &mut Writer,
) {
    let mut encoder = Encoder { version, context: *context, writer };
    encoder.list(actions);
    *context = encoder.context;
}

/// Writes the action that a meter is since OpenFlow 1.5.
pub(crate) fn write_meter(meter: MeterId, writer: &mut Writer) {
    writer.u16(29).u16(8).u32(meter.0);
}

/// Writes the action that writing metadata is in OpenFlow 1.0.
pub(crate) fn write_metadata(value: u64, mask: u64, writer: &mut Writer) {
    writer.u16(EXPERIMENTER).u16(32).u32(NICIRA).u16(nxast::WRITE_METADATA).zeros(6);
    writer.u64(value).u64(mask);
}

pub(super) struct Encoder<'a> {
    pub(super) version: Version,
    pub(super) context: Context,
    pub(super) writer: &'a mut Writer,
}

impl Encoder<'_> {
    pub(super) fn is_v10(&self) -> bool {
        self.version == Version::V10
    }

    pub(super) fn is_v15(&self) -> bool {
        self.version >= Version::V15
    }

    /// The numbers of fields in the version's own actions.
    pub(super) fn numbering(&self) -> Numbering {
        if self.is_v10() { Numbering::Nxm } else { Numbering::Oxm(self.version) }
    }

    fn list(&mut self, mut actions: &[RuleAction]) {
        while let [first, rest @ ..] = actions {
            actions = match actions {
                _ if let Some((mapping, wide, count)) = options::done(actions, &self.writer.options()) => {
                    self.option(mapping, wide);
                    actions.get(count..).unwrap_or_default()
                }
                [RuleAction::SetQueue(queue), to, RuleAction::PopQueue, rest @ ..]
                    if self.is_v10() && port_of(to).is_some() =>
                {
                    let port = port_of(to).map_or(0, ports::to_short);
                    self.writer.u16(11).u16(16).u16(port).zeros(6).u32(queue.0);
                    rest
                }
                _ => {
                    self.action(first);
                    rest
                }
            };
            self.after(first);
        }
    }

    /// What is known when an action was done.
    fn after(&mut self, action: &RuleAction) {
        self.context.after(action);
        match action {
            RuleAction::PushVlan { .. } | RuleAction::SetField { field: Field::VlanTci, .. } => {
                self.context.tag = Tag::Present;
            }
            RuleAction::PopVlan => self.context.tag = Tag::Unknown,
            RuleAction::Move { to, .. } if to.field == Field::VlanTci && to.mask() & TAG_PRESENT != 0 => {
                self.context.tag = Tag::Unknown;
            }
            _ => {}
        }
    }

    fn action(&mut self, action: &RuleAction) {
        match action {
            RuleAction::Output(port) => self.output(*port, MAX_LEN_UNUSED),
            RuleAction::InPort => self.output(reserved::IN_PORT, MAX_LEN_UNUSED),
            RuleAction::All => self.output(reserved::ALL, MAX_LEN_UNUSED),
            RuleAction::Flood => self.output(reserved::FLOOD, MAX_LEN_UNUSED),
            RuleAction::Normal => self.output(reserved::NORMAL, MAX_LEN_UNUSED),
            RuleAction::OutputReg(part) => self.output_reg(part),
            RuleAction::OutputCut { port, max_len } => {
                let (port, max_len) = (ports::to_short(*port), *max_len);
                self.nicira(nxast::OUTPUT_TRUNC, |writer| writer.u16(port).u32(max_len));
            }
            RuleAction::Controller { max_len, reason: Reason::Action, controller: 0, userdata }
                if userdata.is_empty() =>
            {
                self.output(reserved::CONTROLLER, *max_len);
            }
            RuleAction::Controller { max_len, reason, controller, userdata } => {
                self.controller(*max_len, *reason, *controller, userdata);
            }
            RuleAction::Group(group) => self.word(22, nxast::GROUP, group.0),
            RuleAction::SetField { field, value, mask } => self.set_field(*field, *value, *mask),
            RuleAction::Move { from, to } => self.copy(from, to),
            // In 1.0 the tag comes with its identifier or priority.
            RuleAction::PushVlan { tpid } => {
                if !self.is_v10() {
                    self.short(17, *tpid);
                }
            }
            RuleAction::PopVlan => {
                self.own(if self.is_v10() { 3 } else { 18 }, |writer| writer.zeros(4));
            }
            RuleAction::DecTtl => self.bare(24, nxast::DEC_TTL),
            RuleAction::DecTtlOrTell(controllers) => self.nicira(nxast::DEC_TTL_CNT_IDS, |writer| {
                writer.u16(controllers.len() as u16).zeros(4);
                controllers.iter().fold(writer, |writer, id| writer.u16(*id))
            }),
            RuleAction::SetQueue(queue) => self.word(21, nxast::SET_QUEUE, queue.0),
            RuleAction::PopQueue => self.nicira(nxast::POP_QUEUE, |writer| writer.zeros(6)),
            RuleAction::PushMpls { ether_type } => self.typed(19, nxast::PUSH_MPLS, *ether_type),
            RuleAction::PopMpls { ether_type } => self.typed(20, nxast::POP_MPLS, *ether_type),
            RuleAction::DecMplsTtl => self.bare(16, nxast::DEC_MPLS_TTL),
            // OpenFlow 1.0 has nothing for these four, nor has any extension of it.
            RuleAction::PushPbb | RuleAction::PopPbb | RuleAction::CopyTtlOut | RuleAction::CopyTtlIn
                if self.is_v10() => {}
            RuleAction::PushPbb => self.short(26, datapath::wire::ethertype::PBB),
            RuleAction::PopPbb => self.own(27, |writer| writer.zeros(4)),
            RuleAction::CopyTtlOut => self.own(11, |writer| writer.zeros(4)),
            RuleAction::CopyTtlIn => self.own(12, |writer| writer.zeros(4)),
            RuleAction::Resubmit { port, table } => {
                let port = ports::to_short(port.unwrap_or(reserved::IN_PORT));
                match table {
                    None => self.nicira(nxast::RESUBMIT, |writer| writer.u16(port).zeros(4)),
                    Some(table) => {
                        self.nicira(nxast::RESUBMIT_TABLE, |writer| writer.u16(port).u8(table.0).zeros(3))
                    }
                }
            }
            RuleAction::Clone(inner) => {
                let start = self.begin(nxast::CLONE);
                self.writer.zeros(6);
                let mut encoder =
                    Encoder { version: self.version, context: self.context, writer: self.writer };
                encoder.list(inner);
                self.finish(start);
            }
            RuleAction::Conjunction(Clause { id, of, number }) => {
                self.nicira(nxast::CONJUNCTION, |writer| {
                    writer.u8(number.saturating_sub(1)).u8(*of).u32(*id)
                });
            }
            RuleAction::Learn(learn) => self.learn(learn),
            RuleAction::FinTimeout { idle, hard } => {
                self.nicira(nxast::FIN_TIMEOUT, |writer| writer.u16(*idle).u16(*hard).zeros(2));
            }
            RuleAction::Note(bytes) => self.nicira(nxast::NOTE, |writer| writer.bytes(bytes)),
            RuleAction::Push(part) => self.stacked(nxast::STACK_PUSH, part),
            RuleAction::Pop(part) => self.stacked(nxast::STACK_POP, part),
            RuleAction::Multipath(multipath) => self.multipath(multipath),
            RuleAction::Bundle(bundle) => self.bundle(bundle),
            RuleAction::CheckLarger { len, to } => self.check_larger(*len, to),
            RuleAction::Exit => self.nicira(nxast::EXIT, |writer| writer.zeros(6)),
        }
    }

    /// An action of the version's own.
    pub(super) fn own(&mut self, kind: u16, body: impl FnOnce(&mut Writer) -> &mut Writer) {
        let start = self.writer.len();
        self.writer.u16(kind).u16(0);
        body(self.writer);
        self.finish(start);
    }

    /// An action of Nicira's.
    pub(super) fn nicira(&mut self, kind: u16, body: impl FnOnce(&mut Writer) -> &mut Writer) {
        let start = self.begin(kind);
        body(self.writer);
        self.finish(start);
    }

    pub(super) fn begin(&mut self, kind: u16) -> usize {
        let start = self.writer.len();
        self.writer.u16(EXPERIMENTER).u16(0).u32(NICIRA).u16(kind);
        start
    }

    pub(super) fn finish(&mut self, start: usize) {
        self.writer.pad(start, UNIT);
        self.writer.put_len(start + 2, start);
    }

    /// An action with two bytes.
    pub(super) fn short(&mut self, kind: u16, value: u16) {
        self.own(kind, |writer| writer.u16(value));
    }

    /// An action without arguments, Nicira's in 1.0.
    fn bare(&mut self, own: u16, nicira: u16) {
        match self.is_v10() {
            true => self.nicira(nicira, |writer| writer.zeros(6)),
            false => self.own(own, |writer| writer.zeros(4)),
        }
    }

    /// An action with four bytes, Nicira's in 1.0.
    pub(super) fn word(&mut self, own: u16, nicira: u16, value: u32) {
        match self.is_v10() {
            true => self.nicira(nicira, |writer| writer.zeros(2).u32(value)),
            false => self.own(own, |writer| writer.u32(value)),
        }
    }

    /// An action with an Ethernet type, Nicira's in 1.0.
    fn typed(&mut self, own: u16, nicira: u16, ether_type: u16) {
        match self.is_v10() {
            true => self.nicira(nicira, |writer| writer.u16(ether_type).zeros(4)),
            false => self.short(own, ether_type),
        }
    }

    fn output(&mut self, port: OfPort, max_len: u16) {
        match self.is_v10() {
            true => self.own(0, |writer| writer.u16(ports::to_short(port)).u16(max_len)),
            false => self.own(0, |writer| writer.u32(ports::to_wide(port)).u16(max_len).zeros(6)),
        }
    }

    fn controller(&mut self, max_len: u16, reason: Reason, id: u16, userdata: &[u8]) {
        if userdata.is_empty() {
            return self
                .nicira(nxast::CONTROLLER, |writer| writer.u16(max_len).u16(id).u8(reason as u8).zeros(1));
        }
        self.nicira(nxast::CONTROLLER2, |writer| {
            let start = writer.len() + 6;
            writer.zeros(6);
            if max_len != u16::MAX {
                writer.u16(0).u16(6).u16(max_len).pad(start, UNIT);
            }
            if id != 0 {
                writer.u16(1).u16(6).u16(id).pad(start, UNIT);
            }
            if reason != Reason::Action {
                writer.u16(2).u16(5).u8(reason as u8).pad(start, UNIT);
            }
            writer.u16(3).u16(userdata.len() as u16 + 4).bytes(userdata)
        });
    }

    /// Bits of a Geneve option that are set, or the option that is taken away.
    fn option(&mut self, mapping: Mapping, wide: Option<Wide>) {
        let Some(wide) = wide else {
            let start = self.begin(nxast::DELETE_FIELD);
            write_header(self.writer, option_number(mapping.index), false, mapping.len);
            return self.finish_wide(start);
        };
        let write = |writer: &mut Writer| options::write(writer, mapping, &wide);
        if self.is_v15() || !self.is_v10() && options::is_whole(&wide) {
            self.own(25, |writer| {
                write(writer);
                writer
            });
        } else {
            self.nicira(nxast::REG_LOAD2, |writer| {
                write(writer);
                writer
            });
        }
    }

    /// Where a part lies under the name that its field has here: number, bytes, the first bit. Nothing where it has none, which no rule
    /// has parts of.
    pub(super) fn place(&self, part: &Part, numbering: Numbering) -> Option<(Number, u8, u16)> {
        if let Some(place) = options::place(part, &self.writer.options()) {
            return Some(place);
        }
        let wide_enough = |row: &&WireField| row.field == part.field && part.offset + part.bits <= row.bits;
        let has = |row: &&WireField| {
            let needs = if row.form == Form::TagId { Needs::Tag } else { row.needs };
            wide_enough(row) && self.context.meets(needs)
        };
        let row = FIELDS.iter().find(has).or_else(|| FIELDS.iter().find(wide_enough))?;
        Some((row.number(numbering), row.bytes, part.offset.into()))
    }

    fn check_larger(&mut self, len: u16, to: &Part) {
        let Some((number, bytes, offset)) = self.place(to, Numbering::Nxm) else { return };
        self.nicira(nxast::CHECK_PKT_LARGER, |writer| {
            writer.u16(len).u16(offset);
            write_header(writer, number, false, bytes);
            writer
        });
    }

    fn output_reg(&mut self, part: &Part) {
        let Some((number, bytes, offset)) = self.place(part, Numbering::Nxm) else { return };
        let range = range(offset, part.bits);
        if number.class == EXPERIMENTER_CLASS {
            return self.nicira(nxast::OUTPUT_REG2, |writer| {
                write_header(writer.u16(range).u16(u16::MAX), number, false, bytes);
                writer
            });
        }
        self.nicira(nxast::OUTPUT_REG, |writer| {
            writer.u16(range);
            write_header(writer, number, false, bytes);
            writer.u16(u16::MAX).zeros(6)
        });
    }

    fn copy(&mut self, from: &Part, to: &Part) {
        let numbering = if self.is_v15() { self.numbering() } else { Numbering::Nxm };
        let (Some(source), Some(target)) = (self.place(from, numbering), self.place(to, numbering)) else {
            return;
        };
        let bits = to.bits.into();
        let headers = |writer: &mut Writer| {
            write_header(writer, source.0, false, source.1);
            write_header(writer, target.0, false, target.1);
        };
        if self.is_v15() {
            self.own(28, |writer| {
                headers(writer.u16(bits).u16(source.2).u16(target.2).zeros(2));
                writer
            });
        } else {
            self.nicira(nxast::REG_MOVE, |writer| {
                headers(writer.u16(bits).u16(source.2).u16(target.2));
                writer
            });
        }
    }

    fn stacked(&mut self, kind: u16, part: &Part) {
        let Some((number, bytes, offset)) = self.place(part, Numbering::Nxm) else { return };
        let start = self.begin(kind);
        self.writer.u16(offset);
        write_header(self.writer, number, false, bytes);
        self.writer.u16(part.bits.into());
        self.finish_wide(start);
    }

    /// An action that is as long as with a header of eight bytes.
    fn finish_wide(&mut self, start: usize) {
        let len = self.writer.len() - start;
        self.writer.zeros(24_usize.saturating_sub(len));
        self.finish(start);
    }
}

/// The port that an output of one port goes to.
fn port_of(action: &RuleAction) -> Option<OfPort> {
    match action {
        RuleAction::Output(port) => Some(*port),
        RuleAction::InPort => Some(reserved::IN_PORT),
        _ => None,
    }
}
