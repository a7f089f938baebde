//! What controllers agree on with the switch: roles, what they are told of by itself, bundles.

use super::Envelope;
use bytes::Bytes;

/// What a controller is to the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// What.
    pub role: RoleKind,
    /// The number of the election, for master and slave.
    pub generation: Option<u64>,
    /// Why it changed (`OFPCRR_*`, 1.4): 0 another's request, 1 configuration, 2 experimenter.
    pub reason: u8,
}

/// `OFPCR_ROLE_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleKind {
    /// Do not change it; only asked for.
    NoChange,
    /// Everybody's equal.
    #[default]
    Equal,
    /// The only one who may change things.
    Master,
    /// May look.
    Slave,
}

/// Which asynchronous messages a controller gets: bits by reason, as master or equal, and as slave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Async {
    /// By `OFPR_*` of OpenFlow 1.4 (bit 0 table miss, 1 apply action, 2 invalid ttl, 3 action set, 4 group, 5 packet out).
    pub packet_in: [u32; 2],
    /// By `OFPPR_*`.
    pub port_status: [u32; 2],
    /// By `OFPRR_*`.
    pub flow_removed: [u32; 2],
    /// By `OFPCRR_*` (1.4).
    pub role_status: [u32; 2],
    /// By `OFPTR_*` (1.4).
    pub table_status: [u32; 2],
    /// By `OFPRFR_*` (1.4).
    pub request_forward: [u32; 2],
}

/// What about [`Async`] shall be different: None leaves it as it is, which versions before 1.4 cannot say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of Async")]
pub struct AsyncChange {
    pub packet_in: [Option<u32>; 2],
    pub port_status: [Option<u32>; 2],
    pub flow_removed: [Option<u32>; 2],
    pub role_status: [Option<u32>; 2],
    pub table_status: [Option<u32>; 2],
    pub request_forward: [Option<u32>; 2],
}

impl AsyncChange {
    /// What it was, changed.
    pub fn over(&self, was: Async) -> Async {
        let either =
            |new: [Option<u32>; 2], was: [u32; 2]| [new[0].unwrap_or(was[0]), new[1].unwrap_or(was[1])];
        Async {
            packet_in: either(self.packet_in, was.packet_in),
            port_status: either(self.port_status, was.port_status),
            flow_removed: either(self.flow_removed, was.flow_removed),
            role_status: either(self.role_status, was.role_status),
            table_status: either(self.table_status, was.table_status),
            request_forward: either(self.request_forward, was.request_forward),
        }
    }
}

/// A step of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleControl {
    /// Its number.
    pub bundle: u32,
    /// `OFPBCT_*`: 0 open request, 1 open reply, 2 close request, 3 close reply, 4 commit request, 5 commit reply, 6 discard request, 7 discard reply.
    pub kind: u16,
    /// `OFPBF_*`: 1 atomic, 2 ordered.
    pub flags: u16,
}

/// A message that waits in a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleAdd {
    /// The number of the bundle.
    pub bundle: u32,
    /// `OFPBF_*`.
    pub flags: u16,
    /// The message as it came, for errors; and what it says. Boxed: a message in a message.
    pub inner: Box<Envelope>,
    /// Its bytes, with its header.
    pub raw: Bytes,
}
