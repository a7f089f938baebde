//! Who may change the switch (OpenFlow 1.3.5 section 6.3.4 and 6.3.5).

use super::{Channel, ConnectionId};
use crate::openflow::{Code, Envelope, Message, Role, RoleKind, Version};

/// `OFPCRR_MASTER_REQUEST`.
const MASTER_REQUEST: u8 = 0;

impl Channel {
    /// Does what a connection wants to be. There is one master: another that was is a slave from now on, and is told so if its
    /// version has a word for it.
    pub(super) fn role(&mut self, id: ConnectionId, wanted: Role) -> Result<Role, Code> {
        if matches!(wanted.role, RoleKind::Master | RoleKind::Slave)
            && let Some(generation) = wanted.generation
        {
            // Older ones are late messages of an election that is over. The distance is signed: numbers may wrap.
            let stale = |last: u64| (generation.wrapping_sub(last) as i64) < 0;
            if self.generation.is_some_and(stale) {
                return Err(Code::Stale);
            }
            self.generation = Some(generation);
        }
        if wanted.role == RoleKind::Master {
            self.depose(id);
        }
        let generation = self.generation;
        let connection = self.connections.get_mut(&id).ok_or(Code::BadRole)?;
        if wanted.role != RoleKind::NoChange {
            connection.role = wanted.role;
        }
        Ok(Role { role: connection.role, generation, reason: MASTER_REQUEST })
    }

    fn depose(&mut self, by: ConnectionId) {
        for (id, connection) in &mut self.connections {
            if *id == by || connection.role != RoleKind::Master {
                continue;
            }
            connection.role = RoleKind::Slave;
            if connection.version >= Version::V14
                && connection.wants(connection.asks.role_status, MASTER_REQUEST)
            {
                let role =
                    Role { role: RoleKind::Slave, generation: self.generation, reason: MASTER_REQUEST };
                self.told.push((*id, Envelope::new(0, Message::RoleStatus(role))));
            }
        }
    }
}
