//! Texts of flows, groups and meters into requests to the switch, on whichever thread.

use super::calls::View;
use crate::api::{GroupCommand, MeterCommand, Request};
use crate::config::in_order;
use crate::ofproto::{self, Command, Filter, FlowMod, GroupMod, MeterMod, OptionMod};
use crate::text::{
    Diagnostic, FlowRequest, parse_bucket_requests, parse_filter, parse_flow_requests, parse_group_requests,
    parse_mappings, parse_meters,
};
use datapath::pipeline::{GroupId, MeterId};
use datapath::tunnel::Mapping;
use datapath::tunnel::options::FIELDS;
use std::collections::HashMap;

/// What is asked of the switch, and where each of it stands.
pub(super) struct Changes {
    pub(super) requests: Vec<ofproto::Request>,
    pub(super) places: Vec<String>,
}

/// Which flows are meant.
pub(super) fn filter(view: &View, text: &str) -> Result<Filter, String> {
    parse_filter("match", text, &*view.names).map_err(|fault| fault.to_string())
}

/// How the map of Geneve options shall change.
pub(super) fn options(add: bool, maps: &[String]) -> Result<OptionMod, String> {
    if add {
        let maps: Result<Vec<Vec<Mapping>>, String> = maps.iter().map(|text| parse_mappings(text)).collect();
        return Ok(OptionMod::Add(maps?.concat()));
    }
    let field = |text: &String| {
        let field = text.rsplit_once("->").map_or(text.as_str(), |(_, field)| field);
        let index = field.strip_prefix("tun_metadata").and_then(|index| index.parse().ok());
        index.filter(|index| *index < FIELDS).ok_or_else(|| {
            format!("{text:?} is no field of an option: write tun_metadata0 to tun_metadata{}", FIELDS - 1)
        })
    };
    let fields: Vec<u16> = maps.iter().map(field).collect::<Result<_, String>>()?;
    Ok(if fields.is_empty() { OptionMod::Clear } else { OptionMod::Delete(fields) })
}

/// What a request to change something asks of the switch.
pub(super) fn changes(view: &View, request: Request) -> Result<Changes, Vec<String>> {
    let shown = |faults: Vec<Diagnostic>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    match request {
        Request::ChangeFlows { command, source, text } => {
            let read = parse_flow_requests(&source, &text, command.into(), &*view.names);
            Ok(of_flows(&source, read.map_err(shown)?))
        }
        Request::ReplaceFlows { source, text } => {
            let read = parse_flow_requests(&source, &text, Command::Add, &*view.names).map_err(shown)?;
            replace(view, &source, read)
        }
        Request::ChangeGroups { command, source, text } => {
            let read = parse_group_requests(&source, &text, &*view.names).map_err(shown)?;
            let of = |id, group| match command {
                GroupCommand::Add => GroupMod::Add(id, group),
                GroupCommand::Modify => GroupMod::Modify(id, group),
                GroupCommand::AddOrModify => GroupMod::AddOrModify(id, group),
            };
            let read: Vec<_> = in_order(&read).into_iter().cloned().collect();
            let places = read.iter().map(|_| source.clone()).collect();
            let requests = read.into_iter().map(|(id, group)| ofproto::Request::Group(of(id, group)));
            Ok(Changes { requests: requests.collect(), places })
        }
        Request::ChangeBuckets { insert, source, text } => {
            let read = parse_bucket_requests(&source, &text, insert, &*view.names).map_err(shown)?;
            let places = read.iter().map(|_| source.clone()).collect();
            let requests = read.into_iter().map(ofproto::Request::Buckets).collect();
            Ok(Changes { requests, places })
        }
        Request::DeleteGroups { groups } => {
            let one = |group| ofproto::Request::Group(GroupMod::Delete(group));
            let requests: Vec<_> = match groups.is_empty() {
                true => vec![one(None)],
                false => groups.into_iter().map(|group| one(Some(GroupId(group)))).collect(),
            };
            Ok(Changes { requests, places: Vec::new() })
        }
        Request::ChangeMeters { command, source, text } => {
            let read = parse_meters(&source, &text).map_err(shown)?;
            let of = |id, meter| match command {
                MeterCommand::Add => MeterMod::Add(id, meter),
                MeterCommand::Modify => MeterMod::Modify(id, meter),
            };
            let places = read.iter().map(|_| source.clone()).collect();
            let requests = read.into_iter().map(|(id, meter)| ofproto::Request::Meter(of(id, meter)));
            Ok(Changes { requests: requests.collect(), places })
        }
        Request::DeleteMeters { meters } => {
            let one = |meter| ofproto::Request::Meter(MeterMod::Delete(meter));
            let requests: Vec<_> = match meters.is_empty() {
                true => vec![one(None)],
                false => meters.into_iter().map(|meter| one(Some(MeterId(meter)))).collect(),
            };
            Ok(Changes { requests, places: Vec::new() })
        }
        _ => Err(vec!["this changes nothing".into()]),
    }
}

fn of_flows(source: &str, read: Vec<FlowRequest>) -> Changes {
    let places = read.iter().map(|request| format!("{source}:{}", request.line)).collect();
    let requests = read.into_iter().map(|request| ofproto::Request::Flow(request.request)).collect();
    Changes { requests, places }
}

/// What makes the flows those of a text: `ovs-ofctl replace-flows`. Flows that are as the text says are left alone.
fn replace(view: &View, source: &str, read: Vec<FlowRequest>) -> Result<Changes, Vec<String>> {
    let mut wanted = HashMap::new();
    for (at, FlowRequest { request, line }) in read.iter().enumerate() {
        if request.command != Command::Add {
            return Err(vec![format!("{source}:{line}: a text that replaces all flows has flows alone")]);
        }
        let key = (request.table, request.priority, request.matching.clone());
        if let Some(first) = wanted.insert(key, at) {
            let first = read[first].line;
            return Err(vec![format!(
                "{source}:{line}: line {first} has the same table, priority and match"
            )]);
        }
    }
    let mut gone = Vec::new();
    let mut same = vec![false; read.len()];
    for (table, entry) in view.switch.entries(Filter::default()) {
        let rule = &entry.installed.rule;
        match wanted.get(&(Some(table), rule.priority, rule.matching.clone())) {
            Some(at) => {
                let wish = &read[*at].request;
                same[*at] = rule.instructions == wish.instructions
                    && rule.cookie == wish.cookie
                    && (entry.idle_timeout, entry.hard_timeout) == (wish.idle_timeout, wish.hard_timeout)
                    && (entry.importance, entry.flags) == (wish.importance, wish.flags);
            }
            None => gone.push(FlowMod {
                command: Command::DeleteStrict,
                cookie_mask: 0,
                ..FlowMod::add(table, rule.clone())
            }),
        }
    }
    let mut changes = of_flows(source, Vec::new());
    for request in gone {
        changes.requests.push(ofproto::Request::Flow(request));
        changes.places.push(source.into());
    }
    let differing = read.into_iter().zip(same).filter(|(_, same)| !same).map(|(request, _)| request);
    let Changes { requests, places } = of_flows(source, differing.collect());
    changes.requests.extend(requests);
    changes.places.extend(places);
    Ok(changes)
}
