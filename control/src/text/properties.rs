//! The words in front of `actions=` that are no conditions: which of them a flow may have depends on what shall be done with it.
//!
//! Nothing is passed over: a word that would change nothing is refused, and the fault says where it belongs.

use super::actions::read_group_id;
use super::conditions::{PRIORITY_DEFAULT, once, read_table};
use super::ports::PortNames;
use super::scan::{Fault, Span, Word};
use super::value::{read_number, read_port};
use crate::ofproto::{Command, FlowFlags, reserved};
use datapath::flow::OfPort;
use datapath::pipeline::{GroupId, TableId};

/// What a flow has beside its rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Properties {
    /// It goes when no frame came for so many seconds; 0: it does not.
    pub idle_timeout: u16,
    /// It goes after so many seconds; 0: it does not.
    pub hard_timeout: u16,
    /// Flows of less importance give way first in a full table.
    pub importance: u16,
    /// Its flags.
    pub flags: FlowFlags,
}

/// What a text of flows is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Flows to change.
    Change(Command),
    /// Flows to show.
    Show,
}

/// The kinds of words, by where they belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Priority,
    Cookie,
    CookieMask,
    /// Timeouts, importance and flags.
    OfFlows,
    ResetCounts,
    /// `out_port`, `out_group`.
    OfDeletes,
}

/// The words of one flow.
#[derive(Debug, Default)]
pub(super) struct Reader<'a> {
    table: Option<u8>,
    priority: Option<u16>,
    cookie: Option<(u64, u64)>,
    idle_timeout: Option<u16>,
    hard_timeout: Option<u16>,
    importance: Option<u16>,
    flags: FlowFlags,
    out_port: Option<OfPort>,
    out_group: Option<GroupId>,
    given: Vec<(Kind, Span<'a>)>,
}

/// What the words said.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) table: Option<TableId>,
    pub(super) priority: u16,
    pub(super) cookie: u64,
    pub(super) cookie_mask: u64,
    pub(super) out_port: Option<OfPort>,
    pub(super) out_group: Option<GroupId>,
    pub(super) properties: Properties,
}

impl<'a> Reader<'a> {
    /// Takes a word; false when it is none of these.
    pub(super) fn word(&mut self, word: Word<'a>, ports: &dyn PortNames) -> Result<bool, Fault> {
        let number = |max: u64| {
            let text = word.argument()?;
            read_number(text.text, max.into())
                .map(|number| number as u64)
                .map_err(|message| text.fault(message))
        };
        let short = || number(u16::MAX.into()).map(|number| number as u16);
        let kind = match word.key.text {
            "priority" => {
                once(&mut self.priority, short()?, word)?;
                Kind::Priority
            }
            "cookie" => {
                let (cookie, mask) = read_cookie(word.argument()?)?;
                once(&mut self.cookie, (cookie, mask.unwrap_or(u64::MAX)), word)?;
                if mask.is_some() { Kind::CookieMask } else { Kind::Cookie }
            }
            "table" => {
                once(&mut self.table, read_table(word.argument()?)?.0, word)?;
                return Ok(true);
            }
            "idle_timeout" => {
                once(&mut self.idle_timeout, short()?, word)?;
                Kind::OfFlows
            }
            "hard_timeout" => {
                once(&mut self.hard_timeout, short()?, word)?;
                Kind::OfFlows
            }
            "importance" => {
                once(&mut self.importance, short()?, word)?;
                Kind::OfFlows
            }
            "out_port" => {
                let text = word.argument()?;
                once(&mut self.out_port, read_out_port(text, ports)?, word)?;
                Kind::OfDeletes
            }
            "out_group" => {
                once(&mut self.out_group, read_group_id(word.argument()?)?, word)?;
                Kind::OfDeletes
            }
            name => {
                let flag = match name {
                    "send_flow_rem" => &mut self.flags.send_flow_rem,
                    "check_overlap" => &mut self.flags.check_overlap,
                    "reset_counts" => &mut self.flags.reset_counts,
                    "no_packet_counts" => &mut self.flags.no_packet_counts,
                    "no_byte_counts" => &mut self.flags.no_byte_counts,
                    _ => return Ok(false),
                };
                *flag = true;
                word.bare()?;
                if name == "reset_counts" { Kind::ResetCounts } else { Kind::OfFlows }
            }
        };
        self.given.push((kind, word.key));
        Ok(true)
    }

