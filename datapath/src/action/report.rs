//! What a worker tells control beside its counters: where it has seen addresses, for NORMAL to learn, flows that frames teach
//! ([`super::learn`]), and frames for the controller ([`super::punt`]).
//!
//! What is said of addresses is put together when a flow is translated and kept once, beside the programs, which name it by number
//! ([`Learning`]); of the frame itself only the addresses are taken. It goes through a lock-free queue of fixed size: when
//! that is full, it is counted and not said. The next frame of an unknown address says it again.

use super::kept::Kept;
use super::learn::{Lesson, Teaching};
use super::punt::{Arriving, DATA_MAX, Punt, PuntRate, Punted, Punts, punts};
use crate::flow::{Field, FlowKey, OfPort, Seed};
use crate::mem::{BATCH, Frame, LONG_MAX};
use crate::stats::DropReason;
use crossbeam::queue::ArrayQueue;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A MAC address where it means one station: in the VLAN of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Station {
    /// The tenant; 0 for those of none.
    pub tenant: u64,
    /// The VLAN; 0 for frames without.
    pub vlan: u16,
    /// The address, right-aligned.
    pub mac: u64,
}

/// Where a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bridge port.
    pub port: OfPort,
    /// For a tunnel port that leaves its remote end open: that end.
    pub remote: Option<IpAddr>,
}

/// A station seen at a place that is not the one known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which.
    pub station: Station,
    /// Where.
    pub place: Place,
}

/// The bits of a tag that say which VLAN it is.
const VLAN: u16 = 0x0fff;

/// What to learn from the frames of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Learning {
    /// The tenant that they belong to; none: each frame says its own, with the tunnel key that it came with.
    pub tenant: Option<u64>,
    /// The VLAN that they are in; none: each frame says its own, in its outermost tag.
    pub vlan: Option<u16>,
    /// The port that they came in by.
    pub port: OfPort,
    /// Whether the other end of the tunnel is to be learned too.
    pub remote: bool,
    /// The source address, where rules have written it; otherwise each frame says its own.
    pub mac: Option<u64>,
}

impl Learning {
    /// What a frame with this key tells.
    pub fn of(&self, key: &FlowKey) -> Sighting {
        let tenant = self.tenant.unwrap_or(key.get(Field::TunId) as u64);
        let vlan = self.vlan.unwrap_or(key.get(Field::VlanTci) as u16 & VLAN);
        let mac = self.mac.unwrap_or(key.get(Field::EthSrc) as u64);
        Sighting {
            station: Station { tenant, vlan, mac },
            place: Place { port: self.port, remote: self.remote.then(|| sender(key)).flatten() },
        }
    }
}

/// The tunnel endpoint that a frame with this key came from.
pub fn sender(key: &FlowKey) -> Option<IpAddr> {
    match (key.get(Field::TunSrc) as u32, key.get(Field::TunIpv6Src)) {
        (0, 0) => None,
        (0, v6) => Some(Ipv6Addr::from_bits(v6).into()),
        (v4, _) => Some(Ipv4Addr::from_bits(v4).into()),
    }
}

/// Sightings that wait for control. At 64 bytes each, 64 kB a worker.
const SIGHTINGS: usize = 1024;
/// Most learnings that are kept. With those that a batch may need besides, at 72 bytes each and their index, half a megabyte a worker.
const LEARNINGS: usize = 4096;

/// Lessons that wait for control. At 272 bytes each, 139 kB a worker.
const LESSONS: usize = 512;
/// Most teachings that are kept. With those that a batch may need besides, at 288 bytes each and their index, 0.6 MB a worker.
const TEACHINGS: usize = 1024;

/// Most teachings of one program.
pub const TEACHINGS_MAX: usize = 16;
/// Most learnings of one program.
pub const LEARNINGS_MAX: usize = 64;
/// Most of its steps that tell the controller.
pub const PUNTS_MAX: usize = 16;

/// Control's end.
#[derive(Clone, Debug)]
pub struct Reports {
    sightings: Arc<ArrayQueue<Sighting>>,
    lessons: Arc<ArrayQueue<Lesson>>,
    unsaid: Arc<AtomicU64>,
    untaught: Arc<AtomicU64>,
    punted: Arriving,
}

impl Reports {
    /// The next frame for the controller.
    pub fn punted(&self) -> Option<Punted> {
        self.punted.next()
    }

    /// The next address that was seen.
    pub fn sighting(&self) -> Option<Sighting> {
        self.sightings.pop()
    }

    /// The next flow that a frame has taught.
    pub fn lesson(&self) -> Option<Lesson> {
        self.lessons.pop()
    }

    /// How often there was no room to tell a lesson. The next frame that teaches it tells it again.
    pub fn untaught(&self) -> u64 {
        self.untaught.load(Relaxed)
    }

    /// How often there was no room to say where an address was seen.
    pub fn unsaid(&self) -> u64 {
        self.unsaid.load(Relaxed)
    }
}

/// The worker's end.
#[derive(Debug)]
pub struct Reporter {
    sightings: Arc<ArrayQueue<Sighting>>,
    lessons: Arc<ArrayQueue<Lesson>>,
    unsaid: Arc<AtomicU64>,
    untaught: Arc<AtomicU64>,
    learnings: Kept<Learning>,
    teachings: Kept<Teaching>,
    punts: Punts,
    /// What was said last in this turn: a run of frames says it once.
    last: Option<Sighting>,
    last_lesson: Option<Lesson>,
    said: bool,
}

