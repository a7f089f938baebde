//! Geneve options as the fields `tun_metadata0` to `tun_metadata63` (ovs-fields(7)): which option a field is, and how long, says the
//! bridge's map of options. A field that is not mapped cannot be written about.
//!
//! A value is a number of as many bytes as the option has, right-aligned. In a key it lies in pieces
//! ([`OptionMap::pieces`]); what is set in all of them at once is one word of text.

use super::fields::{self, Name};
use super::ports::PortNames;
use super::scan::{Fault, Span};
use super::value::{Bits, read_number};
use datapath::flow::Field;
use datapath::pipeline::{Match, Part, RuleAction};
use datapath::tunnel::options::FIELDS;
use datapath::tunnel::{Mapping, OptionMap};

const EXAMPLE: &str = "write {class=0x102,type=0x80,len=4}->tun_metadata0";

/// What is written for an option that is not there, as Open vSwitch shows it (`lib/tun-metadata.c`).
const ABSENT: &str = "NP";

/// The field of that name, and what is mapped to it; none when it is no such field.
pub(super) fn find(name: Span<'_>, ports: &dyn PortNames) -> Result<Option<Mapping>, Fault> {
    let number =
        ["tun_metadata", "NXM_NX_TUN_METADATA"].iter().find_map(|start| name.text.strip_prefix(start));
    let Some(number) = number.filter(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit())) else {
        return Ok(None);
    };
    let index = number.parse().ok().filter(|index| *index < FIELDS);
    let mapped = index.and_then(|index| ports.options().get(index));
    match (index, mapped) {
        (None, _) => Err(name.fault("the fields of options are tun_metadata0 to tun_metadata63")),
        (_, None) => Err(name.fault(format!("{} is no option yet: map it in tlv_map", name.text))),
        (_, mapped) => Ok(mapped),
    }
}

/// Reads what `ovs-ofctl add-tlv-map` takes: `{class=0x102,type=0x80,len=4}->tun_metadata0`, one after another with commas between.
///
/// # Errors
/// What is wrong with it. Whether there is room for the options is for the map to say.
pub fn parse_mappings(text: &str) -> Result<Vec<Mapping>, String> {
    if !text.trim_start().starts_with('{') {
        return Err(format!("{text:?} maps no option: {EXAMPLE}"));
    }
    let mut mappings = Vec::new();
    for part in text.split('{').skip(1) {
        if mappings.len() == usize::from(FIELDS) {
            return Err(format!("there are {FIELDS} fields for options"));
        }
        mappings.push(parse_mapping(&format!("{{{}", part.trim_end_matches([',', ' '])))?);
    }
    Ok(mappings)
}

/// Reads one of them.
///
/// # Errors
/// What is wrong with it.
pub fn parse_mapping(text: &str) -> Result<Mapping, String> {
    let wrong = || format!("{text:?} maps no option: {EXAMPLE}");
    let option = text.trim().strip_prefix('{').and_then(|rest| rest.split_once("}->"));
    let (option, field) = option.ok_or_else(wrong)?;
    let index = field.strip_prefix("tun_metadata").ok_or_else(wrong)?;
    let index = read_number(index, u16::MAX.into())? as u16;
    let (mut class, mut kind, mut len) = (None, None, None);
    for word in option.split(',') {
        let (key, value) = word.split_once('=').ok_or_else(wrong)?;
        let (place, max) = match key.trim() {
            "class" => (&mut class, u16::MAX.into()),
            "type" => (&mut kind, u8::MAX.into()),
            "len" => (&mut len, u8::MAX.into()),
            other => return Err(format!("{other:?} says nothing of an option: {EXAMPLE}")),
        };
        if place.replace(read_number(value.trim(), max)?).is_some() {
            return Err(format!("{text:?}: {} is given twice", key.trim()));
        }
    }
    let (Some(class), Some(kind), Some(len)) = (class, kind, len) else { return Err(wrong()) };
    Ok(Mapping { class: class as u16, kind: kind as u8, len: len as u8, index })
}

/// The bit that says that an option is there.
pub(crate) fn presence(mapping: Mapping, map: &OptionMap) -> u128 {
    map.presence(mapping.index).unwrap_or(0).into()
}

