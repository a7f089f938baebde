//! What the tunnel table answered last: most packets of a batch come from one endpoint with one key.
//!
//! It holds for one table, one set of endpoints and one set of known remote ends: whoever keeps it starts with a new one when
//! any of them may have changed. A worker has one for each batch. Everything that the table is asked for is compared, so a
//! remembered answer is the table's own.

use super::spec::Kind;
use super::table::TunnelId;
use std::net::IpAddr;

/// What a packet asks the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    /// Of UDP; zero where there is none.
    pub(super) port: u16,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) key: u32,
}

/// The last packet that a tunnel port took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Last(Option<(Asked, TunnelId)>);

impl Last {
    /// Whether the last packet was for this address, which then is an endpoint of ours.
    #[inline(always)]
    pub(super) fn was_for(&self, local: IpAddr) -> bool {
        matches!(&self.0, Some((last, _)) if last.local == local)
    }

    /// The port that took the last packet, if this one asks the same.
    #[inline(always)]
    pub(super) fn answer(&self, asked: &Asked) -> Option<TunnelId> {
        match &self.0 {
            Some((last, tunnel)) if last == asked => Some(*tunnel),
            _ => None,
        }
    }

    /// From now on this was the last one.
    pub(super) fn remember(&mut self, asked: Asked, tunnel: TunnelId) {
        self.0 = Some((asked, tunnel));
    }
}
