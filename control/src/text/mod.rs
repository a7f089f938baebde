//! The flow syntax of ovs-ofctl(8) and ovs-fields(7): text to rules and back.
//!
//! One flow a line, `#` starts a comment. What is accepted means what it means to Open vSwitch; what this version does not
//! have is refused with its name, never passed over. Nothing is guessed: a condition that OpenFlow would drop because its
//! header may be absent, a value that does not fit, and two flows with the same match are faults.
//!
//! Text is outside input: its lines, flows, actions and faults are bounded and no text makes the parser panic.

mod actions;
mod annotations;
mod buckets;
mod conditions;
mod controller;
mod diagnostic;
mod features;
mod fields;
mod flags;
mod format;
mod groups;
mod instructions;
mod learn;
mod meters;
pub(crate) mod options;
mod parts;
mod ports;
mod properties;
mod queues;
mod requests;
mod scan;
mod selection;
mod settings;
mod shims;
mod spread;
pub(crate) mod suggest;
mod value;
mod vocabulary;
mod words;

pub use actions::{ACTIONS_MAX, There};
pub use buckets::parse_bucket_requests;
pub use conditions::PRIORITY_DEFAULT;
pub use diagnostic::Diagnostic;
pub use features::{Features, FieldFeatures, features};
pub use format::{format_actions, format_flow, format_instructions, format_match, format_rule};
pub use groups::{BUCKETS_MAX, GROUPS_MAX, format_group, parse_group_requests, parse_groups};
pub use meters::{METERS_MAX, format_meter, parse_meters};
pub use options::{parse_mapping, parse_mappings};
pub use ports::{LOCAL, Names, NoNames, OFPORT_MAX, PortNames};
pub use properties::Properties;
pub use requests::{FlowRequest, parse_filter, parse_flow_requests};
pub(crate) use value::read_mac;
pub use vocabulary::{Vocabulary, vocabulary};

use crate::ofproto::{Command, FlowMod};
use actions::Known;
use datapath::pipeline::{Rule, TableId};
use scan::{Fault, Span};
use std::collections::HashMap;

/// How many flows a text may have.
pub const FLOWS_MAX: usize = 100_000;
/// How many bytes a line may have.
pub const LINE_BYTES_MAX: usize = 65_536;
/// How many faults are reported before reading stops.
pub const FAULTS_MAX: usize = 100;

/// A rule, its table, and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLine {
    /// The table.
    pub table: TableId,
    /// The rule.
    pub rule: Rule,
    /// What it has beside.
    pub properties: Properties,
    /// Its line, from 1.
    pub line: u32,
}

impl FlowLine {
    /// The request to add it.
    pub fn request(&self) -> FlowMod {
        let Properties { idle_timeout, hard_timeout, importance, flags } = self.properties;
        let request = FlowMod::add(self.table, self.rule.clone());
        FlowMod { idle_timeout, hard_timeout, importance, flags, ..request }
    }
}

/// Reads a text of flows. All faults are reported, one a line, in order.
pub fn parse_flows(
    source_name: &str,
    text: &str,
    ports: &dyn PortNames,
) -> Result<Vec<(TableId, Rule)>, Vec<Diagnostic>> {
    let lines = parse_flow_lines(source_name, text, ports, There::default())?;
    Ok(lines.into_iter().map(|line| (line.table, line.rule)).collect())
}

/// As [`parse_flows`], with the line of each rule. A flow may lead only to what is there, as far as that is known.
pub fn parse_flow_lines(
    source_name: &str,
    text: &str,
    ports: &dyn PortNames,
    there: There<'_>,
) -> Result<Vec<FlowLine>, Vec<Diagnostic>> {
    let known = Known { ports, there };
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
            _ => read_flow(flow, known),
        };
        let place = Span { text: flow, at: 0 };
        let read = read.and_then(|(table, rule, properties)| {
            let fits = (table, rule.priority, *rule.matching.key().words(), *rule.matching.mask().words());
            match seen.insert(fits, number) {
                Some(first) => Err(place.fault(format!("line {first} has the same priority and match"))),
                None => Ok((table, rule, properties)),
            }
        });
        match read {
            Ok((table, rule, properties)) => flows.push(FlowLine { table, rule, properties, line: number }),
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

/// Reads one flow, whatever its table and what it has beside.
pub fn parse_flow(source_name: &str, text: &str, ports: &dyn PortNames) -> Result<Rule, Diagnostic> {
    parse_table_flow(source_name, text, ports).map(|(_, rule)| rule)
}

/// Reads one flow and its table. What it has beside is checked, and is not in the answer.
pub fn parse_table_flow(
    source_name: &str,
    text: &str,
    ports: &dyn PortNames,
) -> Result<(TableId, Rule), Diagnostic> {
    read_flow(text, Known { ports, there: There::default() })
        .map(|(table, rule, _)| (table, rule))
        .map_err(|fault| Diagnostic::on_line(source_name, 1, text, fault.at, fault.len, fault.message))
}

/// Whether a word means something in this syntax, so that a port of that name could not be written.
pub fn is_word(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let more = ["none", "any", "unset", "actions", "action"];
    let lists = [words::ACTIONS, words::ACTIONS_NOT_YET, &more];
    lists.into_iter().any(|list| words::lists(list, &name))
}

fn read_flow(text: &str, known: Known<'_>) -> Result<(TableId, Rule, Properties), Fault> {
    let request = requests::read_request(Span { text, at: 0 }, Command::Add, known)?;
    let (table, properties) = (request.table.unwrap_or_default(), requests::properties_of(&request));
    let rule = Rule::new(request.priority, request.matching, request.instructions);
    Ok((table, Rule { cookie: request.cookie, ..rule }, properties))
}

/// Refuses a line that is too long.
fn bounded(text: &str) -> Result<(), Fault> {
    if text.len() <= LINE_BYTES_MAX {
        return Ok(());
    }
    let message = format!("the line is longer than {LINE_BYTES_MAX} bytes");
    Err(Fault { at: 0, len: 1, message })
}
