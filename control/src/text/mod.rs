//! The flow syntax of ovs-ofctl(8) and ovs-fields(7): text to rules and back.
//!
//! One flow a line, `#` starts a comment. What is accepted means what it means to Open vSwitch; what this version does not
//! have is refused with its name, never passed over. Nothing is guessed: a condition that OpenFlow would drop because its
//! header may be absent, a value that does not fit, and two flows with the same match are faults.
//!
//! Text is outside input: its lines, flows, actions and faults are bounded and no text makes the parser panic.

mod actions;
mod conditions;
mod context;
mod diagnostic;
mod fields;
mod flags;
mod format;
mod ports;
mod scan;
pub(crate) mod suggest;
mod value;
mod vocabulary;
mod words;

pub use actions::ACTIONS_MAX;
pub use conditions::PRIORITY_DEFAULT;
pub use diagnostic::Diagnostic;
pub use format::{format_actions, format_match, format_rule};
pub use ports::{NoNames, OFPORT_MAX, PortNames};
pub use vocabulary::{Vocabulary, vocabulary};

use datapath::pipeline::Rule;
use scan::{Fault, Span};
use std::collections::HashMap;

/// How many flows a text may have.
pub const FLOWS_MAX: usize = 100_000;
/// How many bytes a line may have.
pub const LINE_BYTES_MAX: usize = 65_536;
/// How many faults are reported before reading stops.
pub const FAULTS_MAX: usize = 100;

/// A rule and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLine {
    /// The rule.
    pub rule: Rule,
    /// Its line, from 1.
    pub line: u32,
}

/// Reads a text of flows. All faults are reported, one a line, in order.
pub fn parse_flows(
    source_name: &str,
    text: &str,
    ports: &dyn PortNames,
) -> Result<Vec<Rule>, Vec<Diagnostic>> {
    let lines = parse_flow_lines(source_name, text, ports)?;
    Ok(lines.into_iter().map(|line| line.rule).collect())
}

/// As [`parse_flows`], with the line of each rule.
pub fn parse_flow_lines(
    source_name: &str,
    text: &str,
    ports: &dyn PortNames,
) -> Result<Vec<FlowLine>, Vec<Diagnostic>> {
    let mut flows: Vec<FlowLine> = Vec::new();
    let mut faults = Vec::new();
    let mut seen = HashMap::new();
    for (line, number) in text.lines().zip(1u32..) {
        let flow = line.split('#').next().unwrap_or_default();
        if flow.trim().is_empty() {
            continue;
        }
        let read = match flows.len() {
            FLOWS_MAX => {
                Err(Fault { at: 0, len: 1, message: format!("too many flows: at most {FLOWS_MAX}") })
            }
            _ => read_flow(flow, ports),
        };
        let place = Span { text: flow, at: 0 };
        let read = read.and_then(|rule| {
            let fits = (rule.priority, *rule.matching.key().words(), *rule.matching.mask().words());
            match seen.insert(fits, number) {
                Some(first) => Err(place.fault(format!("line {first} has the same priority and match"))),
                None => Ok(rule),
            }
        });
        match read {
            Ok(rule) => flows.push(FlowLine { rule, line: number }),
            Err(Fault { at, len, message }) => {
                faults.push(Diagnostic::on_line(source_name, number, line, at, len, message));
            }
        }
        if faults.len() == FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(flows) } else { Err(faults) }
}

/// Reads one flow.
pub fn parse_flow(source_name: &str, text: &str, ports: &dyn PortNames) -> Result<Rule, Diagnostic> {
    read_flow(text, ports)
        .map_err(|fault| Diagnostic::on_line(source_name, 1, text, fault.at, fault.len, fault.message))
}

/// Whether a word means something in this syntax, so that a port of that name could not be written.
pub fn is_word(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let more = ["none", "any", "unset", "actions", "action"];
    let lists = [words::ACTIONS, words::ACTIONS_NOT_YET, &more];
    lists.into_iter().any(|list| words::lists(list, &name))
}

fn read_flow(text: &str, ports: &dyn PortNames) -> Result<Rule, Fault> {
    if text.len() > LINE_BYTES_MAX {
        return Err(Fault {
            at: 0,
            len: 1,
            message: format!("the line is longer than {LINE_BYTES_MAX} bytes"),
        });
    }
    let (conditions, list) = scan::split_actions(Span { text, at: 0 })?;
    let conditions::Conditions { priority, cookie, matching } =
        conditions::read_conditions(conditions, ports)?;
    let actions = actions::read_actions(list, &matching, ports)?;
    Ok(Rule { cookie, ..Rule::acting(priority, matching, actions) })
}
