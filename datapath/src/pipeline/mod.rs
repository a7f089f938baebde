//! What shall be done: rules in a table, ports, tunnels and the underlay, as one immutable snapshot, and the function that
//! translates a key into actions.
//!
//! Control compiles a `Pipeline` and publishes it; workers adopt it between turns ([`crate::worker`]). Nothing in here
//! changes after it was built, so translation needs no lock and gives the same answer to the same question.

pub mod rule;
pub mod table;
pub mod translate;

pub use rule::{Match, Rule, RuleAction};
pub use table::Table;
pub use translate::{ACTIONS_MAX, Translation, translate};

use crate::flow::OfPort;
use crate::port::PortId;
use crate::stats::DropReason;
use crate::tunnel::{Encap, EncapId, Reach, Remote, TunnelId, TunnelTable, Underlay};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// What an OpenFlow port number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A port of the worker.
    Port(PortId),
    /// A tunnel.
    Tunnel(TunnelId),
}

/// Everything that translation and decapsulation need to know.
#[derive(Clone, Debug)]
pub struct Pipeline {
    generation: u64,
    table: Table,
    targets: HashMap<OfPort, Target>,
    tunnels: TunnelTable,
    /// In order.
    endpoints: Box<[IpAddr]>,
    encaps: Vec<Encap>,
    ways: HashMap<(TunnelId, IpAddr), EncapId>,
    underlay: Underlay,
}

impl Pipeline {
    /// Builds a snapshot. `guests` are the bridge ports that are no tunnels; `endpoints` our own tunnel addresses.
    /// Of two snapshots, the one with the higher `generation` is the newer.
    pub fn new(
        generation: u64,
        table: Table,
        guests: impl IntoIterator<Item = (OfPort, PortId)>,
        tunnels: TunnelTable,
        endpoints: HashSet<IpAddr>,
        underlay: Underlay,
    ) -> Pipeline {
        let mut targets: HashMap<_, _> =
            guests.into_iter().map(|(ofport, port)| (ofport, Target::Port(port))).collect();
        targets.extend(tunnels.iter().map(|(id, spec)| (spec.ofport, Target::Tunnel(id))));

        let mut encaps = Vec::new();
        let mut ways = HashMap::new();
        for (id, spec) in tunnels.iter() {
            for (remote, reach) in underlay.iter() {
                let wanted = match spec.remote {
                    Remote::Fixed(fixed) => fixed == *remote,
                    Remote::Flow => true,
                };
                if let (true, Reach::Via(path)) = (wanted, reach)
                    && let Some(encap) = Encap::new(spec, *remote, path)
                {
                    ways.insert((id, *remote), EncapId(encaps.len() as u32));
                    encaps.push(encap);
                }
            }
        }
        let mut endpoints: Box<[IpAddr]> = endpoints.into_iter().collect();
        endpoints.sort_unstable();
        Pipeline { generation, table, targets, tunnels, endpoints, encaps, ways, underlay }
    }

    /// Which snapshot this is.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The flow table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The tunnel ports.
    pub fn tunnels(&self) -> &TunnelTable {
        &self.tunnels
    }

    /// Whether `address` is one of our tunnel endpoints.
    #[inline]
    pub fn is_endpoint(&self, address: IpAddr) -> bool {
        self.endpoints.binary_search(&address).is_ok()
    }

    /// The headers to put in front.
    #[inline]
    pub fn encap(&self, id: EncapId) -> &Encap {
        &self.encaps[id.0 as usize]
    }

    /// What a bridge port's number stands for.
    fn target(&self, port: OfPort) -> Option<Target> {
        self.targets.get(&port).copied()
    }

    /// The headers that lead from a tunnel port to a remote endpoint.
    fn way(&self, tunnel: TunnelId, remote: IpAddr) -> Result<EncapId, DropReason> {
        match self.ways.get(&(tunnel, remote)) {
            Some(way) => Ok(*way),
            None => Err(match self.underlay.reach(remote) {
                Reach::NoNeighbour => DropReason::NoNeighbour,
                Reach::NoRoute | Reach::Via(_) => DropReason::NoRoute,
            }),
        }
    }
}
