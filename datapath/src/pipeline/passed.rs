//! What came by tunnel ports and went into them. A port of the worker counts its own frames; a tunnel has none, so flows count for it as they
//! do for rules: what it was asked to carry, in the bytes that frames had when they came in.

use super::{Base, Pipeline};
use crate::flow::OfPort;
use crate::stats::{Counted, Credit};
use std::sync::Arc;

/// The places of a tunnel port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) came: Credit,
    pub(super) went: Credit,
}

/// What passed a tunnel port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Frames that came out of it, for the tables.
    pub came: Counted,
    /// Frames that were to go into it: some may have been too long for the way, or above a rate.
    pub went: Counted,
}

impl Pipeline {
    /// Gives places to the tunnel ports of a base that have none, and takes back those of ports that are gone.
    pub(super) fn place_tunnels(&mut self, base: &Base) {
        let there: Vec<OfPort> = base.tunnel_ports().collect();
        let gone: Vec<OfPort> = self.passed.keys().copied().filter(|port| !there.contains(port)).collect();
        for port in gone {
            if let Some(Places { came, went }) = Arc::make_mut(&mut self.passed).remove(&port) {
                self.release(came);
                self.release(went);
            }
        }
        for port in there {
            if !self.passed.contains_key(&port) {
                let places = Places { came: self.credit(), went: self.credit() };
                Arc::make_mut(&mut self.passed).insert(port, places);
            }
        }
    }

    /// Counts what passes a tunnel port from nothing on: its number is another tunnel's from the next snapshot on.
    pub fn count_anew(&mut self, tunnel: OfPort) {
        let Some(Places { came, went }) = self.places(tunnel) else { return };
        self.release(came);
        self.release(went);
        let places = Places { came: self.credit(), went: self.credit() };
        Arc::make_mut(&mut self.passed).insert(tunnel, places);
        // Cached answers name the old ones.
        self.changes.everything();
    }

    pub(super) fn places(&self, tunnel: OfPort) -> Option<Places> {
        self.passed.get(&tunnel).copied()
    }

    /// What passed a tunnel port, as far as workers have written it; None of any other port.
    pub fn passed(&self, tunnel: OfPort) -> Option<Passed> {
        let Places { came, went } = self.places(tunnel)?;
        Some(Passed { came: self.counted(came), went: self.counted(went) })
    }
}
