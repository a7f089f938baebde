//! Matches like one that was read before: the same fields with the same masks, and other values. Most flows of a controller look so.
//!
//! Of a match that made sense it is remembered which bits of its bytes are values that may be others: not those which say what headers
//! a frame has. Bytes that agree in all others mean the same fields and the same context, so only the values are put in their places. Whatever
//! is not like any that is remembered is read field by field; so errors are found there alone. That both ways read the same is a
//! law (below). Of so many matches and no more, for each thread.

use super::values::number;
use crate::ofproto::context::{Context, ICMP6};
use crate::openflow::Code;
use crate::openflow::fields::{Form, WireField, read_header};
use crate::openflow::wire::Reader;
use crate::text::OFPORT_MAX;
use datapath::flow::Field;
use datapath::pipeline::Match;
use std::cell::RefCell;

/// How many are remembered, and how long they are at the most.
const KEPT: usize = 8;
const BYTES_MAX: usize = 256;
/// The identifier of a tag, without the bit that says that there is one.
const TAG_NUMBER: u128 = 0x0fff;

/// A value that may be another: up to eight bytes of a match, and where they go.
#[derive(Debug)]
struct Hole {
    at: usize,
    len: usize,
    /// Which of these bits may be others, and which of them the field's mask lets be set.
    free: u64,
    mask: u64,
    /// The greatest value.
    most: u64,
    /// Which of the match's values they are in, and how far to the left.
    cell: usize,
    shift: u8,
}

/// A match that was read.
#[derive(Debug)]
struct Shape {
    bytes: Box<[u8]>,
    /// Bits that must be the same.
    fixed: Box<[u8]>,
    holes: Vec<Hole>,
    matching: Match,
    context: Context,
}

struct Known {
    shapes: Vec<Shape>,
    /// The one that was met last.
    last: usize,
    /// Whose place is the next one's.
    next: usize,
}

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known { shapes: Vec::new(), last: 0, next: 0 }) };
}

/// The match that these fields are, and what it says about frames; None: none like it is remembered.
pub(super) fn read(fields: &[u8]) -> Option<(Match, Context)> {
    KNOWN.with_borrow_mut(|known| {
        let last = known.shapes.get(known.last).and_then(|shape| shape.read(fields));
        last.or_else(|| {
            let found = known.shapes.iter().position(|shape| shape.is_of(fields))?;
            known.last = found;
            known.shapes[found].read(fields)
        })
    })
}

/// Remembers a match that was read field by field.
pub(super) fn remember(fields: &[u8], matching: &Match, context: Context) {
    let Some(shape) = Shape::new(fields, matching, context) else { return };
    KNOWN.with_borrow_mut(|known| {
        // One that is like it but in values that it may not have, as ports beyond all.
        if known.shapes.iter().any(|known| known.is_of(fields)) {
            return;
        }
        match known.shapes.get_mut(known.next) {
            Some(place) => *place = shape,
            None => known.shapes.push(shape),
        }
        known.last = known.next;
        known.next = (known.next + 1) % KEPT;
    });
}

impl Shape {
    fn new(fields: &[u8], matching: &Match, context: Context) -> Option<Shape> {
        if fields.len() > BYTES_MAX {
            return None;
        }
        let (mut fixed, mut holes) = (vec![u8::MAX; fields.len()], Vec::new());
        let mut reader = Reader::new(fields, Code::BadMatchLen);
        while !reader.is_empty() {
            let claimed = read_header(&mut reader).ok()?;
            // What options are called can be something else next time.
            let row = claimed.row.filter(|_| claimed.option.is_none())?;
            let (at, len) = (fields.len() - reader.len(), usize::from(row.bytes));
            reader.skip(claimed.len).ok()?;
            let value = number(fields.get(at..at + len)?);
            // Those beyond all ports have more bits here than their bytes say.
            if is_port(row) && value > u128::from(OFPORT_MAX) {
                return None;
            }
            let mask = if claimed.masked { number(fields.get(at + len..at + 2 * len)?) } else { row.ones() };
            let free = free(row, value, context);
            for (fixed, free) in fixed.get_mut(at..at + len)?.iter_mut().rev().zip(free.to_le_bytes()) {
                *fixed = !free;
            }
            if free != 0 {
                holes.extend(pieces(row, at, free, mask, matching)?);
            }
        }
        let (bytes, fixed) = (fields.into(), fixed.into());
        Some(Shape { bytes, fixed, holes, matching: matching.clone(), context })
    }

