//! What a trace found, for people and programs.

use super::walk::Step;
use crate::text::PortNames;
use anstyle::{AnsiColor, Style};
use datapath::action::punt::Punt;
use datapath::action::{Action, Edit};
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Band, BandKind, MeterId, MeterUnit, Pipeline, Target, Translation};
use datapath::port::PortId;
use datapath::stats::DropReason;
use serde::{Deserialize, Serialize};
use std::fmt;

const HEAD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// What a trace found.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Report {
    /// The packet, by its fields that are not zero.
    pub flow: String,
    /// Its length, if its bytes were given.
    pub bytes: Option<usize>,
    /// The walk through the tables.
    pub steps: Vec<Step>,
    /// The frames that are treated alike: what the answer depends on.
    pub megaflow: String,
    /// What the datapath does with them.
    pub actions: Vec<String>,
    /// Where it goes.
    pub sent: Vec<String>,
    /// Ways that it cannot take, or why it goes nowhere.
    pub dropped: Vec<Reason>,
    /// What comes out of which port, if its bytes were given.
    pub packets: Vec<Packet>,
}

/// A reason for a drop.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Reason {
    /// The counter's name.
    pub reason: String,
    /// For people.
    pub sentence: String,
    /// The table and the rule at which it died; none when no table was asked.
    #[serde(default)]
    pub place: Option<String>,
}

impl From<DropReason> for Reason {
    fn from(reason: DropReason) -> Reason {
        Reason { reason: reason.name().into(), sentence: reason.sentence().into(), place: None }
    }
}

/// A packet that comes out.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Packet {
    /// By which port or uplink.
    pub port: String,
    /// Its bytes, in hexadecimal digits.
    pub hex: String,
}

/// What an action means for the packet as a whole.
pub(super) enum Way {
    Sent(String),
    Dropped(DropReason),
}

impl Way {
    pub(super) fn of(
        action: &Action,
        translation: &Translation,
        pipeline: &Pipeline,
        names: &dyn PortNames,
    ) -> Option<Way> {
        match action {
            Action::Output(port) | Action::Enqueue { port, .. } => {
                Some(Way::Sent(name_of(*port, pipeline, names)))
            }
            Action::Encap { .. } => Some(Way::Sent(words(action, translation, pipeline, names))),
            Action::Punt(_) => Some(Way::Sent(words(action, translation, pipeline, names))),
            Action::Drop(reason) => Some(Way::Dropped(*reason)),
            Action::Options(_)
            | Action::Edit(..)
            | Action::PushVlan { .. }
            | Action::PopVlan
            | Action::PushMpls { .. }
            | Action::PopMpls { .. }
            | Action::PushPbb { .. }
            | Action::PopPbb
            | Action::Clone(_)
            | Action::Truncate(_)
            | Action::Meter(_)
            | Action::Storm(_)
            | Action::Learn(_)
            | Action::Teach(_) => None,
        }
    }
}

/// An action of the datapath in words.
pub(super) fn words(
    action: &Action,
    translation: &Translation,
    pipeline: &Pipeline,
    names: &dyn PortNames,
) -> String {
    match *action {
        Action::Output(port) => format!("output to {}", name_of(port, pipeline, names)),
        Action::Encap { encap, marks } => {
            let encap = pipeline.encap(encap);
            let (kind, remote, key) = (encap.kind(), encap.remote(), marks.key);
            format!(
                "encapsulate ({kind}) to {remote} with key {key}, tos {:#04x}, ttl {}",
                marks.tos, marks.ttl
            )
        }
        Action::Options(piece) => {
            let bytes: String = piece.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("with Geneve options {bytes}")
        }
        Action::Edit(edit) => written(&edit),
        Action::PushVlan { tpid, tci } => {
            format!("push a VLAN tag, type {tpid:#06x}, identifier {}", tci & 0xfff)
        }
        Action::PopVlan => "pop the VLAN tag".into(),
        Action::PushMpls { ether_type, entry } => {
            format!("push an MPLS label, type {ether_type:#06x}, label {}", entry.label())
        }
        Action::PopMpls { ether_type } => format!("pop the MPLS label, type {ether_type:#06x} follows"),
        Action::PushPbb { tci } => format!("push a backbone header, service {}", tci.service()),
        Action::PopPbb => "pop the backbone header".into(),
        Action::Truncate(len) => format!("leave {len} bytes at the most"),
        Action::Clone(steps) => format!("do the next {steps} on a copy"),
        Action::Enqueue { port, queue } => {
            let queue = pipeline.queue_at(queue);
            format!("output to {} by queue {}", name_of(port, pipeline, names), queue.0)
        }
        Action::Meter(meter) => match bands(meter, pipeline) {
            Some(bands) => format!("hold against meter {}, which {bands}", meter.0),
            None => format!("hold against meter {}, which is not there", meter.0),
        },
        Action::Storm(_) => "hold against what the port may have flooded".into(),
        Action::Learn(_) => "learn where the sender is".into(),
        Action::Teach(_) => "tell control of a flow to add".into(),
        Action::Punt(punt) => match translation.punts().get(punt as usize) {
            Some(Punt { reason, controller: 0, max_len, .. }) => {
                format!("controller ({}, at most {max_len} bytes)", reason.name())
            }
            Some(Punt { reason, controller, max_len, .. }) => {
                format!("controller {controller} ({}, at most {max_len} bytes)", reason.name())
            }
            None => "controller".into(),
        },
        Action::Drop(reason) => format!("drop: {}", reason.name()),
    }
}

