//! Parts of fields, as move, load and output speak of them: `FIELD[]`, `FIELD[bit]` or `FIELD[first..last]`, where the
//! field has its own name or that of its number in OpenFlow's or Nicira's classes (`NXM_NX_REG0`; ovs-fields(7)).

use super::fields::{NAMES, Name, Set, find_bits};
use super::options;
use super::ports::PortNames;
use super::scan::{Fault, Span};
use super::suggest::did_you_mean;
use super::value::read_number;
use super::words;
use crate::ofproto::context::Context;
use datapath::flow::Field;
use datapath::pipeline::Part;

/// A part, under the name that it was written with.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedPart {
    pub(super) name: &'static Name,
    pub(super) part: Part,
}

impl NamedPart {
    /// Bits of the field that are written with it: all of a field whose unused upper bits are always zero.
    pub(super) fn mask(&self) -> u128 {
        match whole(self.name) {
            Some(whole) if whole == self.part && whole.mask() == self.name.max && !self.name.maskable => {
                self.name.field.max()
            }
            _ => self.part.mask(),
        }
    }
}

/// All bits that a name speaks of.
fn whole(name: &Name) -> Option<Part> {
    name.bits.map(|(_, bits)| Part { field: name.field, offset: 0, bits })
}

/// Reads a part.
pub(super) fn read_part(text: Span<'_>, ports: &dyn PortNames) -> Result<NamedPart, Fault> {
    let (called, range) = match text.split_once("[") {
        None => (text, None),
        Some((called, rest)) => match rest.text.strip_suffix(']') {
            Some(range) => (called, Some(rest.cut(0, range.len()))),
            None => return Err(text.fault("the bits of a field end with ], as in reg0[0..15]")),
        },
    };
    if let Some(mapping) = options::find(called, ports)? {
        let (first, last) = read_range(called, range, u32::from(mapping.len) * 8)?;
        let found = options::part(mapping, (first, last), ports).map(|(name, part)| NamedPart { name, part });
        let message = "bits are used together only within 16 bytes of an option, counted from its lowest bit";
        return found.ok_or_else(|| text.fault(message));
    }
    let Some(name) = find_bits(called.text) else {
        let message = if words::lists(words::FIELDS_NOT_YET, called.text) {
            format!("the field {} is not supported yet", called.text)
        } else {
            let known = NAMES.iter().flat_map(|name| name.names.iter().copied());
            format!("{:?} is no field{}", called.text, did_you_mean(called.text, known))
        };
        return Err(called.fault(message));
    };
    let Some(whole) = whole(name) else {
        return Err(called.fault(match name.set {
            Set::Instead(other) => format!("bits of {} are written as those of {other}", called.text),
            _ => format!("{} cannot be used in parts", called.text),
        }));
    };
    let (first, last) = read_range(called, range, whole.bits.into())?;
    let (offset, bits) = (first as u8, (last - first + 1) as u8);
    Ok(NamedPart { name, part: Part { field: name.field, offset, bits } })
}

/// The first and the last of the bits that are meant; all of them where none are named.
fn read_range(called: Span<'_>, range: Option<Span<'_>>, bits: u32) -> Result<(u32, u32), Fault> {
    let Some(range) = range.filter(|range| !range.text.is_empty()) else { return Ok((0, bits - 1)) };
    let (first, last) = range.split_once("..").unwrap_or((range, range));
    let bit = |text: Span<'_>| {
        let last = u128::from(bits) - 1;
        read_number(text.text, last)
            .map_err(|message| text.fault(format!("{message}; {} has bits 0 to {last}", called.text)))
    };
    let (first, last) = (bit(first)? as u32, bit(last)? as u32);
    if first > last {
        return Err(range.fault(format!("bits are written from the lower: {last}..{first}")));
    }
    Ok((first, last))
}

/// Whether every frame of the flow has the field.
pub(super) fn is_there(name: &Name, context: &Context) -> bool {
    context.meets(match name.set {
        Set::When(needs) => needs,
        _ => name.needs,
    })
}

/// A part as text, under the name that its field has in the frames of the flow.
pub(super) fn write_part(part: &Part, context: &Context, ports: &dyn PortNames) -> String {
    if let Some(text) = options::write_part(part, ports) {
        return text;
    }
    let wide = |name: &&Name| {
        name.field == part.field && name.bits.is_some_and(|(_, bits)| part.offset + part.bits <= bits)
    };
    let names = || NAMES.iter().filter(wide);
    let found = names().find(|name| is_there(name, context)).or_else(|| names().next());
    let (called, bits) = match found.and_then(|name| name.bits) {
        Some((names, bits)) => (names[0], bits),
        None => (part.field.name(), Field::slot(part.field).bits),
    };
    match (part.offset, part.bits) {
        (0, all) if all == bits => format!("{called}[]"),
        (offset, 1) => format!("{called}[{offset}]"),
        (offset, bits) => format!("{called}[{offset}..{}]", offset + bits - 1),
    }
}