    /// Whether only values that may be others are others.
    fn is_of(&self, fields: &[u8]) -> bool {
        let pairs = self.bytes.iter().zip(fields).zip(&self.fixed);
        fields.len() == self.bytes.len()
            && pairs.fold(0, |differ, ((known, byte), fixed)| differ | (known ^ byte) & fixed) == 0
    }

    fn read(&self, fields: &[u8]) -> Option<(Match, Context)> {
        if !self.is_of(fields) {
            return None;
        }
        let mut fit = true;
        let matching = self.matching.valued(|values| {
            for Hole { at, len, free, mask, most, cell, shift } in &self.holes {
                let bytes = fields.get(*at..at + len).unwrap_or_default();
                let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)) & free;
                fit &= value & !mask == 0 && value <= *most;
                if let Some(place) = values.get_mut(*cell) {
                    *place = *place & !(free << shift) | value << shift;
                }
            }
        });
        fit.then_some((matching, self.context))
    }
}

fn is_port(row: &WireField) -> bool {
    matches!(row.form, Form::Port | Form::ShortPort)
}

/// Which bits of a field's value may be others without the match saying something else about frames.
fn free(row: &WireField, value: u128, context: Context) -> u128 {
    let tells = match row.field {
        Field::EthType | Field::NwProto | Field::NwFrag => true,
        // The type and code of ICMP.
        Field::TpSrc | Field::TpDst => context.protocol == Some(ICMP6),
        _ => false,
    };
    match row.form {
        Form::Plain | Form::Port | Form::ShortPort
            if !tells && u32::from(row.field.slot().bits) >= row.max().count_ones() =>
        {
            row.max()
        }
        Form::TagId if value > TAG_NUMBER => TAG_NUMBER,
        _ => 0,
    }
}

