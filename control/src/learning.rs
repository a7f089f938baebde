//! Learning where stations are: what a worker has seen goes into the pipeline, and what was not seen for long goes out of it.
//!
//! A station that has moved is believed at once. When the table is full, the tenant with most stations gives one up, at the port
//! where it has most, the one that was unused for longest; so whoever makes addresses up crowds out his own (the idea is that of Open
//! vSwitch, `lib/mac-learning.c`, which knows ports alone). No tenant has more learned for it in a second than the configuration
//! says, and all together no more than ten times that: frames of those who come later are flooded, and say it again. A station is used when frames come from it: the flows of those that are known count for it
//! ([`Located::credit`](datapath::pipeline::Located)), and its age is what was counted since it was looked at last.
//!
//! Pure: time comes in as milliseconds of the caller's clock.

mod pace;

use crate::config::Learning;
use datapath::action::report::{Place, Sighting, Station};
use datapath::flow::OfPort;
use datapath::pipeline::Pipeline;
use pace::Pace;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// What is remembered of a station beside its place.
#[derive(Clone, Copy, Debug)]
struct Seen {
    place: Place,
    /// When it was used last, as far as is known.
    used: u64,
    /// Its frames by then.
    packets: u64,
}

/// The stations of a tenant at a port, by when they were used last.
type Crowd = BTreeSet<(u64, Station)>;

/// The stations that were learned.
#[derive(Debug)]
pub struct Learner {
    limits: Learning,
    stations: HashMap<Station, Seen>,
    crowds: BTreeMap<(u64, OfPort), Crowd>,
    /// How many each tenant has, and the tenants by that.
    sizes: BTreeMap<u64, usize>,
    by_size: BTreeSet<(usize, u64)>,
    /// The other ends of tunnels that stations are behind, and how many are behind each.
    remotes: BTreeMap<IpAddr, usize>,
    remotes_changed: u64,
    pace: Pace,
    /// Learned since the start; moved; given up because there was no room.
    counts: Counts,
}

/// Most other ends of tunnels that are followed because somebody was seen behind them.
pub const REMOTES_MAX: usize = 1024;

/// What a learner did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stations that were new.
    pub learned: u64,
    /// Stations that were seen elsewhere than before.
    pub moved: u64,
    /// Stations that were not used for the aging time.
    pub expired: u64,
    /// Stations that were given up for others.
    pub evicted: u64,
    /// Sightings that were not believed: above the rate, or behind one tunnel end too many.
    pub limited: u64,
}

impl Learner {
    /// Knows nobody.
    pub fn new(limits: Learning) -> Learner {
        Learner {
            limits,
            stations: HashMap::new(),
            crowds: BTreeMap::new(),
            sizes: BTreeMap::new(),
            by_size: BTreeSet::new(),
            remotes: BTreeMap::new(),
            remotes_changed: 0,
            pace: Pace::of(limits.per_second),
            counts: Counts::default(),
        }
    }

    /// What it did.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The other ends of tunnels that stations were learned behind, in order.
    pub fn remotes(&self) -> impl Iterator<Item = IpAddr> {
        self.remotes.keys().copied()
    }

    /// A number that grows when [`Learner::remotes`] changes.
    pub fn remotes_changed(&self) -> u64 {
        self.remotes_changed
    }

    /// A station was seen. True when the pipeline is another now.
    pub fn see(&mut self, sighting: Sighting, now: u64, pipeline: &mut Pipeline) -> bool {
        let Sighting { station, place } = sighting;
        match pipeline.station(&station) {
            // Told by the operator, or told twice.
            Some(known) if known.fixed || known.place == place => return false,
            _ => {}
        }
        // The port has gone while the sighting was under way.
        if pipeline.target(place.port).is_none() {
            return false;
        }
        let unheard = |remote| !self.remotes.contains_key(&remote) && self.remotes.len() >= REMOTES_MAX;
        if place.remote.is_some_and(unheard) || !self.pace.admits(station.tenant, now) {
            self.counts.limited += 1;
            return false;
        }
        match self.forget(&station) {
            Some(_) => self.counts.moved += 1,
            None => {
                self.counts.learned += 1;
                if self.stations.len() >= self.limits.entries {
                    self.make_room(pipeline);
                }
            }
        }
        pipeline.learn(station, place, false);
        let packets = packets(&station, pipeline);
        self.remember(station, Seen { place, used: now, packets });
        true
    }

