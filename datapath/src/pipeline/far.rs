//! Who is at the other ends of a tunnel port that leaves them to the flow: for each tenant the hypervisors that have some of
//! it, and the tunnel key that each of them knows it by. NORMAL and FLOOD send one copy to each (head-end replication), and to
//! nobody else. What a tenant is called at a far end is known apart from that: a station can be learned behind a tunnel that
//! nobody is flooded by.
//!
//! A port with one remote end and an open key can be limited to the tenants that are listed in the same way.

use crate::flow::OfPort;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The other end of a tunnel, where a tenant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarEnd {
    /// Its address.
    pub remote: IpAddr,
    /// What the tenant is called there. None: as [`FarEnds::call`] says, or else as here.
    pub key: Option<u64>,
}

/// The far ends of all tunnel ports that leave them open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FarEnds {
    ends: BTreeMap<(OfPort, Option<u64>), Vec<FarEnd>>,
    keys: BTreeMap<(OfPort, u64, IpAddr), u64>,
    limited: BTreeSet<OfPort>,
}

impl FarEnds {
    /// The tenant is there too, by this port. Without a tenant: every tenant is that has no list of its own.
    pub fn add(&mut self, port: OfPort, tenant: Option<u64>, end: FarEnd) {
        let ends = self.ends.entry((port, tenant)).or_default();
        match ends.iter_mut().find(|known| known.remote == end.remote) {
            Some(known) => *known = end,
            None => ends.push(end),
        }
    }

    /// The tenant is called so at a far end, in tunnels of this port; whether or not anything is flooded there.
    pub fn call(&mut self, port: OfPort, tenant: u64, remote: IpAddr, key: u64) {
        self.keys.insert((port, tenant, remote), key);
    }

    /// A port that does not leave its remote end open: no tenant is flooded by it but those that are listed.
    pub fn limit(&mut self, port: OfPort) {
        self.limited.insert(port);
    }

    /// Whether it is such a port.
    pub fn is_limited(&self, port: OfPort) -> bool {
        self.limited.contains(&port)
    }

    /// Where the tenant is, by this port.
    pub fn of(&self, port: OfPort, tenant: u64) -> &[FarEnd] {
        let own = self.ends.get(&(port, Some(tenant)));
        own.or_else(|| self.ends.get(&(port, None))).map_or(&[], Vec::as_slice)
    }

    /// The tunnel key that leads to the tenant at a far end.
    pub fn key(&self, port: OfPort, tenant: u64, remote: IpAddr) -> u64 {
        let end = self.of(port, tenant).iter().find(|end| end.remote == remote);
        self.key_at(port, tenant, end.unwrap_or(&FarEnd { remote, key: None }))
    }

    /// The same for one of those that [`of`](FarEnds::of) says.
    pub fn key_at(&self, port: OfPort, tenant: u64, end: &FarEnd) -> u64 {
        let called = || self.keys.get(&(port, tenant, end.remote)).copied();
        end.key.or_else(called).unwrap_or(tenant)
    }

    /// Every address among them; one of several ports or tenants comes as often.
    pub fn remotes(&self) -> impl Iterator<Item = IpAddr> {
        self.ends.values().flatten().map(|end| end.remote)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_own_list_goes_before_that_of_all() {
        let [a, b] = ["192.0.2.2", "2001:db8::2"].map(|ip| ip.parse().unwrap());
        let (port, mut far) = (OfPort(10), FarEnds::default());
        far.add(port, None, FarEnd { remote: a, key: None });
        far.add(port, Some(7), FarEnd { remote: b, key: Some(70) });
        far.add(port, Some(7), FarEnd { remote: b, key: Some(71) });
        assert_eq!(far.of(port, 7), [FarEnd { remote: b, key: Some(71) }]);
        assert_eq!(far.of(port, 8), [FarEnd { remote: a, key: None }]);
        assert!(far.of(OfPort(11), 7).is_empty());
        assert_eq!([far.key(port, 7, b), far.key(port, 7, a), far.key(port, 8, a)], [71, 7, 8]);
    }

    #[test]
    fn a_tenant_has_a_key_where_nothing_is_flooded_too() {
        let [a, b] = ["192.0.2.2", "2001:db8::2"].map(|ip| ip.parse().unwrap());
        let (port, mut far) = (OfPort(10), FarEnds::default());
        far.call(port, 7, a, 70);
        far.call(port, 8, b, 80);
        far.add(port, None, FarEnd { remote: b, key: None });
        assert!(far.of(port, 7).iter().all(|end| end.remote != a));
        assert_eq!([far.key(port, 7, a), far.key(port, 7, b), far.key(port, 8, b)], [70, 7, 80]);
        assert_eq!(far.key(OfPort(11), 7, a), 7, "another tunnel");
        assert_eq!(far.key_at(port, 8, &far.of(port, 8)[0]), 80);
    }
}
