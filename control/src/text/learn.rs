//! `learn` and `fin_timeout`: flows that are made of what frames say, and when they go (ovs-actions(7), "The learn action"; the order in which
//! they are written is that of `lib/learn.c` of Open vSwitch).

use super::actions::Reading;
use super::conditions::PRIORITY_DEFAULT;
use super::fields::{Form, NAMES, Name, Set};
use super::format::{hexadecimal, write_port, write_value};
use super::parts::{NamedPart, is_there, read_part, write_part};
use super::ports::PortNames;
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::{read_number, read_whole};
use crate::ofproto::context::{Context, Needs};
use crate::ofproto::lesson::{self, Specs, with_contexts};
use datapath::action::learn::{Learn, Source, Spec};
use datapath::flow::Field;
use datapath::pipeline::{Part, RuleAction, TABLES};

/// The table that flows are added to when none is named.
const TABLE: u8 = 1;
/// The number of a port, in sixteen bits.
const SHORT_PORT: Part = Part { field: Field::InPort, offset: 0, bits: 16 };
/// What a learn action takes beside fields.
const WORDS: [&str; 12] = [
    "table",
    "priority",
    "idle_timeout",
    "hard_timeout",
    "fin_idle_timeout",
    "fin_hard_timeout",
    "cookie",
    "send_flow_rem",
    "delete_learned",
    "limit",
    "result_dst",
    "output",
];