    /// Whether the next one takes another's place.
    pub fn is_full(&self) -> bool {
        self.stations.len() >= self.limits.entries
    }

    /// Whether one may not have been used for long: time to see, with all frames counted.
    pub fn is_due(&self, now: u64) -> bool {
        let limit = u64::from(self.limits.aging_s) * 1000;
        self.crowds
            .values()
            .any(|all| all.first().is_some_and(|(used, _)| now.saturating_sub(*used) >= limit))
    }

    /// Forgets those that were not used for long, or whose port is gone. True when the pipeline is another now.
    pub fn age(&mut self, now: u64, pipeline: &mut Pipeline) -> bool {
        let limit = u64::from(self.limits.aging_s) * 1000;
        let mut changed = false;
        for crowd in self.crowds.keys().copied().collect::<Vec<_>>() {
            let gone = pipeline.target(crowd.1).is_none();
            while let Some((used, station)) = self.crowds.get(&crowd).and_then(|all| all.first().copied()) {
                if !gone && now.saturating_sub(used) < limit {
                    break;
                }
                if !gone && self.refresh(&station, now, pipeline) {
                    continue;
                }
                self.forget(&station);
                changed |= pipeline.unlearn(&station);
                self.counts.expired += 1;
            }
        }
        changed
    }

    /// Notes which were used since the last time, so that those that were not are known when room is needed. A pass over all.
    pub fn note_use(&mut self, now: u64, pipeline: &Pipeline) {
        for station in self.stations.keys().copied().collect::<Vec<_>>() {
            self.refresh(&station, now, pipeline);
        }
    }

    /// Forgets all, or all of a port; what the operator told stays. True when the pipeline is another now.
    pub fn flush(&mut self, port: Option<OfPort>, pipeline: &mut Pipeline) -> bool {
        let gone = self.stations.iter().filter(|(_, seen)| port.is_none_or(|port| seen.place.port == port));
        let gone: Vec<Station> = gone.map(|(station, _)| *station).collect();
        for station in &gone {
            self.forget(station);
            pipeline.unlearn(station);
        }
        !gone.is_empty()
    }

    /// Every station of the pipeline with its place and the seconds since it was used; none for those that were not learned.
    pub fn table(&self, now: u64, pipeline: &Pipeline) -> Vec<(Station, Place, Option<u64>)> {
        let age = |station: &Station| {
            let seen = self.stations.get(station)?;
            let used = if packets(station, pipeline) > seen.packets { now } else { seen.used };
            Some(now.saturating_sub(used) / 1000)
        };
        let mut table: Vec<_> =
            pipeline.stations().map(|(station, located)| (*station, located.place, age(station))).collect();
        table.sort_unstable_by_key(|(station, ..)| *station);
        table
    }

    /// True when frames of the station came since the last look.
    fn refresh(&mut self, station: &Station, now: u64, pipeline: &Pipeline) -> bool {
        let Some(seen) = self.stations.get(station).copied() else { return false };
        let packets = packets(station, pipeline);
        if packets == seen.packets {
            return false;
        }
        self.forget(station);
        self.remember(*station, Seen { used: now, packets, ..seen });
        true
    }

    fn make_room(&mut self, pipeline: &mut Pipeline) {
        let Some((_, tenant)) = self.by_size.last().copied() else { return };
        let of_tenant = self.crowds.range((tenant, OfPort(0))..=(tenant, OfPort(u32::MAX)));
        let fullest = of_tenant.map(|(_, all)| all).max_by_key(|all| all.len());
        let Some((_, station)) = fullest.and_then(|all| all.first().copied()) else { return };
        self.forget(&station);
        pipeline.unlearn(&station);
        self.counts.evicted += 1;
    }