/// Where a field's value is read and where it goes, in pieces of a word. None where the match does not look.
fn pieces(row: &WireField, at: usize, free: u128, mask: u128, matching: &Match) -> Option<Vec<Hole>> {
    let slot = row.field.slot();
    let most = if is_port(row) { u64::from(OFPORT_MAX) } else { u64::MAX };
    let (free, mask) = ([(free >> 64) as u64, free as u64], [(mask >> 64) as u64, mask as u64]);
    let piece = |nth: usize, at, len, word: usize| {
        let cell = matching.cell(word)?;
        Some(Hole { at, len, free: free[nth], mask: mask[nth], most, cell, shift: slot.shift })
    };
    let word = usize::from(slot.word);
    match slot.bits {
        128 => Some(vec![piece(0, at, 8, word)?, piece(1, at + 8, 8, word + 1)?]),
        _ => Some(vec![piece(1, at, row.bytes.into(), word)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::oxm::read_fields;
    use super::*;
    use crate::openflow::Version;
    use crate::openflow::fields::{FIELDS, Numbering, write_header};
    use crate::openflow::wire::Writer;
    use proptest::prelude::*;

    fn field(name: &str, value: u128, mask: Option<u128>) -> Vec<u8> {
        let row = FIELDS.iter().find(|row| row.name == name).expect("a field");
        written(row, value, mask)
    }

    fn written(row: &WireField, value: u128, mask: Option<u128>) -> Vec<u8> {
        let mut writer = Writer::new();
        write_header(&mut writer, row.number(Numbering::Oxm(Version::V13)), mask.is_some(), row.bytes);
        for number in [Some(value), mask].into_iter().flatten() {
            writer.bytes(&number.to_be_bytes()[16 - usize::from(row.bytes)..]);
        }
        writer.into_bytes()
    }

    fn anew(fields: &[u8]) -> Result<(Match, Context), Code> {
        read_fields(Reader::new(fields, Code::BadMatchLen), None)
    }

    /// As a message is read. Whether it was familiar.
    fn hear(fields: &[u8]) -> bool {
        let (familiar, anew) = (read(fields), anew(fields));
        if let Some(familiar) = &familiar {
            assert_eq!(Ok(familiar), anew.as_ref(), "{fields:02x?}");
        } else if let Ok((matching, context)) = &anew {
            remember(fields, matching, *context);
        }
        familiar.is_some()
    }

    #[test]
    fn the_same_conditions_on_other_values_are_familiar() {
        let conversation = |address: u128, port: u128| {
            let ip = [field("eth_type", 0x800, None), field("nw_proto", 6, None)].concat();
            [ip, field("ip_src", address, Some(0xffff_ff00)), field("tcp_dst", port, None)].concat()
        };
        assert!(!hear(&conversation(0x0a00_0000, 80)));
        assert!(hear(&conversation(0x0aff_0100, 443)));
        assert!(!hear(&conversation(0x0aff_0101, 443)), "a bit that the mask does not name");
        assert_eq!(anew(&conversation(0x0aff_0101, 443)), Err(Code::BadWildcards));
        let vlan =
            |tag: u128, port: u128| [field("in_port", port, None), field("vlan_vid", tag, None)].concat();
        assert!(!hear(&vlan(0x1005, 3)));
        assert!(hear(&vlan(0x1fff, 0xfeff)) && hear(&vlan(0x1000, 1)));
        assert!(!hear(&vlan(0, 3)), "no tag");
        assert!(!hear(&vlan(0x1005, 0xffff_fffe)), "the host's own port has another number");
    }

    #[test]
    fn ports_are_not_like_those_beyond_all_ports() {
        // NXM_OF_IN_PORT, which has sixteen bits of the thirty-two.
        let port = |port: u16| [&[0, 0, 0, 2][..], &port.to_be_bytes()].concat();
        assert!(!hear(&port(0xfff8)) && !hear(&port(0xfffe)));
        assert!(!hear(&port(3)));
        assert!(hear(&port(0x1000)) && !hear(&port(0xfffe)));
    }

    #[test]
    fn what_tells_the_headers_is_no_value_like_others() {
        let discovery = |kind: u128, target: u128| {
            let icmp = [field("eth_type", 0x86dd, None), field("nw_proto", 58, None)].concat();
            [icmp, field("icmpv6_type", kind, None), field("nd_target", target, None)].concat()
        };
        assert!(!hear(&discovery(135, 1)));
        assert!(hear(&discovery(135, 0xfe80 << 112 | 0x1234_5678)));
        assert!(!hear(&discovery(136, 1)));
        assert!(!hear(&discovery(128, 1)));
        assert_eq!(anew(&discovery(128, 1)), Err(Code::BadPrereq));
    }

    /// What comes first, so that many fields make sense.
    const HEADERS: [&[(&str, u128)]; 8] = [
        &[],
        &[("eth_type", 0x800)],
        &[("eth_type", 0x800), ("nw_proto", 6)],
        &[("eth_type", 0x800), ("nw_proto", 1)],
        &[("eth_type", 0x86dd), ("nw_proto", 17)],
        &[("eth_type", 0x86dd), ("nw_proto", 58), ("icmpv6_type", 135)],
        &[("eth_type", 0x806)],
        &[("vlan_vid", 0x1001), ("eth_type", 0x8847)],
    ];

    fn bits() -> impl Strategy<Value = u128> {
        prop_oneof![any::<u128>(), 0..3u128, Just(0x1000), Just(u128::MAX), (0..128u32).prop_map(|n| 1 << n)]
    }

    proptest! {
        #[test]
        fn what_is_familiar_is_what_would_be_read(
            headers in 0..HEADERS.len(),
            rows in prop::collection::vec((0..FIELDS.len(), prop::option::weighted(0.3, bits())), 0..4),
            values in prop::collection::vec(prop::collection::vec(bits(), 4), 1..8),
        ) {
            for values in values {
                let first = HEADERS[headers].iter().flat_map(|(name, value)| field(name, *value, None));
                let more = rows.iter().zip(values).flat_map(|((row, mask), value)| {
                    let row = &FIELDS[*row];
                    // Mostly what the field can have.
                    let value = if value >> 120 == 0x55 { value } else { value & row.max() };
                    let mask = mask.map(|mask| mask & row.max());
                    written(row, value & mask.unwrap_or(u128::MAX), mask)
                });
                hear(&first.chain(more).collect::<Vec<_>>());
            }
        }
    }
}
