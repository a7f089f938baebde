//! News of flows (`NXST_FLOW_MONITOR` of Open vSwitch, standard in OpenFlow 1.4): who wants which.

use super::tell::{FlowChange, FlowEvent};
use crate::openflow::{Code, FlowMonitor};
use std::collections::BTreeMap;

/// Monitors that a connection can have.
pub const MONITORS_MAX: usize = 64;

/// `NXFMF_*`.
pub(super) const ADD: u16 = 2;
pub(super) const DELETE: u16 = 4;
pub(super) const MODIFY: u16 = 8;
pub(super) const ACTIONS: u16 = 16;
pub(super) const OWN: u16 = 32;

/// The monitors of a connection, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Monitors {
    wanted: BTreeMap<u32, FlowMonitor>,
    /// In whose words the last of them was asked for.
    nicira: bool,
}

/// What is told of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// All, with or without its instructions.
    Full { instructions: bool },
    /// That it was done.
    Abbreviated,
}

impl Monitors {
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// In whose words news are told.
    pub(super) fn nicira(&self) -> bool {
        self.nicira
    }

    /// These too, or none of them.
    pub(super) fn add(&mut self, wanted: &[FlowMonitor], nicira: bool) -> Result<(), Code> {
        for (at, monitor) in wanted.iter().enumerate() {
            let before = wanted.iter().take(at).any(|other| other.id == monitor.id);
            if before || self.wanted.contains_key(&monitor.id) {
                return Err(Code::MonitorExists);
            }
        }
        if self.wanted.len() + wanted.len() > MONITORS_MAX {
            return Err(Code::MultipartBufferOverflow);
        }
        self.nicira = nicira;
        self.wanted.extend(wanted.iter().map(|monitor| (monitor.id, monitor.clone())));
        Ok(())
    }

    pub(super) fn cancel(&mut self, id: u32) -> Result<(), Code> {
        self.wanted.remove(&id).map(drop).ok_or(Code::MonitorUnknown)
    }

    /// What is told of a change; None: nothing. One's own are told in short, unless they are asked for.
    pub(super) fn telling(&self, change: &FlowChange, own: bool) -> Option<Telling> {
        let event = match change.event {
            FlowEvent::Added => ADD,
            FlowEvent::Modified => MODIFY,
            FlowEvent::Deleted(_) => DELETE,
        };
        // Of one that does something else now is told, too, when what it did was watched (`ofmonitor_report` in `ofproto/connmgr.c`).
        let (rule, before) = (&change.entry.installed.rule, change.before.as_deref());
        let fits = |monitor: &&FlowMonitor| {
            monitor.flags & event != 0
                && monitor.filter.table.is_none_or(|table| table == change.table)
                && (monitor.filter.takes(rule)
                    || before.is_some_and(|did| monitor.filter.takes_doing(rule, did)))
        };
        let flags = self.wanted.values().filter(fits).map(|monitor| monitor.flags).reduce(|a, b| a | b)?;
        Some(match own && flags & OWN == 0 {
            true => Telling::Abbreviated,
            false => Telling::Full { instructions: flags & ACTIONS != 0 },
        })
    }
}