    fn remember(&mut self, station: Station, seen: Seen) {
        self.stations.insert(station, seen);
        self.crowds.entry((station.tenant, seen.place.port)).or_default().insert((seen.used, station));
        self.resize(station.tenant, |size| size + 1);
        if let Some(remote) = seen.place.remote {
            let behind = self.remotes.entry(remote).or_default();
            *behind += 1;
            self.remotes_changed += u64::from(*behind == 1);
        }
    }

    fn forget(&mut self, station: &Station) -> Option<Seen> {
        let seen = self.stations.remove(station)?;
        let crowd = (station.tenant, seen.place.port);
        if let Some(all) = self.crowds.get_mut(&crowd) {
            all.remove(&(seen.used, *station));
            if all.is_empty() {
                self.crowds.remove(&crowd);
            }
        }
        self.resize(station.tenant, |size| size - 1);
        if let Some(remote) = seen.place.remote
            && let Some(behind) = self.remotes.get_mut(&remote)
        {
            *behind -= 1;
            if *behind == 0 {
                self.remotes.remove(&remote);
                self.remotes_changed += 1;
            }
        }
        Some(seen)
    }

    fn resize(&mut self, tenant: u64, change: impl FnOnce(usize) -> usize) {
        let size = self.sizes.remove(&tenant).unwrap_or(0);
        self.by_size.remove(&(size, tenant));
        let size = change(size);
        if size > 0 {
            self.sizes.insert(tenant, size);
            self.by_size.insert((size, tenant));
        }
    }
}

