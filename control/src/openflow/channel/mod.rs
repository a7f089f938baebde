//! The state of the OpenFlow channel: what each connection has agreed on and may do, without sockets, clock or wire format.
//!
//! A connection begins with a [`Handshake`], by which both sides find the greatest version that they have in common. From then on
//! it is one of the [`Channel`]'s, which holds what connections mean to each other: roles and the number of the election, and who is told of what.
//! [`Channel::hear`] takes one message and gives what is to be done about it, in order ([`Step`]); what a message asks of the switch is asked of
//! whoever plays the [`Switch`]. What others are to hear of it waits in [`Channel::told`].
//!
//! Messages of one connection are done in the order in which they came, each whole before the next: OpenFlow 1.3.5 section 6.2 would
//! allow more. A peer costs what is bounded here: bundles, requests in several parts, and monitors of flows.

mod bundles;
mod connection;
mod handshake;
mod hear;
mod liveness;
mod monitors;
mod parts;
mod pause;
mod refusals;
mod roles;
mod switch;
mod tell;
#[cfg(test)]
mod tests;
mod weight;

pub use bundles::{BUNDLE_BYTES_MAX, BUNDLES_MAX};
pub use connection::Kind;
pub use handshake::{Agreement, Handshake};
pub use liveness::{Liveness, Pulse};
pub use monitors::MONITORS_MAX;
pub use pause::{MISSED_BYTES_MAX, MISSED_BYTES_OF_ALL_MAX, Room};
pub use refusals::refusal;
pub use switch::{Change, Switch};
pub(crate) use tell::news;
pub use tell::{FORWARDS_MAX, FlowChange, FlowEvent};
pub use weight::weight;

use super::{Code, Envelope, Message, Question, Version};
use bytes::Bytes;
use connection::Connection;
use std::collections::BTreeMap;

/// Which connection. Numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its bytes, with its header: errors quote them.
    pub raw: Bytes,
    /// What it says; or its number, and why it cannot be read.
    pub said: Result<Envelope, (u32, Code)>,
}

impl Heard {
    /// Its number.
    pub fn xid(&self) -> u32 {
        match &self.said {
            Ok(envelope) => envelope.xid,
            Err((xid, _)) => *xid,
        }
    }
}

/// What is to be done about a message, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Say this.
    Say(Envelope),
    /// When every worker goes by all that was asked before, say so.
    Barrier(Asked),
    /// Answer this from the switch as it is now.
    Answer(Asked, Question),
}

/// What an answer needs to know of its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its number.
    pub xid: u32,
    /// Whose words it was in ([`Envelope::nicira`]).
    pub nicira: bool,
}

impl Asked {
    /// The answer.
    pub fn answer(self, message: Message) -> Envelope {
        Envelope { xid: self.xid, nicira: self.nicira, message }
    }
}

/// What connections have agreed on, and what they are to each other.
#[derive(Debug, Default)]
pub struct Channel {
    connections: BTreeMap<ConnectionId, Connection>,
    next: u64,
    /// The number of the last election (OpenFlow 1.3.5 section 6.3.5).
    generation: Option<u64>,
    told: Vec<(ConnectionId, Envelope)>,
    /// Whether the remote ends that bundles name may be others.
    bundles_changed: bool,
}

/// A connection, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// What it is for.
    pub kind: Kind,
    /// Its version.
    pub version: Version,
    /// What it is to the switch.
    pub role: super::RoleKind,
}

impl Channel {
    /// One more connection.
    pub fn join(&mut self, kind: Kind, version: Version) -> ConnectionId {
        self.next += 1;
        let id = ConnectionId(self.next);
        self.connections.insert(id, Connection::new(kind, version));
        id
    }

    /// A connection has ended: nothing of it is left, no bundle of it is done.
    pub fn leave(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        self.bundles_changed = true;
        self.told.retain(|(to, _)| *to != id);
    }

    /// What a connection is.
    pub fn face(&self, id: ConnectionId) -> Option<Face> {
        let Connection { kind, version, role, .. } = self.connections.get(&id)?;
        Some(Face { kind: *kind, version: *version, role: *role })
    }

    /// What others are to hear, each in the order of this list.
    pub fn told(&mut self) -> Vec<(ConnectionId, Envelope)> {
        for connection in self.connections.values_mut() {
            (connection.untaken, connection.forwarded) = ((0, 0), 0);
        }
        std::mem::take(&mut self.told)
    }

    /// Whether somebody wants news of flows.
    pub fn watches_flows(&self) -> bool {
        self.connections.values().any(|connection| !connection.monitors.is_empty())
    }

    /// The bytes of what waits in bundles, of all connections.
    pub fn bundled_bytes(&self) -> usize {
        self.connections.values().map(|connection| connection.bundles.bytes()).sum()
    }
}
