//! Where addresses were seen: what NORMAL sends by. A part of the snapshot like rules; control learns and forgets
//! (`control/src/learning.rs`), translation only looks.

use super::{Changes, Match, TableId};
use crate::action::report::{Place, Station};
use crate::flow::Field;
use crate::stats::Credit;
use rpds::HashTrieMapSync;

/// Stands for the stations among the tables that a flow has asked; no table has this number.
pub(super) const STATIONS: TableId = TableId(254);

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where it is.
    pub place: Place,
    /// Told by the operator: whoever else uses the address is not believed.
    pub fixed: bool,
    /// Where its frames are counted, as long as they come from there.
    pub credit: Credit,
}

/// All addresses that are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Stations(HashTrieMapSync<Station, Located>);

impl Stations {
    pub(super) fn get(&self, station: &Station) -> Option<&Located> {
        self.0.get(station)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Station, &Located)> {
        self.0.iter()
    }

    pub(super) fn insert(&mut self, station: Station, located: Located, changes: &mut Changes) {
        self.0.insert_mut(station, located);
        changed(&station, changes);
    }

    pub(super) fn remove(&mut self, station: &Station, changes: &mut Changes) -> Option<Located> {
        let gone = *self.0.get(station)?;
        self.0.remove_mut(station);
        changed(station, changes);
        Some(gone)
    }
}

/// Two kinds of flows are touched: those to the address, and those from it. Both know it by their frames, whatever tells
/// their tenant and VLAN, which may be the port.
fn changed(station: &Station, changes: &mut Changes) {
    for field in [Field::EthDst, Field::EthSrc] {
        changes.rule(STATIONS, &Match::any().exact(field, station.mac.into()));
    }
}
