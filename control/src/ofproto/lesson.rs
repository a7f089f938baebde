//! The flow that a frame teaches (`lib/learn.c` of Open vSwitch 3.1): how a `learn` action is put together, and what comes of it.
//!
//! Both readers of such actions, of text and of the wire, put them together here, so that both ask the same. What must be known of a frame
//! before a field of it can be matched or written, must be a constant of the flow that is made, named before.

use super::context::{Context, Needs, TAG_PRESENT};
use super::names::reserved;
use super::{Command, FlowFlags, FlowMod};
use datapath::action::learn::{Lesson, SOURCES_MAX, SPECS_MAX, Source, Spec};
use datapath::flow::{Field, FlowKey, FlowMask, OfPort};
use datapath::pipeline::{Instructions, Match, Part, RuleAction, TableId};

/// The host's own port, which keeps its number of 16 bits in flows.
const LOCAL: OfPort = OfPort(0xfffe);

/// A part that cannot be added to those of a `learn` action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSpec {
    /// There are as many as there can be.
    TooMany,
    /// The flow asks twice for the same bits.
    Twice,
    /// A value has more bits than there is room for.
    TooWide,
}

impl NoSpec {
    /// What is wrong, for people.
    pub(crate) fn message(self) -> String {
        match self {
            NoSpec::TooMany => format!(
                "a flow is made of at most {SPECS_MAX} parts, {SOURCES_MAX} of them read in the frame"
            ),
            NoSpec::Twice => "the flow that is made would ask twice for the same bits".into(),
            NoSpec::TooWide => "the value has more bits than there is room for".into(),
        }
    }
}

/// The parts of a `learn` action, as they are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specs {
    specs: Vec<Spec>,
    sources: usize,
    /// What the flow asks for by constants.
    key: FlowKey,
    mask: FlowMask,
    /// All that it asks for.
    asked: FlowMask,
}

impl Specs {
    /// What is known of the frames of the flow so far.
    pub(crate) fn context(&self) -> Context {
        Context::of_key(&self.key, &self.mask)
    }

    /// Adds a part.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn push(&mut self, spec: Spec) -> Result<(), NoSpec> {
        let (to, from) = match spec {
            Spec::Match { to, from } | Spec::Load { to, from } => (Some(to), from),
            Spec::Output(from) => (None, Source::Field(from)),
        };
        let bits = match from {
            Source::Value(value) => 128 - value.leading_zeros(),
            Source::Field(part) => part.bits.into(),
        };
        if to.is_some_and(|to| bits > to.bits.into()) {
            return Err(NoSpec::TooWide);
        }
        self.sources += usize::from(matches!(from, Source::Field(_)));
        if self.specs.len() == SPECS_MAX || self.sources > SOURCES_MAX {
            return Err(NoSpec::TooMany);
        }
        if let Spec::Match { to, from } = spec {
            let value = if let Source::Value(value) = from { value } else { 0 };
            let (field, value, mask) = condition(to, value, &self.context());
            if self.asked.get(field) & mask != 0 {
                return Err(NoSpec::Twice);
            }
            self.asked.set_masked(field, mask, mask);
            if let Source::Value(_) = from {
                self.key.set_masked(field, value, mask);
                self.mask.set_masked(field, mask, mask);
            }
        }
        self.specs.push(spec);
        Ok(())
    }

    /// All parts.
    pub(crate) fn finish(self) -> Box<[Spec]> {
        self.specs.into()
    }
}

/// For whoever writes a `learn` action: each part, and what is known of the frames of the flow when it is its turn.
pub(crate) fn with_contexts(specs: &[Spec]) -> impl Iterator<Item = (Spec, Context)> {
    let mut so_far = Specs::default();
    specs.iter().map(move |spec| {
        let context = so_far.context();
        // One that could not be added says nothing about those behind it.
        let _ = so_far.push(*spec);
        (*spec, context)
    })
}

/// The bits that a flow asks for or writes, where they have this value.
fn bits_of(to: Part, value: u128, context: &Context) -> (Field, u128, u128) {
    let Part { field, offset, bits } = to;
    let all = |value| (field, value, field.max());
    match field {
        Field::InPort if (offset, bits) == (0, 16) => all(port(value).map_or(value, |port| port.0.into())),
        // A message of ICMP has a byte where ports have two.
        Field::TpSrc | Field::TpDst if (offset, bits) == (0, 8) && context.meets(Needs::AnyIcmp) => {
            all(value)
        }
        _ => (field, value << offset, to.mask()),
    }
}

/// The same of a match: who asks for a priority asks for a tag.
fn condition(to: Part, value: u128, context: &Context) -> (Field, u128, u128) {
    match to.field {
        Field::VlanPcp if to == Part::all(Field::VlanPcp) => {
            (Field::VlanTci, value << 13 | TAG_PRESENT, 0xe000 | TAG_PRESENT)
        }
        _ => bits_of(to, value, context),
    }
}

/// The port of a number in 16 bits.
pub(crate) fn port(number: u128) -> Option<OfPort> {
    const RESERVED: u16 = reserved::MAX.0 as u16;
    match u16::try_from(number).ok()? {
        number if u32::from(number) == LOCAL.0 => Some(LOCAL),
        number @ RESERVED.. => Some(OfPort(0xffff_0000 | u32::from(number))),
        number => Some(OfPort(number.into())),
    }
}

/// What an entry does that sends to the port of this number: not to every reserved one.
fn output(number: u128) -> Option<RuleAction> {
    match port(number)? {
        reserved::IN_PORT => Some(RuleAction::InPort),
        reserved::FLOOD => Some(RuleAction::Flood),
        reserved::ALL => Some(RuleAction::All),
        port @ (LOCAL | OfPort(1..=0xfeff)) => Some(RuleAction::Output(port)),
        _ => None,
    }
}

/// What writes a value: a tag that says that it is none takes the tag away.
fn load(to: Part, value: u128, context: &Context) -> RuleAction {
    match bits_of(to, value, context) {
        (Field::VlanTci, value, 0xffff) if value & TAG_PRESENT == 0 => RuleAction::PopVlan,
        (field, value, mask) => RuleAction::SetField { field, value, mask },
    }
}

/// The flow that a lesson is about, to be added.
pub(super) fn flow_of(lesson: &Lesson) -> FlowMod {
    let learn = &*lesson.learn;
    let mut values = lesson.values.iter().copied();
    let (mut matching, mut actions) = (Match::any(), Vec::new());
    let (idle, hard) = (learn.fin_idle_timeout, learn.fin_hard_timeout);
    if idle > 0 || hard > 0 {
        actions.push(RuleAction::FinTimeout { idle, hard });
    }
    for (spec, context) in with_contexts(&learn.specs) {
        let mut value = |from: Source| match from {
            Source::Value(value) => value,
            Source::Field(_) => values.next().unwrap_or(0),
        };
        match spec {
            Spec::Match { to, from } => {
                let (field, value, mask) = condition(to, value(from), &context);
                matching.require(field, value, mask);
            }
            Spec::Load { to, from } => actions.push(load(to, value(from), &context)),
            Spec::Output(from) => actions.extend(output(value(Source::Field(from)))),
        }
    }
    let flags = FlowFlags { send_flow_rem: learn.send_flow_rem, ..FlowFlags::default() };
    FlowMod {
        command: Command::Add,
        table: Some(TableId(learn.table)),
        matching,
        priority: learn.priority,
        cookie: learn.cookie,
        idle_timeout: learn.idle_timeout,
        hard_timeout: learn.hard_timeout,
        flags,
        instructions: Instructions::apply(actions).into(),
        ..FlowMod::default()
    }
}