impl Reading<'_> {
    /// `learn(KEY=VALUE,FIELD[BITS]=FIELD[BITS],...)`.
    pub(super) fn learn(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        let mut learn = Learn { table: TABLE, priority: PRIORITY_DEFAULT, ..Learn::default() };
        let mut specs = Specs::default();
        let mut words = word.value.map(Words::of);
        while let Some(word) = words.as_mut().map_or(Ok(None), Words::next)? {
            if !self.property(&word, &mut learn)? {
                let spec = self.spec(&word, &specs.context())?;
                specs.push(spec).map_err(|error| word.key.fault(error.message()))?;
            }
        }
        learn.specs = specs.finish();
        self.push_action(RuleAction::Learn(learn.into()));
        Ok(())
    }

    /// What is said of the flow beside what it is made of. False when it is something else.
    fn property(&self, word: &Word<'_>, learn: &mut Learn) -> Result<bool, Fault> {
        let number = |max: u128| {
            let text = word.argument()?;
            read_number(text.text, max).map_err(|message| text.fault(message))
        };
        let short = || number(u16::MAX.into()).map(|number| number as u16);
        match word.key.text {
            "table" => learn.table = number(TABLES as u128 - 1)? as u8,
            "priority" => learn.priority = short()?,
            "idle_timeout" => learn.idle_timeout = short()?,
            "hard_timeout" => learn.hard_timeout = short()?,
            "fin_idle_timeout" => learn.fin_idle_timeout = short()?,
            "fin_hard_timeout" => learn.fin_hard_timeout = short()?,
            "cookie" => learn.cookie = number(u64::MAX.into())? as u64,
            "limit" => learn.limit = number(u32::MAX.into())? as u32,
            "send_flow_rem" => {
                word.bare()?;
                learn.send_flow_rem = true;
            }
            "delete_learned" => {
                word.bare()?;
                learn.delete_learned = true;
            }
            "result_dst" => {
                let text = word.argument()?;
                let NamedPart { name, part } = read_part(text, self.known.ports)?;
                self.check(name, text)?;
                if part.bits != 1 {
                    return Err(text.fault("the result is one bit, as in result_dst=reg0[0]"));
                }
                learn.result = Some(part);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A part of the flow that is made, of which `context` is known so far.
    fn spec(&self, word: &Word<'_>, context: &Context) -> Result<Spec, Fault> {
        match word.key.text {
            "load" => self.load_spec(word.argument()?, context),
            "output" => Ok(Spec::Output(self.source(word.argument()?)?)),
            _ => self.match_spec(word, context),
        }
    }

    /// `FIELD[BITS]`, `FIELD[BITS]=FIELD[BITS]` or `FIELD[BITS]=VALUE`.
    fn match_spec(&self, word: &Word<'_>, context: &Context) -> Result<Spec, Fault> {
        let called = word.key.text.split('[').next().unwrap_or_default();
        let to = read_part(word.key, self.known.ports).map_err(|fault| {
            match super::fields::find_bits(called) {
                Some(_) => fault,
                None => {
                    Fault { message: format!("{}{}", fault.message, did_you_mean(called, WORDS)), ..fault }
                }
            }
        })?;
        if to.part.field.is_option() {
            return Err(word.key.fault("a flow that is learned cannot ask for options"));
        }
        if !context.meets(to.name.needs) {
            let (name, needs) = (to.name.names[0], to.name.needs.advice());
            return Err(word
                .key
                .fault(format!("asking for {name} needs {needs}, and as constants in front of it")));
        }
        if !to.name.maskable && !is_whole(&to) {
            return Err(word.key.fault(format!("{} takes no mask", to.name.names[0])));
        }
        let from = match word.value {
            None => Source::Field(self.source(word.key)?),
            Some(text) => match read_part(text, self.known.ports) {
                Ok(_) => self.source_for(text, &to)?,
                Err(fault) => Source::Value(self.constant(text, &to, fault)?),
            },
        };
        Ok(Spec::Match { to: to.part, from })
    }

    /// A constant for these bits.
    fn constant(&self, text: Span<'_>, to: &NamedPart, otherwise: Fault) -> Result<u128, Fault> {
        let max = to.part.mask() >> to.part.offset;
        if text.text.contains('[') || text.text.is_empty() {
            return Err(otherwise);
        }
        match is_whole(to) {
            true => read_whole(to.name, text.text, self.known.ports)
                .map(|value| if to.part == SHORT_PORT { value & 0xffff } else { value })
                .and_then(|value| if value <= max { Ok(value) } else { Err(format!("at most {max:#x}")) }),
            false => read_number(text.text, max),
        }
        .map_err(|message| text.fault(message))
    }

    /// `VALUE->FIELD[BITS]` or `FIELD[BITS]->FIELD[BITS]`.
    fn load_spec(&self, text: Span<'_>, context: &Context) -> Result<Spec, Fault> {
        let Some((source, target)) = text.split_once("->") else {
            return Err(text.fault("load is written load:VALUE->FIELD[0..7] or load:FIELD[]->FIELD[0..7]"));
        };
        let to = read_part(target, self.known.ports)?;
        match to.name.set {
            Set::When(needs) if !context.meets(needs) => {
                let (name, needs) = (to.name.names[0], needs.advice());
                let message = format!("setting {name} needs {needs}, and as constants in front of it");
                return Err(target.fault(message));
            }
            Set::When(_) => {}
            _ => self.check(to.name, target)?,
        }
        let starts_with_digit = source.text.starts_with(|c: char| c.is_ascii_digit());
        let from = match starts_with_digit {
            true => {
                let max = to.part.mask() >> to.part.offset;
                let number = read_number(source.text, max).map_err(|message| source.fault(message))?;
                Source::Value(number)
            }
            false => self.source_for(source, &to)?,
        };
        Ok(Spec::Load { to: to.part, from })
    }

    /// Bits of the frame for others of the same width. The operation of ARP has sixteen, of which eight are always zero.
    fn source_for(&self, text: Span<'_>, to: &NamedPart) -> Result<Source, Fault> {
        let from = self.source(text)?;
        let is_operation = from == Part::all(Field::NwProto) && to.part.bits == 16;
        if from.bits != to.part.bits && !is_operation {
            let message =
                format!("{} bits do not fit {}: write which, as in reg0[0..15]", from.bits, to.part.bits);
            return Err(text.fault(message));
        }
        Ok(Source::Field(from))
    }

    /// `fin_timeout(idle_timeout=SECONDS,hard_timeout=SECONDS)`.
    pub(super) fn fin_timeout(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        if !self.context.meets(Needs::Tcp) {
            return Err(word.key.fault(format!("fin_timeout needs {}", Needs::Tcp.advice())));
        }
        let (mut idle, mut hard) = (0, 0);
        let mut words = word.value.map(Words::of);
        while let Some(word) = words.as_mut().map_or(Ok(None), Words::next)? {
            let place = match word.key.text {
                "idle_timeout" => &mut idle,
                "hard_timeout" => &mut hard,
                name => {
                    let near = did_you_mean(name, ["idle_timeout", "hard_timeout"]);
                    return Err(word.key.fault(format!("{name:?} is no timeout{near}")));
                }
            };
            let text = word.argument()?;
            *place = read_number(text.text, u16::MAX.into()).map_err(|message| text.fault(message))? as u16;
        }
        self.push_action(RuleAction::FinTimeout { idle, hard });
        Ok(())
    }
}

/// Whether it is all that its name speaks of.
fn is_whole(named: &NamedPart) -> bool {
    named.part.offset == 0 && named.name.bits.is_some_and(|(_, bits)| bits == named.part.bits)
}

/// `learn` as text.
pub(super) fn write_learn(learn: &Learn, frames: &Context, ports: &dyn PortNames) -> String {
    let mut words = vec![format!("table={}", learn.table)];
    let mut number = |name: &str, value: u16, usual: u16| {
        if value != usual {
            words.push(format!("{name}={value}"));
        }
    };
    number("idle_timeout", learn.idle_timeout, 0);
    number("hard_timeout", learn.hard_timeout, 0);
    number("fin_idle_timeout", learn.fin_idle_timeout, 0);
    number("fin_hard_timeout", learn.fin_hard_timeout, 0);
    number("priority", learn.priority, PRIORITY_DEFAULT);
    words.extend(learn.send_flow_rem.then(|| "send_flow_rem".into()));
    words.extend(learn.delete_learned.then(|| "delete_learned".into()));
    words.extend((learn.cookie != 0).then(|| format!("cookie={:#x}", learn.cookie)));
    words.extend((learn.limit != 0).then(|| format!("limit={}", learn.limit)));
    words.extend(learn.result.map(|part| format!("result_dst={}", write_part(&part, frames, ports))));
    words.extend(with_contexts(&learn.specs).map(|(spec, made)| write_spec(&spec, frames, &made, ports)));
    format!("learn({})", words.join(","))
}

fn write_spec(spec: &Spec, frames: &Context, made: &Context, ports: &dyn PortNames) -> String {
    let read = |part: &Part| write_part(part, frames, ports);
    match spec {
        Spec::Output(from) => format!("output:{}", read(from)),
        Spec::Load { to, from } => {
            let from = match from {
                Source::Value(value) => hexadecimal(*value),
                Source::Field(from) => read(from),
            };
            format!("load:{from}->{}", write_part(to, made, ports))
        }
        Spec::Match { to, from: Source::Value(value) } => match whole_name(to, made) {
            Some(name) if matches!(name.form, Form::Port) => {
                let port = lesson::port(*value).map_or(*value, |port| port.0.into());
                format!("{}={}", name.names[0], write_port(port, ports))
            }
            Some(name) => {
                format!("{}={}", name.names[0], write_value(name.form, to.field, *value, to.field.max()))
            }
            None => format!("{}={}", write_part(to, made, ports), hexadecimal(*value)),
        },
        Spec::Match { to, from: Source::Field(from) } => {
            let (to, from) = (write_part(to, made, ports), read(from));
            if to == from { to } else { format!("{to}={from}") }
        }
    }
}

/// The name that a part is all of, in frames of which this is known.
fn whole_name(part: &Part, context: &Context) -> Option<&'static Name> {
    let whole = |name: &&Name| {
        name.field == part.field && name.bits.is_some_and(|(_, bits)| (0, bits) == (part.offset, part.bits))
    };
    let names = || NAMES.iter().filter(whole);
    names().find(|name| is_there(name, context)).or_else(|| names().next())
}

/// `fin_timeout` as text.
pub(super) fn write_fin_timeout(idle: u16, hard: u16) -> String {
    let idle = (idle > 0).then(|| format!("idle_timeout={idle}"));
    let hard = (hard > 0).then(|| format!("hard_timeout={hard}"));
    format!("fin_timeout({})", idle.into_iter().chain(hard).collect::<Vec<_>>().join(","))
}