/// Connects a worker and control. Of frames for the controller up to 4,096 bytes are told.
pub fn reports() -> (Reporter, Reports) {
    connect(DATA_MAX)
}

/// The same for a worker that has [long frames](crate::mem::long_frames): up to [`LONG_MAX`] bytes.
pub fn reports_of_long_frames() -> (Reporter, Reports) {
    connect(LONG_MAX)
}

fn connect(data_max: usize) -> (Reporter, Reports) {
    let [learnings, told, teachings] = [LEARNINGS_MAX, PUNTS_MAX, TEACHINGS_MAX].map(|most| most * BATCH);
    let (sightings, lessons) = (Arc::new(ArrayQueue::new(SIGHTINGS)), Arc::new(ArrayQueue::new(LESSONS)));
    let [unsaid, untaught] = std::array::from_fn(|_| Arc::<AtomicU64>::default());
    let (punts, punted) = punts(told, data_max);
    let reports = Reports {
        sightings: sightings.clone(),
        lessons: lessons.clone(),
        unsaid: unsaid.clone(),
        untaught: untaught.clone(),
        punted,
    };
    let reporter = Reporter {
        sightings,
        lessons,
        unsaid,
        untaught,
        learnings: Kept::new(LEARNINGS, learnings),
        teachings: Kept::new(TEACHINGS, teachings),
        punts,
        last: None,
        last_lesson: None,
        said: false,
    };
    (reporter, reports)
}

impl Reporter {
    /// A new turn.
    #[inline]
    pub fn begin(&mut self) {
        self.said = false;
        (self.last, self.last_lesson) = (None, None);
    }

    /// Whether there is anything for control since the turn began.
    pub fn said(&self) -> bool {
        self.said
    }

    /// Tells the controller of no more frames than this; of all as long as nobody says so. The seed is a secret: with it, one could find
    /// tunnel keys whose shares push each other out.
    pub fn limited(mut self, rate: PuntRate, seed: Seed) -> Reporter {
        self.punts.limit(rate, seed);
        self
    }

    /// Forgets what programs name; they are forgotten too.
    pub fn clear(&mut self) {
        self.learnings.clear();
        self.teachings.clear();
        self.punts.kept().clear();
    }

    /// Forgets what programs name that were not kept.
    pub fn end_batch(&mut self) {
        self.learnings.end_batch();
        self.teachings.end_batch();
        self.punts.kept().end_batch();
    }

    /// The number of a learning, and whether it is kept; if not, it holds until [`Reporter::end_batch`].
    pub fn keep(&mut self, learning: Learning) -> (u32, bool) {
        self.learnings.keep(learning)
    }

    /// The number of a description, and whether it is kept, in the same way.
    pub fn keep_punt(&mut self, punt: Punt) -> (u32, bool) {
        self.punts.kept().keep(punt)
    }

    /// The number of a teaching, and whether it is kept, in the same way.
    pub fn keep_teaching(&mut self, teaching: Teaching) -> (u32, bool) {
        self.teachings.keep(teaching)
    }

    /// The number of a teaching until [`Reporter::end_batch`].
    pub fn put_teaching_aside(&mut self, teaching: Teaching) -> u32 {
        self.teachings.put_aside(teaching)
    }

    /// The number of a learning until [`Reporter::end_batch`].
    pub fn put_aside(&mut self, learning: Learning) -> u32 {
        self.learnings.put_aside(learning)
    }

    /// The number of a description in the same way.
    pub fn put_punt_aside(&mut self, punt: Punt) -> u32 {
        self.punts.kept().put_aside(punt)
    }

    /// Tells the controller of a frame.
    ///
    /// # Errors
    /// Why it is not told.
    pub(super) fn punt(
        &mut self,
        punt: u32,
        frame: &mut Frame<'_>,
        key: &FlowKey,
        now_ns: u64,
    ) -> Result<(), DropReason> {
        let told = self.punts.tell(punt, frame, key, now_ns);
        // Also when control has left no buffer free: it must have missed something.
        self.said |= !matches!(told, Err(DropReason::PuntOverRate | DropReason::PuntOverShare));
        told
    }

    /// Tells what a frame teaches, or counts that there was no room to.
    pub(super) fn teach(&mut self, teaching: u32, key: &FlowKey) {
        let Some(teaching) = self.teachings.get(teaching) else { return };
        let lesson = teaching.of(key);
        if self.last_lesson.as_ref() == Some(&lesson) {
            return;
        }
        self.said = true;
        if self.lessons.push(lesson.clone()).is_err() {
            self.untaught.fetch_add(1, Relaxed);
        }
        self.last_lesson = Some(lesson);
    }

    /// Says where the sender of a frame is, or counts that there was no room to.
    pub(super) fn learn(&mut self, learning: u32, key: &FlowKey) {
        let Some(learning) = self.learnings.get(learning) else { return };
        let sighting = learning.of(key);
        if self.last == Some(sighting) {
            return;
        }
        (self.last, self.said) = (Some(sighting), true);
        if self.sightings.push(sighting).is_err() {
            self.unsaid.fetch_add(1, Relaxed);
        }
    }
}