/// What `tun_metadataN`, with or without a value, asks for: the option is there, and its bits are these.
pub(super) fn conditions(
    mapping: Mapping,
    value: Option<Span<'_>>,
    ports: &dyn PortNames,
) -> Result<Vec<Bits>, Fault> {
    let map = ports.options();
    let there = presence(mapping, map);
    let bits = |value| Bits { field: Field::OptionPresence, value, mask: there };
    let Some(value) = value else { return Ok(vec![bits(there)]) };
    if value.text == ABSENT {
        return Ok(vec![bits(0)]);
    }
    let wide = Wide::read(value, mapping)?;
    Ok([bits(there)].into_iter().chain(wide.bits(mapping, map)).collect())
}

/// What `set_field:VALUE->tun_metadataN` sets.
pub(super) fn settings(mapping: Mapping, value: Span<'_>, ports: &dyn PortNames) -> Result<Vec<Bits>, Fault> {
    let wide = Wide::read(value, mapping)?;
    if wide.mask.iter().all(|byte| *byte == 0) {
        return Err(value.fault("a mask of zero sets nothing"));
    }
    if wide.value.iter().zip(&wide.mask).any(|(value, mask)| value & !mask != 0) {
        return Err(value.fault(format!("{}: the value has bits that the mask does not set", value.text)));
    }
    Ok(wide.bits(mapping, ports.options()))
}

/// What takes the option away.
pub(super) fn deletion(mapping: Mapping, ports: &dyn PortNames) -> RuleAction {
    let mask = presence(mapping, ports.options());
    RuleAction::SetField { field: Field::OptionPresence, value: 0, mask }
}

/// The name of a piece, with the part of it that `first..=last` of the bits of a field are. None: they are not all in one piece.
pub(super) fn part(
    mapping: Mapping,
    (first, last): (u32, u32),
    ports: &dyn PortNames,
) -> Option<(&'static Name, Part)> {
    let map = ports.options();
    map.pieces(mapping.index).find_map(|field| {
        let (_, begin) = map.owner(field)?;
        let bits = u32::from(field.slot().bits);
        let fits = first >= begin && last < begin + bits;
        let part = Part { field, offset: (first.checked_sub(begin)?) as u8, bits: (last - first + 1) as u8 };
        fits.then_some(part).zip(fields::piece(field)).map(|(part, name)| (name, part))
    })
}

/// A part of a piece as text.
pub(super) fn write_part(part: &Part, ports: &dyn PortNames) -> Option<String> {
    let (index, begin) = ports.options().owner(part.field)?;
    let all = u32::from(ports.options().get(index)?.len) * 8;
    let first = begin + u32::from(part.offset);
    Some(match (first, u32::from(part.bits)) {
        (0, bits) if bits == all => format!("tun_metadata{index}[]"),
        (first, 1) => format!("tun_metadata{index}[{first}]"),
        (first, bits) => format!("tun_metadata{index}[{first}..{}]", first + bits - 1),
    })
}

/// The conditions on options, in the order of their fields.
pub(super) fn write_match(out: &mut Vec<String>, matching: &Match, ports: &dyn PortNames) {
    let (key, mask) = (matching.key(), matching.mask());
    let (there, asked) = (key.get(Field::OptionPresence), mask.get(Field::OptionPresence));
    let map = ports.options();
    for mapping in map.iter() {
        let index = mapping.index;
        let mut wide = Wide::zero(mapping);
        map.pieces(index).for_each(|piece| wide.put(piece, key.get(piece), mask.get(piece), map));
        let bit = presence(mapping, map);
        let looked_at = wide.mask.iter().any(|byte| *byte != 0);
        match (asked & bit != 0, looked_at) {
            (false, false) => {}
            (true, false) if there & bit == 0 => out.push(format!("tun_metadata{index}={ABSENT}")),
            (true, false) => out.push(format!("tun_metadata{index}")),
            (_, true) => out.push(format!("tun_metadata{index}={}", wide.write())),
        }
    }
}

