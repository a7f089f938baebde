//! Frames for the controller: copies of their first bytes, on their way from a worker to control.
//!
//! What is to be said beside the bytes is put together when a flow is translated ([`Punt`]) and kept once, beside the programs,
//! which name it by number. The bytes go into buffers that are made at the start: control takes the full ones and hands them
//! back, through two lock-free queues. A frame is told without being kept ([OpenFlow 1.3 section 6.1.2]: no buffering), and
//! where no buffer is free, or too many were told of late, it is counted and goes its other ways.
//!
//! [OpenFlow 1.3 section 6.1.2]: https://opennetworking.org/wp-content/uploads/2014/10/openflow-switch-v1.3.5.pdf

use super::kept::Kept;
use super::rate::Rate;
use super::share::{Owner, Shares};
use crate::flow::{FlowKey, FlowMask, Seed};
use crate::mem::Frame;
use crate::port::finish_checksum;
use crate::stats::DropReason;
use crossbeam::queue::ArrayQueue;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Why a frame is told to the controller (OpenFlow 1.3 section 7.4.1; the last three have come with 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// The entry for frames that no other takes told it.
    NoMatch,
    /// Another entry did.
    Action,
    /// Its time to live is over.
    InvalidTtl,
    /// The action set did.
    ActionSet,
    /// The bucket of a group did.
    Group,
    /// A controller has sent it.
    PacketOut,
}

impl Reason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Reason; 6] = [
        Reason::NoMatch,
        Reason::Action,
        Reason::InvalidTtl,
        Reason::ActionSet,
        Reason::Group,
        Reason::PacketOut,
    ];

    /// The name that ovs-actions(7) gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::NoMatch => "no_match",
            Reason::Action => "action",
            Reason::InvalidTtl => "invalid_ttl",
            Reason::ActionSet => "action_set",
            Reason::Group => "group",
            Reason::PacketOut => "packet_out",
        }
    }
}

/// A cookie that is none: what told it was no entry of a table (OpenFlow 1.3 section 7.4.1).
pub const NO_COOKIE: u64 = u64::MAX;

/// What is told of the frames of a program, beside their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punt {
    /// Why.
    pub reason: Reason,
    /// The table that was asked last.
    pub table: u8,
    /// The mark of the entry that told it, or [`NO_COOKIE`].
    pub cookie: u64,
    /// Which controllers it is for, by their number; 0: those that have none.
    pub controller: u16,
    /// Whose the frame is.
    pub owner: Owner,
    /// How many bytes are told at the most.
    pub max_len: u16,
    /// What the rule wants to be told, in the controller's own words.
    pub userdata: Arc<[u8]>,
    /// What is known of the frame and not in it: the port, the tunnel, metadata and registers. Other fields are zero.
    pub says: FlowKey,
    /// Bits of that which each frame of a program says for itself; none, when a frame was told.
    pub open: FlowMask,
}

impl Punt {
    /// What is known of a frame with this key.
    fn of(&self, key: &FlowKey) -> FlowKey {
        let mut says = self.says.clone();
        let each = self.open.words().iter().zip(key.words());
        for (says, (open, key)) in says.words_mut().iter_mut().zip(each) {
            *says = *says & !open | key & open;
        }
        says
    }
}

impl Hash for Punt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Punt { reason, table, cookie, controller, owner, max_len, userdata, says, open } = self;
        (reason, table, cookie, controller, owner, max_len, userdata).hash(state);
        (says.words(), open.words()).hash(state);
    }
}

/// How much of a frame is told at the most where no frames are longer than a chunk of a worker's memory.
pub const DATA_MAX: usize = 4096;
/// Frames that wait for control. At 4.9 kB each, 1.3 MB a worker; 4.3 MB where there are long frames.
const BUFFERS: usize = 256;
/// Most descriptions that are kept. With those that a batch may need besides, at 710 bytes each and their index, 1.5 MB a worker.
const PUNTS: usize = 1024;

/// How many frames a worker tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PuntRate {
    /// Frames a second.
    pub per_second: u32,
    /// Frames at once, after a pause.
    pub burst: u32,
    /// Frames a second of one tenant for one reason.
    pub tenant_per_second: u32,
    /// Of these, frames at once.
    pub tenant_burst: u32,
}

