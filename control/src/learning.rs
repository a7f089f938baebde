//! Learning where stations are: what a worker has seen goes into the pipeline, and what was not seen for long goes out of it.
//!
//! A station that has moved is believed at once. When the table is full, the port with most stations gives one up, the one
//! that was unused for longest; so whoever makes addresses up crowds out his own (the idea is that of Open vSwitch,
//! `lib/mac-learning.c`). A station is used when frames come from it: the flows of those that are known count for it
//! ([`Located::credit`](datapath::pipeline::Located)), and its age is what was counted since it was looked at last.
//!
//! Pure: time comes in as milliseconds of the caller's clock.

use crate::config::Learning;
use datapath::action::report::{Place, Sighting, Station};
use datapath::flow::OfPort;
use datapath::pipeline::Pipeline;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is remembered of a station beside its place.
#[derive(Clone, Copy, Debug)]
struct Seen {
    port: OfPort,
    /// When it was used last, as far as is known.
    used: u64,
    /// Its frames by then.
    packets: u64,
}

/// The stations that were learned, each port's by when they were used last.
#[derive(Debug)]
pub struct Learner {
    limits: Learning,
    stations: HashMap<Station, Seen>,
    ports: BTreeMap<OfPort, BTreeSet<(u64, Station)>>,
    /// Learned since the start; moved; given up because there was no room.
    counts: Counts,
}

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
}

impl Learner {
    /// Knows nobody.
    pub fn new(limits: Learning) -> Learner {
        Learner { limits, stations: HashMap::new(), ports: BTreeMap::new(), counts: Counts::default() }
    }

    /// What it did.
    pub fn counts(&self) -> Counts {
        self.counts
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
        self.remember(station, Seen { port: place.port, used: now, packets });
        true
    }

    /// Whether the next one takes another's place.
    pub fn is_full(&self) -> bool {
        self.stations.len() >= self.limits.entries
    }

    /// Whether one may not have been used for long: time to see, with all frames counted.
    pub fn is_due(&self, now: u64) -> bool {
        let limit = u64::from(self.limits.aging_s) * 1000;
        self.ports.values().any(|all| all.first().is_some_and(|(used, _)| now.saturating_sub(*used) >= limit))
    }

    /// Forgets those that were not used for long, or whose port is gone. True when the pipeline is another now.
    pub fn age(&mut self, now: u64, pipeline: &mut Pipeline) -> bool {
        let limit = u64::from(self.limits.aging_s) * 1000;
        let mut changed = false;
        for port in self.ports.keys().copied().collect::<Vec<_>>() {
            let gone = pipeline.target(port).is_none();
            while let Some((used, station)) = self.ports.get(&port).and_then(|all| all.first().copied()) {
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
        let gone = self.stations.iter().filter(|(_, seen)| port.is_none_or(|port| seen.port == port));
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
        let fullest = self.ports.values().max_by_key(|all| all.len());
        let Some((_, station)) = fullest.and_then(|all| all.first().copied()) else { return };
        self.forget(&station);
        pipeline.unlearn(&station);
        self.counts.evicted += 1;
    }

    fn remember(&mut self, station: Station, seen: Seen) {
        self.stations.insert(station, seen);
        self.ports.entry(seen.port).or_default().insert((seen.used, station));
    }

    fn forget(&mut self, station: &Station) -> Option<Seen> {
        let seen = self.stations.remove(station)?;
        if let Some(all) = self.ports.get_mut(&seen.port) {
            all.remove(&(seen.used, *station));
            if all.is_empty() {
                self.ports.remove(&seen.port);
            }
        }
        Some(seen)
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
        Learner::new(Learning { aging_s: 300, entries: 10 })
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
        assert_eq!(learner.counts(), Counts { learned: 1, moved: 1, expired: 1, evicted: 0 });
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