/// What some actions, from the first on, set of one option, as text, and how many of them they are.
pub(super) fn write_set(actions: &[RuleAction], ports: &dyn PortNames) -> Option<(String, usize)> {
    let map = ports.options();
    let first = match actions.first()? {
        RuleAction::SetField { field: Field::OptionPresence, value: 0, mask } => {
            let index = map.iter().find(|mapping| presence(*mapping, map) == *mask)?.index;
            return Some((format!("delete_field:tun_metadata{index}"), 1));
        }
        RuleAction::SetField { field, .. } => map.owner(*field)?,
        _ => return None,
    };
    let mapping = map.get(first.0)?;
    let (mut wide, mut before, mut count) = (Wide::zero(mapping), u32::MAX, 0);
    for action in actions {
        let RuleAction::SetField { field, value, mask } = action else { break };
        match map.owner(*field) {
            Some((index, begin)) if index == mapping.index && begin < before => before = begin,
            _ => break,
        }
        wide.put(*field, *value, *mask, map);
        count += 1;
    }
    Some((format!("set_field:{}->tun_metadata{}", wide.write(), mapping.index), count))
}

/// A value of as many bytes as an option has, and which of its bits matter.
pub(crate) struct Wide {
    pub(crate) value: Vec<u8>,
    pub(crate) mask: Vec<u8>,
}

impl Wide {
    pub(crate) fn zero(mapping: Mapping) -> Wide {
        let zero = vec![0; mapping.len.into()];
        Wide { value: zero.clone(), mask: zero }
    }

    fn read(text: Span<'_>, mapping: Mapping) -> Result<Wide, Fault> {
        let len = mapping.len.into();
        let (value, mask) = match text.split_once("/") {
            None => (text, None),
            Some((value, mask)) => (value, Some(mask)),
        };
        let read = |text: Span<'_>| read_bytes(text.text, len).map_err(|message| text.fault(message));
        Ok(Wide { value: read(value)?, mask: mask.map_or(Ok(vec![0xff; len]), read)? })
    }

    /// By pieces, those that do not matter left out.
    pub(crate) fn bits(&self, mapping: Mapping, map: &OptionMap) -> Vec<Bits> {
        let mut at = 0;
        let piece = |field: Field| {
            let end = at + usize::from(field.slot().bits) / 8;
            let number = |bytes: &[u8]| {
                bytes.get(at..end).unwrap_or(&[]).iter().fold(0, |all, byte| all << 8 | u128::from(*byte))
            };
            let (value, mask) = (number(&self.value), number(&self.mask));
            at = end;
            Bits { field, value: value & mask, mask }
        };
        map.pieces(mapping.index).map(piece).filter(|bits| bits.mask != 0).collect()
    }

    /// Takes over what a piece says.
    pub(crate) fn put(&mut self, piece: Field, value: u128, mask: u128, map: &OptionMap) {
        let Some((_, begin)) = map.owner(piece) else { return };
        let bytes = usize::from(piece.slot().bits) / 8;
        let end = self.value.len().saturating_sub(begin as usize / 8);
        for (to, from) in [(&mut self.value, value), (&mut self.mask, mask)] {
            if let Some(room) = to.get_mut(end.saturating_sub(bytes)..end) {
                room.copy_from_slice(&from.to_be_bytes()[16 - bytes..]);
            }
        }
    }

    fn write(&self) -> String {
        match self.mask.iter().all(|byte| *byte == 0xff) {
            true => write_bytes(&self.value),
            false => format!("{}/{}", write_bytes(&self.value), write_bytes(&self.mask)),
        }
    }
}

/// A number of at most so many bytes, decimal (of at most 16 bytes) or hexadecimal.
fn read_bytes(text: &str, len: usize) -> Result<Vec<u8>, String> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let Some(digits) = hexadecimal else {
        let max = if len >= 16 { u128::MAX } else { (1 << (8 * len)) - 1 };
        let number = read_number(text, max)?.to_be_bytes();
        let zeros = len.saturating_sub(number.len());
        return Ok([&vec![0; zeros][..], &number[number.len() - len.min(16)..]].concat());
    };
    let nibbles: Option<Vec<u8>> = digits.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let nibbles = nibbles.filter(|nibbles| !nibbles.is_empty()).ok_or(format!("{text:?} is no number"))?;
    let start = nibbles.iter().position(|nibble| *nibble != 0).unwrap_or(nibbles.len());
    let nibbles = &nibbles[start..];
    if nibbles.len() > 2 * len {
        return Err(format!("{text} is too large: at most {len} bytes"));
    }
    let mut all = vec![0; 2 * len - nibbles.len()];
    all.extend(nibbles);
    Ok(all.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// As Open vSwitch writes it (`ds_put_hex`): hexadecimal, without leading zeros.
fn write_bytes(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}
