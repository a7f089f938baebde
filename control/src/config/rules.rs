//! The files of flows and groups that a configuration names.

use super::read_named;
use crate::text::{Diagnostic, PortNames, parse_flow_lines, parse_groups};
use datapath::pipeline::{Group, GroupId, Rule, TableId};
use std::collections::BTreeSet;
use std::path::Path;

/// What shall be done with frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The flows, each with its table.
    pub flows: Vec<(TableId, Rule)>,
    /// The groups that they lead to.
    pub groups: Vec<(GroupId, Group)>,
}

/// Reads both files; one that is not named is empty.
///
/// # Errors
/// Every fault in them: first those of the groups.
pub fn read_rules(
    flows: Option<&Path>,
    groups: Option<&Path>,
    ports: &dyn PortNames,
) -> Result<Rules, Vec<Diagnostic>> {
    let groups = groups.map_or(Ok(Vec::new()), |path| {
        let text = read_named(path, "groups").map_err(|fault| vec![fault])?;
        parse_groups(&path.display().to_string(), &text, ports)
    });
    // Where the groups have faults, which of them there are is not known.
    let ids = groups.as_ref().ok().map(|groups| groups.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>());
    let flows = flows.map_or(Ok(Vec::new()), |path| {
        let text = read_named(path, "flows").map_err(|fault| vec![fault])?;
        parse_flow_lines(&path.display().to_string(), &text, ports, ids.as_ref())
    });
    match (groups, flows) {
        (Ok(groups), Ok(flows)) => {
            Ok(Rules { flows: flows.into_iter().map(|flow| (flow.table, flow.rule)).collect(), groups })
        }
        (groups, flows) => Err([groups.err(), flows.err()].into_iter().flatten().flatten().collect()),
    }
}
