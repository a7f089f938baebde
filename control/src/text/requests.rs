//! Texts that ask for a change of flows, or for some of them: as ovs-ofctl(8) reads them for add-flows, mod-flows, del-flows and
//! dump-flows.
//!
//! A line of a text may begin with its command, as in the files of `ovs-ofctl bundle`: `add`, `modify`, `modify_strict`,
//! `delete` or `delete_strict`.

use super::actions::{Known, There};
use super::conditions::read_conditions;
use super::diagnostic::Diagnostic;
use super::instructions::read_instructions;
use super::ports::PortNames;
use super::properties::{Properties, Purpose};
use super::scan::{Fault, Span, Words, split_actions};
use super::{FAULTS_MAX, FLOWS_MAX, bounded};
use crate::ofproto::{Command, Filter, FlowMod};
use datapath::pipeline::{Instructions, TableId};

/// A request, and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRequest {
    /// The request.
    pub request: FlowMod,
    /// Its line, from 1.
    pub line: u32,
}

/// The commands by which a line may begin.
const COMMANDS: [(&str, Command); 5] = [
    ("add", Command::Add),
    ("modify", Command::Modify),
    ("modify_strict", Command::ModifyStrict),
    ("delete", Command::Delete),
    ("delete_strict", Command::DeleteStrict),
];

/// Reads a text of requests, one a line; a line that does not say what to do means `command`. All faults are reported, in order.
///
/// # Errors
/// Every fault.
pub fn parse_flow_requests(
    source_name: &str,
    text: &str,
    command: Command,
    ports: &dyn PortNames,
) -> Result<Vec<FlowRequest>, Vec<Diagnostic>> {
    let known = Known { ports, there: There::default() };
    let (mut requests, mut faults) = (Vec::new(), Vec::new());
    for (whole, line) in text.lines().zip(1u32..) {
        let flow = whole.split('#').next().unwrap_or_default();
        if flow.trim().is_empty() {
            continue;
        }
        let read = match requests.len() {
            FLOWS_MAX => {
                Err(Fault { at: 0, len: 1, message: format!("too many flows: at most {FLOWS_MAX}") })
            }
            _ => {
                let (command, rest) = command_of(Span { text: flow, at: 0 }, command);
                read_request(rest, command, known)
            }
        };
        match read {
            Ok(request) => requests.push(FlowRequest { request, line }),
            Err(Fault { at, len, message }) => {
                faults.push(Diagnostic::on_line(source_name, line, whole, at, len, message));
            }
        }
        if faults.len() == FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(requests) } else { Err(faults) }
}

/// Reads which flows are meant, as for `ovs-ofctl dump-flows`; empty: all.
///
/// # Errors
/// What is wrong with it.
pub fn parse_filter(source_name: &str, text: &str, ports: &dyn PortNames) -> Result<Filter, Diagnostic> {
    let read = bounded(text).and_then(|()| read_conditions(Span { text, at: 0 }, Purpose::Show, ports));
    let conditions =
        read.map_err(|fault| Diagnostic::on_line(source_name, 1, text, fault.at, fault.len, fault.message))?;
    let given = conditions.given;
    Ok(Filter {
        table: given.table,
        matching: conditions.matching,
        cookie: given.cookie,
        cookie_mask: given.cookie_mask,
        out_port: given.out_port,
        out_group: given.out_group,
    })
}

/// The command that a line begins with, and what follows.
fn command_of(line: Span<'_>, otherwise: Command) -> (Command, Span<'_>) {
    let trimmed = line.trim();
    let (first, rest) = match trimmed.text.find(char::is_whitespace) {
        Some(end) => (&trimmed.text[..end], trimmed.cut(end, trimmed.text.len())),
        None => (trimmed.text, trimmed.cut(trimmed.text.len(), trimmed.text.len())),
    };
    match COMMANDS.iter().find(|(name, _)| *name == first) {
        Some((_, command)) => (*command, rest),
        None => (otherwise, line),
    }
}

/// Reads one request.
pub(super) fn read_request(text: Span<'_>, command: Command, known: Known<'_>) -> Result<FlowMod, Fault> {
    bounded(text.text)?;
    let deletes = matches!(command, Command::Delete | Command::DeleteStrict);
    let (conditions, actions) = match deletes {
        true => (without_actions(text)?, None),
        false => split_actions(text).map(|(conditions, actions)| (conditions, Some(actions)))?,
    };
    let read = read_conditions(conditions, Purpose::Change(command), known.ports)?;
    let (given, matching) = (read.given, read.matching);
    let instructions = match actions {
        Some(list) => read_instructions(list, given.table.unwrap_or(TableId(0)), &matching, known)?,
        None => Instructions::default(),
    };
    let Properties { idle_timeout, hard_timeout, importance, flags } = given.properties;
    Ok(FlowMod {
        command,
        table: given.table,
        matching,
        priority: given.priority,
        cookie: given.cookie,
        cookie_mask: given.cookie_mask,
        new_cookie: None,
        out_port: given.out_port,
        out_group: given.out_group,
        idle_timeout,
        hard_timeout,
        importance,
        flags,
        instructions: instructions.into(),
    })
}

/// Makes sure that nothing says what flows do that shall go.
fn without_actions(text: Span<'_>) -> Result<Span<'_>, Fault> {
    let mut words = Words::of(text);
    while let Some(word) = words.next()? {
        if matches!(word.key.text, "actions" | "action") {
            return Err(word.key.fault("flows to delete are selected by their match, not by their actions"));
        }
    }
    Ok(text)
}

/// What a flow to add has beside its rule.
pub(super) fn properties_of(request: &FlowMod) -> Properties {
    let FlowMod { idle_timeout, hard_timeout, importance, flags, .. } = *request;
    Properties { idle_timeout, hard_timeout, importance, flags }
}
