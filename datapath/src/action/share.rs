//! How many frames the controller is told of whom: a rate for each tenant and each reason, so that a tenant whose frames miss all flows
//! keeps no other's from it, nor his own that are told for another reason.
//!
//! Rates are kept in a table of fixed size. One that finds no place takes that of the one, among the few places that it can have, which was
//! asked last; whoever lost his place begins again with a full burst. So what the table forgets is at nobody's cost but the common rate's.

use super::punt::Reason;
use super::rate::Rate;
use crate::flow::{Field, FlowKey, OfPort, Seed};

/// Whose a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The tenant's whose port it came in by.
    Tenant(u64),
    /// The tenant's whose number is the tunnel key that it came with.
    TunnelKey,
    /// Nobody's: the port's that it came in by.
    Port(OfPort),
}

/// Places that an owner's rate for a reason can have.
const WAYS: usize = 4;
/// Sets of them: at 80 bytes a place, 80 kB a worker.
const SETS: usize = 256;
const SPREAD: Seed = Seed::new(0x0541_a4e5);

#[derive(Debug)]
struct Place {
    who: (u64, u64),
    asked_ns: u64,
    /// None: it is free.
    rate: Option<Rate>,
}

/// The rates.
#[derive(Debug)]
pub(super) struct Shares {
    per_second: u64,
    burst: u64,
    sets: Box<[[Place; WAYS]]>,
}

impl Shares {
    /// Each may have so many a second, and so many at once.
    pub(super) fn new(per_second: u32, burst: u32) -> Shares {
        let place = |_| Place { who: (0, 0), asked_ns: 0, rate: None };
        let sets = (0..SETS).map(|_| std::array::from_fn(place)).collect();
        Shares { per_second: per_second.into(), burst: burst.into(), sets }
    }

    /// Takes a frame with this key from what its owner may have told for this reason.
    pub(super) fn take(&mut self, owner: Owner, reason: Reason, key: &FlowKey, now_ns: u64) -> bool {
        let (kind, number) = match owner {
            Owner::Tenant(tenant) => (0, tenant),
            Owner::TunnelKey => (0, key.get(Field::TunId) as u64),
            Owner::Port(port) => (1, port.0.into()),
        };
        let who = (number, kind << 8 | reason as u64);
        let set = &mut self.sets[SPREAD.pair(who.0, who.1) as usize % SETS];
        let known = set.iter().position(|place| place.rate.is_some() && place.who == who);
        let longest = || (0..WAYS).min_by_key(|at| (set[*at].rate.is_some(), set[*at].asked_ns)).unwrap_or(0);
        let place = &mut set[known.unwrap_or_else(longest)];
        if known.is_none() {
            (place.who, place.rate) = (who, Some(Rate::new(self.per_second, self.burst, 1)));
        }
        place.asked_ns = now_ns;
        place.rate.as_ref().is_none_or(|rate| rate.take(1, now_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(shares: &mut Shares, owner: Owner, reason: Reason, of: usize) -> usize {
        (0..of).filter(|_| shares.take(owner, reason, &FlowKey::default(), 1_000_000_000)).count()
    }

    #[test]
    fn each_owner_has_a_rate_for_each_reason() {
        let mut shares = Shares::new(100, 5);
        let tenant = Owner::Tenant(7);
        assert_eq!(taken(&mut shares, tenant, Reason::NoMatch, 100), 5);
        assert_eq!(taken(&mut shares, tenant, Reason::Action, 100), 5);
        assert_eq!(taken(&mut shares, Owner::Port(OfPort(7)), Reason::NoMatch, 3), 3);
        assert_eq!(taken(&mut shares, Owner::Tenant(8), Reason::NoMatch, 3), 3);
    }

    #[test]
    fn a_tunnel_key_is_the_tenant_of_that_number() {
        let mut shares = Shares::new(100, 5);
        let mut key = FlowKey::default();
        key.set(Field::TunId, 7);
        assert_eq!(taken(&mut shares, Owner::Tenant(7), Reason::NoMatch, 100), 5);
        assert!(!shares.take(Owner::TunnelKey, Reason::NoMatch, &key, 1_000_000_000));
    }

    #[test]
    fn a_thousand_others_take_no_more_than_their_own_places() {
        let mut shares = Shares::new(100, 5);
        for tenant in 0..10_000 {
            assert_eq!(taken(&mut shares, Owner::Tenant(tenant), Reason::NoMatch, 6), 5, "{tenant}");
        }
    }
}