impl PuntRate {
    /// So many a second, a quarter of that at once, and a quarter of both for one tenant and one reason.
    pub const fn of(per_second: u32) -> PuntRate {
        PuntRate {
            per_second,
            burst: per_second / 4,
            tenant_per_second: per_second / 4,
            tenant_burst: per_second / 16,
        }
    }
}

impl Default for PuntRate {
    fn default() -> PuntRate {
        PuntRate::of(1000)
    }
}

/// A buffer: what is told of a frame, and its first bytes.
#[derive(Debug)]
struct Buffer {
    punt: Option<Punt>,
    total_len: usize,
    len: usize,
    bytes: Box<[u8]>,
}

/// A frame that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punted {
    /// What is known of it beside its bytes.
    pub punt: Punt,
    /// How long it was.
    pub total_len: usize,
    /// Its first bytes.
    pub data: Vec<u8>,
}

/// The two ways between a worker and control.
#[derive(Clone, Debug)]
struct Ways {
    free: Arc<ArrayQueue<Box<Buffer>>>,
    full: Arc<ArrayQueue<Box<Buffer>>>,
}

/// Control's end.
#[derive(Clone, Debug)]
pub(super) struct Arriving(Ways);

impl Arriving {
    /// The next frame that was told.
    pub(super) fn next(&self) -> Option<Punted> {
        let Ways { free, full } = &self.0;
        let mut buffer = full.pop()?;
        let punt = buffer.punt.take();
        let (total_len, data) = (buffer.total_len, buffer.bytes[..buffer.len].to_vec());
        // There are no more buffers than it has room for.
        let _ = free.push(buffer);
        Some(Punted { punt: punt?, total_len, data })
    }
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Punts {
    ways: Ways,
    rate: Option<(Rate, Shares)>,
    kept: Kept<Punt>,
}

/// Connects the two. A batch may need so many descriptions that find no room. Of a frame so many bytes are told at the most.
pub(super) fn punts(batch: usize, data_max: usize) -> (Punts, Arriving) {
    let queue = || Arc::new(ArrayQueue::new(BUFFERS));
    let ways = Ways { free: queue(), full: queue() };
    for _ in 0..BUFFERS {
        let bytes = vec![0; data_max].into_boxed_slice();
        let _ = ways.free.push(Box::new(Buffer { punt: None, total_len: 0, len: 0, bytes }));
    }
    let punts = Punts { ways: ways.clone(), rate: None, kept: Kept::new(PUNTS, batch) };
    (punts, Arriving(ways))
}

impl Punts {
    /// No more than this from now on. The seed says where the rates of owners are kept.
    pub(super) fn limit(&mut self, rate: PuntRate, seed: Seed) {
        let PuntRate { per_second, burst, tenant_per_second, tenant_burst } = rate;
        let common = Rate::new(per_second.into(), burst.into(), 1);
        self.rate = Some((common, Shares::new(tenant_per_second, tenant_burst, seed)));
    }

    pub(super) fn kept(&mut self) -> &mut Kept<Punt> {
        &mut self.kept
    }

    /// Tells a frame as it is now; `key` is what it was when it came.
    ///
    /// # Errors
    /// Why it is not told.
    pub(super) fn tell(
        &mut self,
        punt: u32,
        frame: &mut Frame<'_>,
        key: &FlowKey,
        now_ns: u64,
    ) -> Result<(), DropReason> {
        let Some(punt) = self.kept.get(punt) else { return Ok(()) };
        if let Some((common, shares)) = &mut self.rate {
            if !shares.take(punt.owner, punt.reason, key, now_ns) {
                return Err(DropReason::PuntOverShare);
            }
            if !common.take(1, now_ns) {
                return Err(DropReason::PuntOverRate);
            }
        }
        let mut buffer = self.ways.free.pop().ok_or(DropReason::PuntFull)?;
        // Nobody behind will fill it in.
        finish_checksum(frame);
        let bytes = frame.bytes();
        let len = bytes.len().min(punt.max_len.into()).min(buffer.bytes.len());
        buffer.bytes[..len].copy_from_slice(&bytes[..len]);
        (buffer.total_len, buffer.len) = (bytes.len(), len);
        buffer.punt = Some(Punt { says: punt.of(key), open: FlowMask::default(), ..punt.clone() });
        // There are no more buffers than it has room for.
        let _ = self.ways.full.push(buffer);
        Ok(())
    }
}
