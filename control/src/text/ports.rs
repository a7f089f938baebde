//! The names of bridge ports and of Geneve options, given by whoever knows the bridge.

use datapath::flow::OfPort;
use datapath::tunnel::OptionMap;
use std::collections::BTreeMap;

/// The largest number that an ordinary port can have; larger ones are reserved (OpenFlow 1.0 section 5.3.1, `OFPP_MAX`).
pub const OFPORT_MAX: u32 = 0xfeff;

/// The host's own port under its number in OpenFlow 1.0 (section 5.2.1, `OFPP_LOCAL`), by which flows of Open vSwitch know it.
pub const LOCAL: OfPort = OfPort(0xfffe);

/// Ports by name and by number.
pub trait PortNames {
    /// The number of the port of that name.
    fn number(&self, name: &str) -> Option<OfPort>;

    /// The name of the port of that number.
    fn name(&self, port: OfPort) -> Option<&str>;

    /// Every name, to suggest one for a mistyped word.
    fn names(&self) -> Vec<&str>;

    /// Which Geneve options are fields.
    fn options(&self) -> &OptionMap {
        OptionMap::EMPTY
    }
}

/// All names of a bridge: of its ports, and of Geneve options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The ports.
    pub ports: BTreeMap<String, OfPort>,
    /// The options.
    pub options: OptionMap,
}

impl std::ops::Deref for Names {
    type Target = BTreeMap<String, OfPort>;

    fn deref(&self) -> &BTreeMap<String, OfPort> {
        &self.ports
    }
}

impl PortNames for Names {
    fn number(&self, name: &str) -> Option<OfPort> {
        self.ports.number(name)
    }

    fn name(&self, port: OfPort) -> Option<&str> {
        self.ports.name(port)
    }

    fn names(&self) -> Vec<&str> {
        self.ports.names()
    }

    fn options(&self) -> &OptionMap {
        &self.options
    }
}

/// A bridge that knows no names: ports are written as numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl PortNames for NoNames {
    fn number(&self, _: &str) -> Option<OfPort> {
        None
    }

    fn name(&self, _: OfPort) -> Option<&str> {
        None
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl PortNames for BTreeMap<String, OfPort> {
    fn number(&self, name: &str) -> Option<OfPort> {
        self.get(name).copied()
    }

    fn name(&self, port: OfPort) -> Option<&str> {
        self.iter().find(|(_, number)| **number == port).map(|(name, _)| name.as_str())
    }

    fn names(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }
}