/// How many frames were counted for a station.
fn packets(station: &Station, pipeline: &Pipeline) -> u64 {
    pipeline.station(station).map_or(0, |located| pipeline.counted(located.credit).packets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::flow::Seed;
    use datapath::pipeline::Base;
    use datapath::port::PortId;
    use datapath::tunnel::{TunnelTable, Underlay};

    fn pipeline() -> Pipeline {
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).unwrap();
        let guests = (1..=3).map(|n| (OfPort(n), PortId(n as u16)));
        Pipeline::new(Base::new(guests, tunnels, [].into(), Underlay::default()))
    }

    fn station(mac: u64) -> Station {
        Station { tenant: 0, vlan: 0, mac }
    }

    fn seen(mac: u64, port: u32) -> Sighting {
        Sighting { station: station(mac), place: Place { port: OfPort(port), remote: None } }
    }

    fn learner() -> Learner {
        Learner::new(Learning { aging_s: 300, entries: 10, per_second: 100 })
    }

    fn macs(pipeline: &Pipeline) -> Vec<u64> {
        let mut macs: Vec<u64> = pipeline.stations().map(|(station, _)| station.mac).collect();
        macs.sort_unstable();
        macs
    }

    #[test]
    fn a_station_is_learned_moves_and_is_forgotten() {
        let (mut learner, mut pipeline) = (learner(), pipeline());
        assert!(learner.see(seen(1, 1), 0, &mut pipeline));
        assert!(!learner.see(seen(1, 1), 1000, &mut pipeline), "nothing new");
        assert!(learner.see(seen(1, 2), 2000, &mut pipeline));
        assert_eq!(pipeline.station(&station(1)).unwrap().place.port, OfPort(2));
        assert_eq!(learner.table(5000, &pipeline)[0].2, Some(3));
        assert!(!learner.age(301_999, &mut pipeline));
        assert!(learner.age(302_000, &mut pipeline));
        assert!(macs(&pipeline).is_empty());
        let counts = Counts { learned: 1, moved: 1, expired: 1, ..Counts::default() };
        assert_eq!(learner.counts(), counts);
    }

    #[test]
    fn the_port_with_most_stations_gives_up_the_one_unused_for_longest() {
        let (mut learner, mut pipeline) = (learner(), pipeline());
        learner.see(seen(1, 1), 0, &mut pipeline);
        learner.see(seen(2, 1), 1, &mut pipeline);
        for mac in 10..30 {
            learner.see(seen(mac, 2), mac, &mut pipeline);
        }
        assert_eq!(macs(&pipeline), [1, 2, 22, 23, 24, 25, 26, 27, 28, 29]);
        assert_eq!(learner.counts().evicted, 12);
    }

    fn seen_in(tenant: u64, mac: u64, port: u32) -> Sighting {
        let Sighting { place, .. } = seen(mac, port);
        Sighting { station: Station { tenant, vlan: 0, mac }, place }
    }

    #[test]
    fn a_tenant_that_makes_addresses_up_crowds_out_its_own_behind_one_tunnel_too() {
        let (mut learner, mut pipeline) = (learner(), pipeline());
        learner.see(seen_in(7, 1, 1), 0, &mut pipeline);
        learner.see(seen_in(7, 2, 1), 0, &mut pipeline);
        learner.see(seen_in(8, 3, 2), 0, &mut pipeline);
        for mac in 10..60 {
            learner.see(seen_in(9, mac, 1), mac, &mut pipeline);
        }
        assert_eq!(macs(&pipeline), [1, 2, 3, 53, 54, 55, 56, 57, 58, 59]);
    }

    #[test]
    fn a_tenant_learns_at_its_rate_and_others_do_not_wait_for_it() {
        let limits = Learning { aging_s: 300, entries: 100_000, per_second: 100 };
        let (mut learner, mut pipeline) = (Learner::new(limits), pipeline());
        let mut learned = |tenant: u64, macs: std::ops::Range<u64>, now| {
            macs.filter(|mac| learner.see(seen_in(tenant, *mac, 1), now, &mut pipeline)).count()
        };
        assert_eq!(learned(7, 0..1000, 5000), 400, "four seconds' worth");
        assert_eq!(learned(8, 0..10, 5000), 10);
        assert_eq!(learned(7, 2000..3000, 6000), 100);
        let others: usize = (100..150).map(|tenant| learned(tenant, 0..1000, 6000)).sum();
        assert!((3500..=4000).contains(&others), "all together ten times as much: {others}");
        assert!(learner.counts().limited > 0);
    }

    #[test]
    fn the_other_ends_of_tunnels_are_known_while_somebody_is_behind_them() {
        let (mut learner, mut pipeline) = (learner(), pipeline());
        let behind = |mac, last: u32| {
            let remote = Some(IpAddr::from(last.to_be_bytes()));
            Sighting { place: Place { port: OfPort(1), remote }, ..seen(mac, 1) }
        };
        learner.see(behind(1, 0xc000_0202), 0, &mut pipeline);
        learner.see(behind(2, 0xc000_0203), 0, &mut pipeline);
        learner.see(behind(1, 0xc000_0203), 0, &mut pipeline);
        assert_eq!(learner.remotes().collect::<Vec<_>>(), ["192.0.2.3".parse::<IpAddr>().unwrap()]);
        assert_eq!(learner.remotes_changed(), 3);
        let limits = Learning { aging_s: 300, entries: 100_000, per_second: 100_000 };
        let mut learner = Learner::new(limits);
        let all =
            (0..2 * REMOTES_MAX as u64).filter(|n| learner.see(behind(*n, *n as u32), 0, &mut pipeline));
        assert_eq!(all.count(), REMOTES_MAX);
        assert!(learner.flush(None, &mut pipeline));
        assert_eq!(learner.remotes().count(), 0);
    }

    #[test]
    fn stations_go_with_their_port_and_told_ones_stay() {
        let (mut learner, mut pipeline) = (learner(), pipeline());
        pipeline.learn(station(7), Place { port: OfPort(3), remote: None }, true);
        assert!(!learner.see(seen(7, 1), 0, &mut pipeline), "the operator knows better");
        assert!(!learner.see(seen(8, 9), 0, &mut pipeline), "there is no such port");
        learner.see(seen(1, 1), 0, &mut pipeline);
        learner.see(seen(2, 2), 0, &mut pipeline);
        assert!(learner.flush(Some(OfPort(1)), &mut pipeline));
        assert_eq!(macs(&pipeline), [2, 7]);
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).unwrap();
        let left = [(OfPort(3), PortId(3))];
        pipeline.set_base(Base::new(left, tunnels, [].into(), Underlay::default()));
        assert!(learner.age(1, &mut pipeline));
        assert_eq!(macs(&pipeline), [7]);
        assert!(!learner.flush(None, &mut pipeline));
    }
}
