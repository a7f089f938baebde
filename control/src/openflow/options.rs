//! Geneve options on the wire: the fields `tun_metadata0` to `tun_metadata63`, whose lengths are those of the map of options. A value is as long
//! as its header says, right-aligned in the option (`lib/nx-match.c` of Open vSwitch: fields of variable length).
//!
//! In a key an option lies in pieces; that it is there is a bit of its own (`datapath::tunnel::options`).

use super::Code;
use super::fields::{Claimed, Number, option_number, write_header};
use super::wire::{Reader, Writer};
use crate::text::options::{Wide, presence};
use datapath::flow::{Field, FlowKey, FlowMask};
use datapath::pipeline::{Part, RuleAction};
use datapath::tunnel::{Mapping, OptionMap};

/// What is mapped to a field.
///
/// # Errors
/// `NXFMFC_INVALID_TLV_FIELD`: nothing is.
pub(super) fn mapped(index: u16, options: &OptionMap) -> Result<Mapping, Code> {
    options.get(index).ok_or(Code::NxInvalidTlvField)
}

/// Reads the value, and the mask if there is one, behind a header.
pub(super) fn read(reader: &mut Reader<'_>, mapping: Mapping, claimed: Claimed) -> Result<Wide, Code> {
    let mut payload = reader.ahead(Code::BadMatchLen).part(claimed.len, Code::BadMatchLen)?;
    reader.skip(claimed.len)?;
    let len = if claimed.masked { claimed.len / 2 } else { claimed.len };
    let zeros = usize::from(mapping.len).checked_sub(len).ok_or(Code::BadMatchLen)?;
    let mut next = || -> Result<Vec<u8>, Code> {
        let mut bytes = vec![0; zeros];
        bytes.extend_from_slice(payload.take(len)?);
        Ok(bytes)
    };
    let value = next()?;
    // What is not there of a value is zero, and of a mask does not matter.
    let mask = if claimed.masked { next()? } else { vec![0xff; mapping.len.into()] };
    payload.end()?;
    if value.iter().zip(&mask).any(|(value, mask)| value & !mask != 0) {
        return Err(Code::BadWildcards);
    }
    Ok(Wide { value, mask })
}

/// What a match on an option asks for: that it is there, and its bits.
pub(super) fn conditions(mapping: Mapping, wide: &Wide, options: &OptionMap) -> Vec<(Field, u128, u128)> {
    let there = presence(mapping, options);
    let bits = wide.bits(mapping, options).into_iter().map(|bits| (bits.field, bits.value, bits.mask));
    [(Field::OptionPresence, there, there)].into_iter().chain(bits).collect()
}

/// What setting an option sets.
pub(super) fn settings(mapping: Mapping, wide: &Wide, options: &OptionMap) -> Vec<RuleAction> {
    let bits = wide.bits(mapping, options).into_iter();
    bits.map(|bits| RuleAction::SetField { field: bits.field, value: bits.value, mask: bits.mask }).collect()
}

/// What takes an option away.
pub(super) fn deletion(mapping: Mapping, options: &OptionMap) -> RuleAction {
    RuleAction::SetField { field: Field::OptionPresence, value: 0, mask: presence(mapping, options) }
}

/// Bits of an option, if they are all in one piece of it.
pub(super) fn part(mapping: Mapping, offset: u16, bits: u16, options: &OptionMap) -> Option<Part> {
    let (first, end) = (u32::from(offset), u32::from(offset) + u32::from(bits));
    options.pieces(mapping.index).find_map(|field| {
        let (_, begin) = options.owner(field)?;
        let fits = first >= begin && end <= begin + u32::from(field.slot().bits) && bits > 0;
        fits.then(|| Part { field, offset: (first - begin) as u8, bits: bits as u8 })
    })
}

/// Where a part of an option lies in the field: the field's number, its bytes, and the first bit.
pub(super) fn place(part: &Part, options: &OptionMap) -> Option<(Number, u8, u16)> {
    let (index, begin) = options.owner(part.field)?;
    let mapping = options.get(index)?;
    Some((option_number(index), mapping.len, begin as u16 + u16::from(part.offset)))
}

/// Writes the conditions on options, in the order of their fields. That one is not there cannot be said; Open vSwitch says then that it is.
pub(super) fn write_conditions(writer: &mut Writer, key: &FlowKey, mask: &FlowMask) {
    let options = writer.options();
    for mapping in options.iter() {
        let mut wide = Wide::zero(mapping);
        let pieces = options.pieces(mapping.index);
        pieces.for_each(|piece| wide.put(piece, key.get(piece), mask.get(piece), &options));
        let asked = mask.get(Field::OptionPresence) & presence(mapping, &options) != 0;
        if asked || wide.mask.iter().any(|byte| *byte != 0) {
            write(writer, mapping, &wide);
        }
    }
}

/// Writes a field with its value, and with its mask unless that is all of it.
pub(super) fn write(writer: &mut Writer, mapping: Mapping, wide: &Wide) {
    let masked = !is_whole(wide);
    write_header(writer, option_number(mapping.index), masked, mapping.len);
    writer.bytes(&wide.value);
    if masked {
        writer.bytes(&wide.mask);
    }
}

/// Whether all bits matter.
pub(super) fn is_whole(wide: &Wide) -> bool {
    wide.mask.iter().all(|byte| *byte == 0xff)
}

/// What some actions, from the first on, do to one option: take it away, or set these bits of it. And how many of them do it.
pub(super) fn done(actions: &[RuleAction], options: &OptionMap) -> Option<(Mapping, Option<Wide>, usize)> {
    let first = match actions.first()? {
        RuleAction::SetField { field: Field::OptionPresence, value: 0, mask } => {
            let mapping = options.iter().find(|mapping| presence(*mapping, options) == *mask)?;
            return Some((mapping, None, 1));
        }
        RuleAction::SetField { field, .. } => options.owner(*field)?,
        _ => return None,
    };
    let mapping = options.get(first.0)?;
    let (mut wide, mut before, mut count) = (Wide::zero(mapping), u32::MAX, 0);
    for action in actions {
        let RuleAction::SetField { field, value, mask } = action else { break };
        match options.owner(*field) {
            Some((index, begin)) if index == mapping.index && begin < before => before = begin,
            _ => break,
        }
        wide.put(*field, *value, *mask, options);
        count += 1;
    }
    Some((mapping, Some(wide), count))
}
