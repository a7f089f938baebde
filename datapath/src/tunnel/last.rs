//! What the tunnel table answered last: most packets of a batch come from one endpoint with one key.
//!
//! It holds for one table, one set of endpoints and one set of known remote ends: whoever keeps it starts with a new one when
//! any of them may have changed. A worker has one for each batch. Everything that the table is asked for is compared, so a
//! remembered answer is the table's own.

use super::options::Options;
use super::order::Order;
use super::spec::Kind;
use super::table::TunnelId;
use crate::flow::FlowKey;
use std::net::IpAddr;

/// What a packet asks the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    /// Of UDP; zero where there is none.
    pub(super) port: u16,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) key: u32,
}

impl Asked {
    #[inline(always)]
    fn is(&self, other: &Asked) -> bool {
        let Asked { kind, port, local, remote, key } = other;
        self.key == *key
            && self.port == *port
            && self.kind == *kind
            && self.remote == *remote
            && self.local == *local
    }
}

/// The last packet that a tunnel port took.
#[derive(Clone, Debug, Default)]
pub struct Last {
    took: Option<(Asked, TunnelId)>,
    /// Those of the last packet that had any.
    pub(super) options: Options,
    /// What was taken before this batch; none: every sequence number is in time.
    pub(super) order: Option<Order>,
}

impl Last {
    /// Nothing was asked yet, and sequence numbers go on from `order`.
    pub fn after(order: Option<Order>) -> Last {
        Last { order, ..Last::default() }
    }

    /// The sequence numbers, for the next batch.
    pub fn into_order(self) -> Option<Order> {
        self.order
    }

    /// Whether the last packet was for this address, which then is an endpoint of ours.
    #[inline(always)]
    pub(super) fn was_for(&self, local: IpAddr) -> bool {
        matches!(&self.took, Some((last, _)) if last.local == local)
    }

    /// The port that took the last packet, if this one asks the same.
    #[inline(always)]
    pub(super) fn answer(&self, asked: &Asked) -> Option<TunnelId> {
        match &self.took {
            Some((last, tunnel)) if last.is(asked) => Some(*tunnel),
            _ => None,
        }
    }

    /// Writes the options that the last packet had into the key that was read of what it carried.
    #[cold]
    pub fn give_options(&self, key: &mut FlowKey) {
        self.options.put(key);
    }

    /// From now on this was the last one.
    pub(super) fn remember(&mut self, asked: Asked, tunnel: TunnelId) {
        self.took = Some((asked, tunnel));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_for_the_same_question_only() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (local, remote) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let asked = Asked { kind: Kind::Vxlan, port: 4789, local, remote, key: 7 };
        let mut last = Last::default();
        assert_eq!((last.answer(&asked), last.was_for(local)), (None, false));
        last.remember(asked, TunnelId(3));
        assert_eq!((last.answer(&asked), last.was_for(local)), (Some(TunnelId(3)), true));
        assert!(!last.was_for(ip("::ffff:192.0.2.1")));
        let others = [
            Asked { kind: Kind::Geneve, ..asked },
            Asked { port: 4790, ..asked },
            Asked { local: remote, ..asked },
            Asked { remote: ip("::ffff:192.0.2.2"), ..asked },
            Asked { key: 8, ..asked },
        ];
        assert!(others.iter().all(|other| last.answer(other).is_none()));
    }
}
