//! `multipath`, `bundle` and `bundle_load`: one of several ways for each conversation, as ovs-actions(7) writes them.

use super::actions::Reading;
use super::format::write_port;
use super::parts::{read_part, write_part};
use super::ports::PortNames;
use super::scan::{Fault, Span, Word};
use super::value::{read_number, read_port};
use crate::ofproto::context::Context;
use datapath::flow::OfPort;
use datapath::flow::spread::HashFields;
use datapath::pipeline::{Bundle, LinkChoice, MEMBERS_MAX, Multipath, Part, PortChoice, RuleAction};

const LINKS_MAX: u128 = 65_536;

const MULTIPATH: &str = "multipath is written multipath(FIELDS,BASIS,ALGORITHM,LINKS,ARG,FIELD[A..B])";
const BUNDLE: &str = "bundle is written bundle(FIELDS,BASIS,ALGORITHM,ofport,members:PORT,PORT)";
const BUNDLE_LOAD: &str =
    "bundle_load is written bundle_load(FIELDS,BASIS,ALGORITHM,ofport,FIELD[A..B],members:PORT,PORT)";

impl Reading<'_> {
    pub(super) fn multipath(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let mut arguments = Arguments::of(&word, MULTIPATH);
        let (fields, basis) = (arguments.fields()?, arguments.number(0, u16::MAX.into())? as u16);
        let choice = arguments.choice(&LinkChoice::ALL)?;
        let links = arguments.number(1, LINKS_MAX)?;
        let arg = arguments.number(0, u32::MAX.into())? as u32;
        let target = arguments.rest()?;
        let to = self.target(target)?;
        if to.bits < 16 && 1 << to.bits < links {
            return Err(target.fault(format!("{} bits do not hold the numbers of {links} links", to.bits)));
        }
        let last = (links - 1) as u16;
        self.push_action(RuleAction::Multipath(Box::new(Multipath { fields, basis, choice, last, arg, to })));
        Ok(())
    }

    /// `load`: the port's number goes into a field.
    pub(super) fn bundle(&mut self, word: Word<'_>, load: bool) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let mut arguments = Arguments::of(&word, if load { BUNDLE_LOAD } else { BUNDLE });
        let (fields, basis) = (arguments.fields()?, arguments.number(0, u16::MAX.into())? as u16);
        let choice = arguments.choice(&PortChoice::ALL)?;
        arguments.choice(&[((), "ofport")])?;
        let to = if load { Some(arguments.next().and_then(|target| self.target(target))?) } else { None };
        let members = arguments.rest()?;
        let listed = ["members:", "members=", "slaves:", "slaves="];
        let Some(skip) = listed.iter().find(|start| members.text.starts_with(**start)) else {
            return Err(members.fault(arguments.written));
        };
        let list = members.cut(skip.len(), members.text.len());
        let ports = list.split(|c| c == ',' || c.is_ascii_whitespace()).filter(|port| !port.text.is_empty());
        let read =
            |port: Span<'_>| read_port(port.text, self.known.ports).map_err(|message| port.fault(message));
        let members: Box<[OfPort]> = ports.map(read).collect::<Result<_, Fault>>()?;
        if members.len() > MEMBERS_MAX {
            return Err(list.fault(format!("a bundle has at most {MEMBERS_MAX} ports")));
        }
        self.push_action(RuleAction::Bundle(Box::new(Bundle { fields, basis, choice, members, to })));
        Ok(())
    }

    fn target(&self, text: Span<'_>) -> Result<Part, Fault> {
        let to = read_part(text, self.known.ports)?;
        self.check(to.name, text)?;
        Ok(to.part)
    }
}

/// What stands between the parentheses, one after the other.
struct Arguments<'a> {
    left: Option<Span<'a>>,
    whole: Span<'a>,
    /// How it is written.
    written: &'static str,
}

impl<'a> Arguments<'a> {
    fn of(word: &Word<'a>, written: &'static str) -> Arguments<'a> {
        Arguments { left: word.value, whole: word.key, written }
    }

    fn next(&mut self) -> Result<Span<'a>, Fault> {
        let left = self.left.ok_or_else(|| self.whole.fault(self.written))?;
        let (first, rest) = left.split_once(",").map_or((left, None), |(first, rest)| (first, Some(rest)));
        self.left = rest;
        Ok(first.trim())
    }

    /// All that was not read.
    fn rest(&mut self) -> Result<Span<'a>, Fault> {
        self.left.take().map(Span::trim).ok_or_else(|| self.whole.fault(self.written))
    }

    fn number(&mut self, min: u128, max: u128) -> Result<u128, Fault> {
        let text = self.next()?;
        match read_number(text.text, max) {
            Ok(number) if number >= min => Ok(number),
            Ok(_) => Err(text.fault(format!("at least {min}"))),
            Err(message) => Err(text.fault(message)),
        }
    }

    fn choice<T: Copy>(&mut self, all: &[(T, &str)]) -> Result<T, Fault> {
        let text = self.next()?;
        let found = all.iter().find(|(_, name)| *name == text.text);
        let names: Vec<_> = all.iter().map(|(_, name)| *name).collect();
        found.map(|(choice, _)| *choice).ok_or_else(|| text.fault(format!("one of {}", names.join(", "))))
    }

    fn fields(&mut self) -> Result<HashFields, Fault> {
        self.choice(&HashFields::ALL.map(|fields| (fields, fields.name())))
    }
}

pub(super) fn write_multipath(multipath: &Multipath, context: &Context, ports: &dyn PortNames) -> String {
    let Multipath { fields, basis, choice, last, arg, to } = multipath;
    let (name, links) = (name_of(&LinkChoice::ALL, *choice), u32::from(*last) + 1);
    let to = write_part(to, context, ports);
    format!("multipath({},{basis},{name},{links},{arg},{to})", fields.name())
}

pub(super) fn write_bundle(bundle: &Bundle, context: &Context, ports: &dyn PortNames) -> String {
    let Bundle { fields, basis, choice, members, to } = bundle;
    let members: Vec<_> = members.iter().map(|port| write_port(port.0.into(), ports)).collect();
    let (load, to) = match to {
        None => ("", String::new()),
        Some(to) => ("_load", format!("{},", write_part(to, context, ports))),
    };
    let name = name_of(&PortChoice::ALL, *choice);
    format!("bundle{load}({},{basis},{name},ofport,{to}members:{})", fields.name(), members.join(","))
}

fn name_of<T: PartialEq>(all: &[(T, &'static str)], choice: T) -> &'static str {
    all.iter().find(|(one, _)| *one == choice).map_or("", |(_, name)| name)
}
