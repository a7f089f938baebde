//! The files of flows, groups and meters that a configuration names.

use super::read_named;
use crate::text::{Diagnostic, PortNames, There, parse_flow_lines, parse_groups, parse_meters};
use datapath::pipeline::{Group, GroupId, MeterId, MeterSpec, Rule, TableId};
use std::collections::BTreeSet;
use std::path::Path;

/// What shall be done with frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The flows, each with its table.
    pub flows: Vec<(TableId, Rule)>,
    /// The groups that they lead to.
    pub groups: Vec<(GroupId, Group)>,
    /// The meters that they are held against.
    pub meters: Vec<(MeterId, MeterSpec)>,
}

/// Reads the files; one that is not named is empty.
///
/// # Errors
/// Every fault in them: first those of the meters, then those of the groups.
pub fn read_rules(
    flows: Option<&Path>,
    groups: Option<&Path>,
    meters: Option<&Path>,
    ports: &dyn PortNames,
) -> Result<Rules, Vec<Diagnostic>> {
    let meters = meters.map_or(Ok(Vec::new()), |path| {
        let text = read_named(path, "meters").map_err(|fault| vec![fault])?;
        parse_meters(&path.display().to_string(), &text)
    });
    let groups = groups.map_or(Ok(Vec::new()), |path| {
        let text = read_named(path, "groups").map_err(|fault| vec![fault])?;
        parse_groups(&path.display().to_string(), &text, ports)
    });
    // Where groups or meters have faults, which of them there are is not known.
    let ids = groups.as_ref().ok().map(|groups| groups.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>());
    let numbers =
        meters.as_ref().ok().map(|meters| meters.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>());
    let there = There { groups: ids.as_ref(), meters: numbers.as_ref() };
    let flows = flows.map_or(Ok(Vec::new()), |path| {
        let text = read_named(path, "flows").map_err(|fault| vec![fault])?;
        parse_flow_lines(&path.display().to_string(), &text, ports, there)
    });
    match (meters, groups, flows) {
        (Ok(meters), Ok(groups), Ok(flows)) => {
            let flows = flows.into_iter().map(|flow| (flow.table, flow.rule)).collect();
            Ok(Rules { flows, groups, meters })
        }
        (meters, groups, flows) => {
            Err([meters.err(), groups.err(), flows.err()].into_iter().flatten().flatten().collect())
        }
    }
}
