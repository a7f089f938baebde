//! The names of bridge ports, given by whoever knows the bridge.

use datapath::flow::OfPort;
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
