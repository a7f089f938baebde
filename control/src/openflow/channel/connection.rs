//! What one connection has been set to.

use super::bundles::Bundles;
use super::monitors::Monitors;
use super::parts::Parts;
use super::pause::Missed;
use crate::openflow::{Async, PacketInFormat, RoleKind, Version};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A controller that was configured: it is told of what happens.
    Controller,
    /// Somebody who came by himself, as `ovs-ofctl` does: he is told of nothing that he has not asked for.
    Service,
}

/// Bytes of a frame that a controller is told where nothing else is asked (`OFP_DEFAULT_MISS_SEND_LEN`).
const MISS_SEND_LEN: u16 = 128;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) kind: Kind,
    pub(super) version: Version,
    pub(super) role: RoleKind,
    /// What it has asked to be told.
    pub(super) asks: Async,
    pub(super) format: PacketInFormat,
    pub(super) controller_id: u16,
    pub(super) miss_send_len: u16,
    /// In which format flows are told of which it has not asked.
    pub(super) flow_format: u32,
    /// Whether flow-mods of version 1.0 name a table.
    pub(super) names_tables: bool,
    pub(super) bundles: Bundles,
    pub(super) parts: Parts,
    pub(super) monitors: Monitors,
    /// What it was not told of flows yet, while news pause.
    pub(super) missed: Option<Missed>,
    /// Messages with news of flows, and their bytes, that nobody has taken from the channel yet.
    pub(super) untaken: (usize, usize),
    /// What others have asked for, likewise.
    pub(super) forwarded: usize,
    /// What it was not told of that, and nobody has counted yet.
    pub(super) lost: u64,
}

impl Connection {
    pub(super) fn new(kind: Kind, version: Version) -> Connection {
        Connection {
            kind,
            version,
            role: RoleKind::Equal,
            asks: defaults(version),
            format: PacketInFormat::Standard,
            controller_id: 0,
            // As Open vSwitch has it (`ofproto/connmgr.c`): who came by himself says first how much he wants.
            miss_send_len: match kind {
                Kind::Controller => MISS_SEND_LEN,
                Kind::Service => 0,
            },
            flow_format: 0,
            names_tables: false,
            bundles: Bundles::default(),
            parts: Parts::default(),
            monitors: Monitors::default(),
            missed: None,
            untaken: (0, 0),
            forwarded: 0,
            lost: 0,
        }
    }

    /// Whether it is told of what these masks speak of, for this reason.
    pub(super) fn wants(&self, masks: [u32; 2], reason: u8) -> bool {
        let mask = masks[usize::from(self.role == RoleKind::Slave)];
        let asked = self.kind == Kind::Controller || self.miss_send_len != 0;
        asked && 1u32.checked_shl(reason.into()).is_some_and(|bit| mask & bit != 0)
    }
}

/// What is told until something else is asked: as `lib/ofp-monitor.c` and `lib/ofp-connection.c` of Open vSwitch have it. Slaves hear of ports alone
/// (OpenFlow 1.3.5 section 6.3.4); frames whose time to live is over are for those who ask for them.
fn defaults(version: Version) -> Async {
    const INVALID_TTL: u32 = 1 << 2;
    const PACKET_IN: u32 = 0x3f & !INVALID_TTL;
    const PORT_STATUS: u32 = 0x7;
    const ROLE_STATUS: u32 = 0x7;
    let flow_removed = match version {
        Version::V10 => 0x7,
        // A meter that goes takes its entries along: told as deleted, before 1.4 has a word for it.
        Version::V13 => 0x1f,
        Version::V14 | Version::V15 => 0x3f,
    };
    Async {
        packet_in: [PACKET_IN, 0],
        port_status: [PORT_STATUS; 2],
        flow_removed: [flow_removed, 0],
        role_status: [ROLE_STATUS; 2],
        table_status: [0; 2],
        request_forward: [0; 2],
    }
}
