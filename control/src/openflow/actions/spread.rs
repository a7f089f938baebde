//! `multipath`, `bundle` and `bundle_load` on the wire (`include/openflow/nicira-ext.h` and `lib/bundle.c` of Open vSwitch 3.1).

use super::encode::Encoder;
use super::parts::{NamedPart, range, read_field, read_range};
use super::{Reading, is_zero, nxast};
use crate::ofproto::reserved;
use crate::openflow::fields::{Numbering, write_header};
use crate::openflow::wire::Reader;
use crate::openflow::{Code, ports};
use datapath::flow::spread::HashFields;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Bundle, LinkChoice, MEMBERS_MAX, Multipath, Part, PortChoice, RuleAction};

/// What the members of a bundle are (`NXM_OF_IN_PORT`).
const MEMBERS: u32 = 0x0000_0002;

impl Reading {
    pub(super) fn multipath(&mut self, mut body: Reader<'_>) -> Result<(), Code> {
        self.not_in_a_set()?;
        let (fields, basis) = (hash_fields(body.u16()?)?, body.u16()?);
        body.skip(2)?;
        let (choice, last, arg) = (choice(&LinkChoice::ALL, body.u16()?)?, body.u16()?, body.u32()?);
        body.skip(2)?;
        let to = self.spread_target(&mut body)?;
        if to.bits < 16 && 1u32 << to.bits < u32::from(last) + 1 {
            return Err(Code::BadArgument);
        }
        body.end()?;
        self.push(RuleAction::Multipath(Box::new(Multipath { fields, basis, choice, last, arg, to })));
        Ok(())
    }

    /// `load`: the port's number goes into a field.
    pub(super) fn bundle(&mut self, mut body: Reader<'_>, load: bool) -> Result<(), Code> {
        self.not_in_a_set()?;
        let choice = choice(&PortChoice::ALL, body.u16()?)?;
        let (fields, basis) = (hash_fields(body.u16()?)?, body.u16()?);
        if body.u32()? != MEMBERS {
            return Err(Code::BadArgument);
        }
        let count = usize::from(body.u16()?);
        let to = if load {
            Some(self.spread_target(&mut body)?)
        } else {
            if body.take(6)? != [0; 6] {
                return Err(Code::BadArgument);
            }
            None
        };
        if body.take(4)? != [0; 4] || count > MEMBERS_MAX {
            return Err(Code::BadArgument);
        }
        let (members, _) = body.part(count * 2, Code::BadActionLen)?.rest().as_chunks::<2>();
        let members: Box<[OfPort]> =
            members.iter().map(|port| ports::from_short(u16::from_be_bytes(*port))).collect();
        if !is_zero(&body) {
            return Err(Code::BadArgument);
        }
        let good = |port: &OfPort| *port == reserved::ANY || port.0 != 0 && port.0 <= crate::text::LOCAL.0;
        if !members.iter().all(good) {
            return Err(Code::BadOutPort);
        }
        self.push(RuleAction::Bundle(Box::new(Bundle { fields, basis, choice, members, to })));
        Ok(())
    }

    /// The first bit and the number of bits, and the field.
    fn spread_target(&mut self, body: &mut Reader<'_>) -> Result<Part, Code> {
        let (offset, bits) = read_range(body.u16()?);
        let mut header = body.part(4, Code::BadActionLen)?;
        let part = NamedPart::new(read_field(&mut header)?, offset, bits)?;
        let to = self.target(part, body.options())?;
        if to.field == Field::VlanTci {
            return Err(Code::BadSetArgument);
        }
        Ok(to)
    }
}

fn hash_fields(number: u16) -> Result<HashFields, Code> {
    HashFields::ALL.get(usize::from(number)).copied().ok_or(Code::BadArgument)
}

fn choice<T: Copy>(all: &[(T, &str)], number: u16) -> Result<T, Code> {
    all.get(usize::from(number)).map(|(choice, _)| *choice).ok_or(Code::BadArgument)
}

fn number_of<T: PartialEq>(all: &[(T, &str)], choice: T) -> u16 {
    all.iter().position(|(one, _)| *one == choice).unwrap_or(0) as u16
}

impl Encoder<'_> {
    pub(super) fn multipath(&mut self, multipath: &Multipath) {
        let Multipath { fields, basis, choice, last, arg, to } = *multipath;
        let Some((number, bytes, offset)) = self.place(&to, Numbering::Nxm) else { return };
        self.nicira(nxast::MULTIPATH, |writer| {
            writer.u16(fields as u16).u16(basis).zeros(2).u16(number_of(&LinkChoice::ALL, choice));
            writer.u16(last).u32(arg).zeros(2).u16(range(offset, to.bits));
            write_header(writer, number, false, bytes);
            writer
        });
    }

    pub(super) fn bundle(&mut self, bundle: &Bundle) {
        let Bundle { fields, basis, choice, members, to } = bundle;
        let place = match to {
            None => None,
            Some(to) => match self.place(to, Numbering::Nxm) {
                None => return,
                Some(place) => Some((place, to.bits)),
            },
        };
        let kind = if to.is_some() { nxast::BUNDLE_LOAD } else { nxast::BUNDLE };
        self.nicira(kind, |writer| {
            writer.u16(number_of(&PortChoice::ALL, *choice)).u16(*fields as u16).u16(*basis);
            writer.u32(MEMBERS).u16(members.len() as u16);
            match place {
                None => {
                    writer.zeros(6);
                }
                Some(((number, bytes, offset), bits)) => {
                    writer.u16(range(offset, bits));
                    write_header(writer, number, false, bytes);
                }
            }
            writer.zeros(4);
            members.iter().fold(writer, |writer, port| writer.u16(ports::to_short(*port)))
        });
    }
}
