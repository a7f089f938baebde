//! How many frames the controller is told of whom: a rate for each tenant and each reason, so that a tenant whose frames miss all flows
//! keeps no other's from it, nor his own that are told for another reason.
//!
//! Rates are kept in a table of fixed size. One that finds no place takes that of the one, among the few places that it can have, which was
//! asked last; whoever lost his place begins again with a full burst. So what the table forgets is at nobody's cost but the common rate's.
//! Which places those are is a secret of the process: nobody can choose tunnel keys that push each other out of them.

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
    seed: Seed,
    sets: Box<[[Place; WAYS]]>,
}

impl Shares {
    /// Each may have so many a second, and so many at once.
    pub(super) fn new(per_second: u32, burst: u32, seed: Seed) -> Shares {
        let place = |_| Place { who: (0, 0), asked_ns: 0, rate: None };
        let sets = (0..SETS).map(|_| std::array::from_fn(place)).collect();
        Shares { per_second: per_second.into(), burst: burst.into(), seed, sets }
    }

    /// Takes a frame with this key from what its owner may have told for this reason.
    pub(super) fn take(&mut self, owner: Owner, reason: Reason, key: &FlowKey, now_ns: u64) -> bool {
        let (kind, number) = match owner {
            Owner::Tenant(tenant) => (0, tenant),
            Owner::TunnelKey => (0, key.get(Field::TunId) as u64),
            Owner::Port(port) => (1, port.0.into()),
        };
        let who = (number, kind << 8 | reason as u64);
        let set = &mut self.sets[self.seed.pair(who.0, who.1) as usize % SETS];
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
        let mut shares = Shares::new(100, 5, Seed::new(1));
        let tenant = Owner::Tenant(7);
        assert_eq!(taken(&mut shares, tenant, Reason::NoMatch, 100), 5);
        assert_eq!(taken(&mut shares, tenant, Reason::Action, 100), 5);
        assert_eq!(taken(&mut shares, Owner::Port(OfPort(7)), Reason::NoMatch, 3), 3);
        assert_eq!(taken(&mut shares, Owner::Tenant(8), Reason::NoMatch, 3), 3);
    }

    #[test]
    fn a_tunnel_key_is_the_tenant_of_that_number() {
        let mut shares = Shares::new(100, 5, Seed::new(1));
        let mut key = FlowKey::default();
        key.set(Field::TunId, 7);
        assert_eq!(taken(&mut shares, Owner::Tenant(7), Reason::NoMatch, 100), 5);
        assert!(!shares.take(Owner::TunnelKey, Reason::NoMatch, &key, 1_000_000_000));
    }

    #[test]
    fn a_thousand_others_take_no_more_than_their_own_places() {
        let mut shares = Shares::new(100, 5, Seed::new(1));
        for tenant in 0..10_000 {
            assert_eq!(taken(&mut shares, Owner::Tenant(tenant), Reason::NoMatch, 6), 5, "{tenant}");
        }
    }

    /// Twice as many tunnel keys as a set has places, all of that set with this seed.
    fn of_one_set(seed: Seed) -> Vec<u64> {
        let set = |key: &u64| seed.pair(*key, Reason::NoMatch as u64) as usize % SETS;
        (0..).filter(|key| set(key) == 0).take(2 * WAYS).collect()
    }

    #[test]
    fn keys_that_push_each_other_out_with_one_seed_do_not_with_another() {
        let told = |seed| {
            let mut shares = Shares::new(100, 5, seed);
            let keys = of_one_set(Seed::new(1)).into_iter().map(Owner::Tenant);
            // One after the other, so that there is one which was asked last.
            let asked = (1_000_000_000..).zip(keys.cycle().take(10 * 2 * WAYS));
            let mut take = |(at, key)| {
                let take = |_: &i32| shares.take(key, Reason::NoMatch, &FlowKey::default(), at);
                (0..5).filter(take).count()
            };
            asked.map(&mut take).sum::<usize>()
        };
        let shares_of_all = 2 * WAYS * 5;
        assert_eq!(told(Seed::new(1)), 10 * shares_of_all);
        assert_eq!(told(Seed::new(2)), shares_of_all);
    }
}
