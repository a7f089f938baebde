//! Ports: where frames come from and go to.

use std::fmt;

/// Index of a port in a worker's list. Not the number that OpenFlow uses: that is [`crate::flow::OfPort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u16);

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
