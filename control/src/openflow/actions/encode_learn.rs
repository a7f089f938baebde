//! NXAST_LEARN to the wire, and NXAST_LEARN2 where there is a limit or a bit for the result. Fields have Nicira's numbers, as far as there
//! are any, whatever the version, as in Open vSwitch.

use super::encode::Encoder;
use super::learn::{CONSTANT, DELETE_LEARNED, SEND_FLOW_REM, TO_LOAD, TO_OUTPUT, WRITE_RESULT};
use super::nxast;
use crate::ofproto::context::Context;
use crate::ofproto::lesson::with_contexts;
use crate::openflow::fields::{FIELDS, Form, Number, WireField, write_header};
use crate::openflow::options;
use crate::openflow::wire::Writer;
use datapath::action::learn::{Learn, Source, Spec};
use datapath::pipeline::Part;

/// Where a part lies on the wire.
#[derive(Clone, Copy)]
struct Place {
    number: Number,
    bytes: u8,
    offset: u16,
    /// How many bits, with those of a narrow value that are always zero.
    bits: u16,
}

impl Encoder<'_> {
    pub(super) fn learn(&mut self, learn: &Learn) {
        let second = learn.limit > 0 || learn.result.is_some();
        let result = learn.result.and_then(|part| self.place_in(&part, &self.context));
        let flags = [
            (SEND_FLOW_REM, learn.send_flow_rem),
            (DELETE_LEARNED, learn.delete_learned),
            (WRITE_RESULT, result.is_some()),
        ];
        let flags = flags.iter().fold(0, |all, (flag, set)| if *set { all | flag } else { all });
        let start = self.begin(if second { nxast::LEARN2 } else { nxast::LEARN });
        self.writer.u16(learn.idle_timeout).u16(learn.hard_timeout).u16(learn.priority).u64(learn.cookie);
        self.writer.u16(flags).u8(learn.table).zeros(1);
        self.writer.u16(learn.fin_idle_timeout).u16(learn.fin_hard_timeout);
        if second {
            self.writer.u32(learn.limit).u16(result.map_or(0, |place| place.offset)).zeros(2);
        }
        if let Some(Place { number, bytes, .. }) = result {
            write_header(self.writer, number, false, bytes);
        }
        for (spec, context) in with_contexts(&learn.specs) {
            self.spec(&spec, &context);
        }
        self.finish(start);
    }

    fn spec(&mut self, spec: &Spec, context: &Context) {
        let (to, from) = match *spec {
            Spec::Match { to, from } => (self.place_in(&to, context).map(|place| (0, place)), from),
            Spec::Load { to, from } => (self.place_in(&to, context).map(|place| (TO_LOAD, place)), from),
            Spec::Output(from) => {
                let Some(place) = self.place_in(&from, &self.context) else { return };
                self.writer.u16(place.bits | TO_OUTPUT);
                return write_place(self.writer, place);
            }
        };
        // No rule has parts of what has no number.
        let Some((kind, to)) = to else { return };
        match from {
            Source::Value(value) => {
                self.writer.u16(to.bits | kind | CONSTANT);
                let bytes = usize::from(to.bits.div_ceil(16)) * 2;
                let all = value.to_be_bytes();
                self.writer.zeros(bytes.saturating_sub(all.len()));
                self.writer.bytes(&all[all.len().saturating_sub(bytes)..]);
            }
            Source::Field(from) => {
                let Some(from) = self.place_in(&from, &self.context) else { return };
                self.writer.u16(to.bits | kind);
                write_place(self.writer, from);
            }
        }
        write_place(self.writer, to);
    }

    /// Where a part lies under the name that its field has in frames of which this is known.
    fn place_in(&self, part: &Part, context: &Context) -> Option<Place> {
        if let Some((number, bytes, offset)) = options::place(part, &self.writer.options()) {
            return Some(Place { number, bytes, offset, bits: part.bits.into() });
        }
        let can_say = |row: &&WireField| {
            row.field == part.field
                && part.offset + part.bits <= row.bits
                && row.short_number().is_some()
                && (row.form != Form::ShortPort || part.bits <= 16)
        };
        let has = |row: &&WireField| can_say(row) && context.meets(row.needs);
        let row = FIELDS.iter().find(has).or_else(|| FIELDS.iter().find(can_say))?;
        let is_whole = part.offset == 0 && part.mask() == row.kept() & row.max();
        let bits = if is_whole { row.bits } else { part.bits };
        let offset = part.offset.into();
        Some(Place { number: row.short_number()?, bytes: row.bytes, offset, bits: bits.into() })
    }
}

fn write_place(writer: &mut Writer, place: Place) {
    write_header(writer, place.number, false, place.bytes);
    writer.u16(place.offset);
}
