//! What workers tell beside their counters, taken up while the switch runs: where stations are, and what flows frames have taught.

use super::Daemon;
use crate::ofproto::Applied;
use crate::status::{LearnedStatus, StationStatus, StationsStatus};
use crate::text::PortNames;
use std::io;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixDatagram;

/// How often stations that are not used any more are looked for.
pub(super) const AGING: Duration = Duration::from_secs(1);
/// Sightings that are taken up before the rest of control has its turn.
const SIGHTINGS_MAX: usize = 4096;
/// The same of lessons.
const LESSONS_MAX: usize = 1024;
/// Stations that a status tells of.
const SHOWN_MAX: usize = 65_536;

/// Wakes control.
pub(super) struct Bell(StdDatagram);

impl Bell {
    /// A full socket means that control has not even heard the last ones: it will wake.
    pub(super) fn ring(&self) {
        let _ = self.0.send(&[1]);
    }
}

/// A bell, and where control hears it.
pub(super) fn bell() -> io::Result<(UnixDatagram, Arc<Bell>)> {
    let (here, there) = StdDatagram::pair()?;
    here.set_nonblocking(true)?;
    there.set_nonblocking(true)?;
    Ok((UnixDatagram::from_std(here)?, Arc::new(Bell(there))))
}

impl Daemon {
    /// Takes up what the workers have seen. True when there may be more.
    pub(super) fn learn(&mut self) -> bool {
        let now = self.workers.now_ms();
        let (mut changed, mut taken) = (false, 0);
        for sighting in self.workers.sightings().take(SIGHTINGS_MAX) {
            changed |= self.learner.see(sighting, now, self.switch.pipeline_mut());
            taken += 1;
        }
        self.publish_stations(changed);
        taken == SIGHTINGS_MAX
    }

    /// Adds the flows that frames have taught. True when there may be more.
    pub(super) fn take_up_lessons(&mut self) -> bool {
        let now = self.workers.now_ms();
        let (mut applied, mut taken, mut news) = (Applied::default(), 0, false);
        for lesson in self.workers.lessons().take(LESSONS_MAX) {
            taken += 1;
            // Frames that came before it was known taught it too.
            if self.switch.is_stale(&lesson) {
                continue;
            }
            match self.switch.learn(now, &lesson) {
                Ok(changed) => {
                    applied.extend(changed);
                    self.lessons.taken_up += 1;
                    news = true;
                }
                Err(_) => self.lessons.refused += 1,
            }
        }
        if news {
            self.flows_went(&applied);
            self.publish();
        }
        taken == LESSONS_MAX
    }

    /// What `adit show` tells of that.
    pub(super) fn learned_flows(&self) -> LearnedStatus {
        LearnedStatus { known: self.switch.lessons(), unsaid: self.workers.untaught(), ..self.lessons }
    }

    /// Forgets what was not used for long. Workers write down what their flows count about once a second.
    pub(super) fn age(&mut self) {
        // Those that have ended meanwhile: their flows go the sooner.
        self.switch.heed_fins();
        let now = self.workers.now_ms();
        if self.learner.is_full() {
            self.learner.note_use(now, self.switch.pipeline());
        }
        let changed = self.learner.age(now, self.switch.pipeline_mut());
        self.publish_stations(changed);
    }

    fn publish_stations(&mut self, changed: bool) {
        if changed {
            if self.remotes_met != self.learner.remotes_changed() {
                // The ways there come with the next underlay.
                self.remotes_met = self.learner.remotes_changed();
                self.watcher.set_remotes(self.remotes());
            }
            self.switch.settled(self.workers.settled());
            let pipeline = self.switch.snapshot();
            self.workers.publish(&pipeline);
        }
    }

    /// What `adit show` tells of stations.
    pub(super) fn stations(&self) -> StationsStatus {
        let names = self.config.port_names();
        let table = self.learner.table(self.workers.now_ms(), self.switch.pipeline());
        let known = table.len();
        let station = |(station, place, age_s): (_, datapath::action::report::Place, _)| {
            let datapath::action::report::Station { tenant, vlan, mac } = station;
            let [_, _, address @ ..] = mac.to_be_bytes();
            StationStatus {
                tenant,
                vlan,
                mac: datapath::wire::MacAddr(address).to_string(),
                port: names.name(place.port).map_or_else(|| place.port.to_string(), str::to_string),
                remote_ip: place.remote.map(|remote| remote.to_string()),
                age_s,
            }
        };
        let counts = self.learner.counts();
        StationsStatus {
            known,
            learned: counts.learned,
            moved: counts.moved,
            expired: counts.expired,
            evicted: counts.evicted,
            limited: counts.limited,
            unsaid: self.workers.unsaid(),
            stations: table.into_iter().take(SHOWN_MAX).map(station).collect(),
        }
    }
}
