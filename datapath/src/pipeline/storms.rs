//! The policers of all ports that have one. They come with the ports; one whose port says the same as before goes on as it is.

use super::PortSetup;
use crate::action::storm::{Storm, StormAt};
use crate::flow::OfPort;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All policers, shared with every snapshot that knows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Storms {
    places: BTreeMap<OfPort, StormAt>,
    list: Vec<Arc<Storm>>,
}

impl Storms {
    /// Those that these ports ask for.
    pub(super) fn adapted(&self, setups: &BTreeMap<OfPort, PortSetup>) -> Storms {
        let mut storms = Storms::default();
        for (port, setup) in setups.iter().filter(|(_, setup)| !setup.storm.is_open()) {
            // Bridges have far fewer ports.
            let Ok(at) = u16::try_from(storms.list.len()) else { break };
            let same = self.places.get(port).map(|at| &self.list[usize::from(at.0)]);
            let storm = same.filter(|storm| storm.spec() == setup.storm).cloned();
            storms.list.push(storm.unwrap_or_else(|| Arc::new(Storm::new(setup.storm))));
            storms.places.insert(*port, StormAt(at));
        }
        storms
    }

    /// Gives them a state of their own: what goes through them from now on is not seen elsewhere.
    pub(super) fn part(&mut self) {
        self.list.iter_mut().for_each(|storm| *storm = Arc::new(Storm::clone(storm)));
    }

    pub(super) fn of(&self, port: OfPort) -> Option<StormAt> {
        self.places.get(&port).copied()
    }

    #[inline]
    pub(super) fn at(&self, at: StormAt) -> &Storm {
        &self.list[usize::from(at.0)]
    }
}
