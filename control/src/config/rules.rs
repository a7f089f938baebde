//! The files of flows, groups and meters that a configuration names.

use super::read_named;
use crate::ofproto::{Error, GroupMod, MeterMod, Ofproto, Request, groups_behind};
use crate::text::{Diagnostic, FlowLine, PortNames, There, parse_flow_lines, parse_groups, parse_meters};
use anyhow::{Result, anyhow};
use datapath::flow::Seed;
use datapath::pipeline::{Base, Group, GroupId, MeterId, MeterSpec, Rule, TableId};
use datapath::tunnel::{TunnelTable, Underlay};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// What shall be done with frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The flows.
    pub flows: Vec<FlowLine>,
    /// The groups that they lead to.
    pub groups: Vec<(GroupId, Group)>,
    /// The meters that they are held against.
    pub meters: Vec<(MeterId, MeterSpec)>,
}

impl Rules {
    /// The rules alone, each with its table: for whoever does not know timeouts.
    pub fn plain(&self) -> Vec<(TableId, Rule)> {
        self.flows.iter().map(|flow| (flow.table, flow.rule.clone())).collect()
    }

    /// The first flow that does not stay for ever.
    pub fn passing(&self) -> Option<&FlowLine> {
        let passes = |flow: &&FlowLine| flow.properties.idle_timeout > 0 || flow.properties.hard_timeout > 0;
        self.flows.iter().find(passes)
    }

    /// The same behind other flows: where both have one of the same match and priority, theirs gives way.
    pub fn behind(self, first: Vec<FlowLine>) -> Rules {
        Rules { flows: first.into_iter().chain(self.flows).collect(), ..self }
    }

    /// Whether a switch would take them.
    ///
    /// # Errors
    /// Which of them it refuses, and why: two that overlap, where one of them says that it must not.
    pub fn check(&self) -> Result<()> {
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(0))?;
        self.install(&mut Ofproto::new(Base::new([], tunnels, HashSet::new(), Underlay::default())), 0)
    }

    /// Makes them what a switch does: all of them or none.
    ///
    /// # Errors
    /// Which of them the switch refuses, and why.
    pub fn install(&self, switch: &mut Ofproto, now: u64) -> Result<()> {
        let groups = in_order(&self.groups);
        let count = self.meters.len() + groups.len();
        let meters = self.meters.iter().map(|(id, meter)| Request::Meter(MeterMod::Add(*id, meter.clone())));
        let groups = groups.into_iter().map(|(id, group)| Request::Group(GroupMod::Add(*id, group.clone())));
        let flows = self.flows.iter().map(|flow| Request::Flow(flow.request()));
        let refused = |(at, error): (usize, Error)| match self.flows.get(at.wrapping_sub(count)) {
            Some(flow) => anyhow!("flows, line {}: {error}", flow.line),
            None => anyhow!("groups and meters: {error}"),
        };
        switch.bundle(now, meters.chain(groups).chain(flows)).map(drop).map_err(refused)
    }
}

/// Groups in an order in which each comes after those that it leads to. What is left over in a circle comes last.
pub(crate) fn in_order(groups: &[(GroupId, Group)]) -> Vec<&(GroupId, Group)> {
    let mut users: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
    let mut waits_for: Vec<usize> = Vec::with_capacity(groups.len());
    let there: BTreeSet<GroupId> = groups.iter().map(|(id, _)| *id).collect();
    for (at, (_, group)) in groups.iter().enumerate() {
        let needs: Vec<_> = groups_behind(group).into_iter().filter(|id| there.contains(id)).collect();
        waits_for.push(needs.len());
        needs.into_iter().for_each(|id| users.entry(id).or_default().push(at));
    }
    let mut order: Vec<usize> = (0..groups.len()).filter(|at| waits_for[*at] == 0).collect();
    let mut next = 0;
    while let Some(at) = order.get(next) {
        for user in users.remove(&groups[*at].0).unwrap_or_default() {
            waits_for[user] -= 1;
            if waits_for[user] == 0 {
                order.push(user);
            }
        }
        next += 1;
    }
    order.extend((0..groups.len()).filter(|at| waits_for[*at] > 0));
    order.into_iter().map(|at| &groups[at]).collect()
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
        (Ok(meters), Ok(groups), Ok(flows)) => Ok(Rules { flows, groups, meters }),
        (meters, groups, flows) => {
            Err([meters.err(), groups.err(), flows.err()].into_iter().flatten().flatten().collect())
        }
    }
}