/// What a meter does, if it is there.
pub(super) fn bands(meter: MeterId, pipeline: &Pipeline) -> Option<String> {
    let spec = pipeline.meter(meter)?.spec();
    let unit = match spec.unit {
        MeterUnit::Kbps => "kbit/s",
        MeterUnit::Pktps => "packets/s",
    };
    let band = |band: &Band| match band.kind {
        BandKind::Drop => format!("drops what is above {} {unit} (meter_drop)", band.rate),
        BandKind::DscpRemark { .. } => format!("marks what is above {} {unit}", band.rate),
    };
    Some(spec.bands.iter().map(band).collect::<Vec<_>>().join(" and "))
}

fn written(edit: &Edit) -> String {
    let (field, value, mask) = (edit.field(), edit.value(), edit.mask());
    match mask == field.max() {
        true => format!("set {} to {}", field.name(), value_of(field, value)),
        false => format!("set bits {mask:#x} of {} to {value:#x}", field.name()),
    }
}

fn value_of(field: Field, number: u128) -> String {
    let [.., a, b, c, d, e, f] = number.to_be_bytes();
    match field {
        Field::EthDst | Field::EthSrc | Field::ArpSha | Field::ArpTha => {
            format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
        }
        Field::NwSrc | Field::NwDst => std::net::Ipv4Addr::from(number as u32).to_string(),
        Field::Ipv6Src | Field::Ipv6Dst => std::net::Ipv6Addr::from(number).to_string(),
        _ => number.to_string(),
    }
}

fn name_of(port: PortId, pipeline: &Pipeline, names: &dyn PortNames) -> String {
    let number: Option<OfPort> =
        pipeline.ports().find(|number| pipeline.target(*number) == Some(Target::Port(port)));
    match number {
        Some(number) => names.name(number).map_or_else(|| number.to_string(), str::to_string),
        None => format!("device {port}"),
    }
}

impl Report {
    /// Of a packet that dies before any rule is asked.
    pub(super) fn refused(port: &str, bytes: usize, reason: DropReason) -> Report {
        Report {
            flow: format!("in by {port}"),
            bytes: Some(bytes),
            steps: Vec::new(),
            megaflow: String::new(),
            actions: Vec::new(),
            sent: Vec::new(),
            dropped: vec![reason.into()],
            packets: Vec::new(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}packet{HEAD:#}    {}", self.flow)?;
        for step in &self.steps {
            let indent = "  ".repeat(step.depth);
            match (step.what.as_str(), step.table) {
                (_, Some(table)) => writeln!(f, "{indent}{HEAD}table {table}{HEAD:#}   {}", step.text)?,
                ("drop", _) => writeln!(f, "{indent}  {BAD}{}{BAD:#}", step.text)?,
                ("action" | "remark", _) => writeln!(f, "{indent}  {}", step.text)?,
                (nested, _) => writeln!(f, "{indent}  {nested}:")?,
            }
        }
        if !self.megaflow.is_empty() {
            writeln!(f, "{HEAD}megaflow{HEAD:#}  {}", self.megaflow)?;
            writeln!(f, "{HEAD}actions{HEAD:#}   {}", self.actions.join("; "))?;
        }
        for to in &self.sent {
            writeln!(f, "{GOOD}sent{GOOD:#}      {to}")?;
        }
        for reason in &self.dropped {
            writeln!(f, "{BAD}dropped{BAD:#}   {}: {}", reason.reason, reason.sentence)?;
            if let Some(place) = &reason.place {
                writeln!(f, "          at {place}")?;
            }
        }
        for packet in &self.packets {
            writeln!(f, "{HEAD}out{HEAD:#}       {}: {}", packet.port, packet.hex)?;
        }
        Ok(())
    }
}
