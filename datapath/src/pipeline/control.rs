//! What controllers make of ports beside rules (OpenFlow 1.3 sections 7.2.1 and 7.3.4.4, `OFPPC_*`), whether the ports' links are
//! up, and what is done with fragments (section 7.3.2, `OFPC_FRAG_*`).
//!
//! All snapshots share one until something of it changes: then every answer is asked for anew.

use super::Pipeline;
use crate::flow::OfPort;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a controller has made of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PortConfig {
    /// Nothing comes in by it and nothing leaves by it.
    pub down: bool,
    /// What comes in by it is dropped.
    pub no_recv: bool,
    /// Messages of spanning trees that come in by it are dropped: frames to 01:80:c2:00:00:00.
    pub no_recv_stp: bool,
    /// What is to leave by it is dropped.
    pub no_fwd: bool,
    /// Frames that come in by it and that only the table-miss entry takes are not told to the controller.
    pub no_packet_in: bool,
    /// Left out when frames are flooded; None: as the operator has it.
    pub no_flood: Option<bool>,
}

/// What is done with fragments of IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fragments {
    /// A later fragment has no ports, a first one has (Open vSwitch's `nx-match`).
    #[default]
    Match,
    /// No fragment has ports, not even the first (Open vSwitch's `normal`).
    WithoutPorts,
    /// They are dropped.
    Drop,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Control {
    ports: BTreeMap<OfPort, PortConfig>,
    /// Ports whose links are down.
    cut: BTreeSet<OfPort>,
    fragments: Fragments,
    /// Whether the controller is told of frames that no entry of a table takes.
    tells_misses: bool,
}

impl Pipeline {
    /// What a controller has made of a port.
    pub fn port_config(&self, port: OfPort) -> PortConfig {
        self.control.ports.get(&port).copied().unwrap_or_default()
    }

    /// Makes it so.
    pub fn set_port_config(&mut self, port: OfPort, config: PortConfig) {
        self.changes.everything();
        Arc::make_mut(&mut self.control).ports.insert(port, config);
    }

    /// Whether a port takes part in flooding.
    pub fn floods(&self, port: OfPort) -> bool {
        !self.port_config(port).no_flood.unwrap_or(self.setup(port).no_flood)
    }

    /// Whether frames can leave by a port, as far as controllers say.
    pub(super) fn is_open_for_sending(&self, port: OfPort) -> bool {
        let PortConfig { down, no_fwd, .. } = self.port_config(port);
        !down && !no_fwd
    }

    /// Notes whether the link of a port is up. True when that is news.
    pub fn set_link(&mut self, port: OfPort, up: bool) -> bool {
        if self.control.cut.contains(&port) != up {
            return false;
        }
        self.changes.everything();
        let cut = &mut Arc::make_mut(&mut self.control).cut;
        if up { cut.remove(&port) } else { cut.insert(port) }
    }

    /// Whether there is such a port, its link is up, and nobody has taken it down (OpenFlow 1.3 section 7.2.1, `OFPPS_LIVE`).
    pub fn is_port_live(&self, port: OfPort) -> bool {
        self.target(port).is_some() && !self.control.cut.contains(&port) && !self.port_config(port).down
    }

    /// What is done with fragments.
    pub fn fragments(&self) -> Fragments {
        self.control.fragments
    }

    /// Whether the controller is told of frames that no entry takes: what a table does in OpenFlow 1.0 (section 3.4), before there were
    /// entries for it.
    pub fn tells_misses(&self) -> bool {
        self.control.tells_misses
    }

    /// Tells it, or does not, from now on.
    pub fn set_tells_misses(&mut self, tells: bool) {
        if tells != self.control.tells_misses {
            self.changes.everything();
            Arc::make_mut(&mut self.control).tells_misses = tells;
        }
    }

    /// Does that with them from now on.
    pub fn set_fragments(&mut self, fragments: Fragments) {
        if fragments != self.control.fragments {
            self.changes.everything();
            Arc::make_mut(&mut self.control).fragments = fragments;
        }
    }
}