    /// All words, if they belong here.
    pub(super) fn finish(self, purpose: Purpose) -> Result<Given, Fault> {
        for (kind, place) in &self.given {
            if let Some(advice) = misplaced(*kind, purpose) {
                return Err(place.fault(format!("{}: {advice}", place.text)));
            }
        }
        let (cookie, cookie_mask) = match (purpose, self.cookie) {
            (Purpose::Change(Command::Add), cookie) => (cookie.map_or(0, |(cookie, _)| cookie), 0),
            (_, cookie) => cookie.unwrap_or((0, 0)),
        };
        let one_table =
            matches!(purpose, Purpose::Change(Command::Add | Command::Modify | Command::ModifyStrict));
        let table = self.table.or(one_table.then_some(0)).map(TableId);
        let properties = Properties {
            idle_timeout: self.idle_timeout.unwrap_or(0),
            hard_timeout: self.hard_timeout.unwrap_or(0),
            importance: self.importance.unwrap_or(0),
            flags: self.flags,
        };
        Ok(Given {
            table,
            priority: self.priority.unwrap_or(PRIORITY_DEFAULT),
            cookie,
            cookie_mask,
            out_port: self.out_port,
            out_group: self.out_group,
            properties,
        })
    }
}

/// Why a word does not belong here.
fn misplaced(kind: Kind, purpose: Purpose) -> Option<&'static str> {
    use Command::{Add, Delete, Modify, ModifyStrict};
    match (kind, purpose) {
        (Kind::Priority, Purpose::Show | Purpose::Change(Modify | Delete)) => {
            Some("flows of every priority are meant; --strict means those of one")
        }
        (Kind::CookieMask, Purpose::Change(Add)) => {
            Some("a cookie mask selects flows to change; a flow to add has a plain cookie")
        }
        (Kind::Cookie, Purpose::Change(Modify | ModifyStrict)) => {
            Some("flows keep their cookies; cookie=VALUE/MASK selects those to modify")
        }
        (Kind::OfFlows, Purpose::Change(Modify | ModifyStrict)) => {
            Some("flows keep their timeouts and flags when they are modified; add them anew")
        }
        (Kind::OfFlows | Kind::ResetCounts, Purpose::Show)
        | (Kind::OfFlows | Kind::ResetCounts, Purpose::Change(Delete | Command::DeleteStrict)) => {
            Some("a property of flows to add, by which none are selected")
        }
        (Kind::OfDeletes, Purpose::Change(Add | Modify | ModifyStrict)) => {
            Some("selects flows to delete or to show")
        }
        _ => None,
    }
}

/// `VALUE` or `VALUE/MASK`.
fn read_cookie(text: Span<'_>) -> Result<(u64, Option<u64>), Fault> {
    let number = |text: Span<'_>| {
        read_number(text.text, u64::MAX.into()).map(|n| n as u64).map_err(|message| text.fault(message))
    };
    Ok(match text.split_once("/") {
        None => (number(text)?, None),
        // -1 is how ovs-ofctl writes "all bits".
        Some((value, mask)) if mask.text == "-1" => (number(value)?, Some(u64::MAX)),
        Some((value, mask)) => (number(value)?, Some(number(mask)?)),
    })
}

/// A port that actions name, reserved ones too.
fn read_out_port(text: Span<'_>, ports: &dyn PortNames) -> Result<OfPort, Fault> {
    match text.text.to_ascii_lowercase().as_str() {
        "in_port" => Ok(reserved::IN_PORT),
        "flood" => Ok(reserved::FLOOD),
        "all" => Ok(reserved::ALL),
        "normal" => Ok(reserved::NORMAL),
        "controller" => Ok(reserved::CONTROLLER),
        _ => read_port(text.text, ports).map_err(|message| text.fault(message)),
    }
}
