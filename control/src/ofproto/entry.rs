//! A flow entry: a rule of the datapath, and what OpenFlow says about it beside (OpenFlow 1.3 section 5.2).

use super::learned::Learned;
use datapath::pipeline::{Installed, Match, TableId};
use std::num::NonZeroU64;
use std::sync::Arc;

/// Flags of a flow entry (`OFPFF_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowFlags {
    /// Tell the controller when the entry goes.
    pub send_flow_rem: bool,
    /// Refuse to add it when it overlaps another of the same priority.
    pub check_overlap: bool,
    /// Count from zero when it takes another's place or is modified.
    pub reset_counts: bool,
    /// Nobody asks how many frames it took.
    pub no_packet_counts: bool,
    /// Nobody asks how many bytes it took.
    pub no_byte_counts: bool,
}

/// What a flow entry is identified by in its table.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) priority: u16,
    pub(super) matching: Match,
}

/// A flow entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its rule, with match, priority, cookie and instructions.
    pub installed: Arc<Installed>,
    /// It goes when no frame came for so many seconds; 0: it does not.
    pub idle_timeout: u16,
    /// It goes after so many seconds; 0: it does not.
    pub hard_timeout: u16,
    /// Entries of less importance give way first in a full table (OpenFlow 1.4 section 6.4).
    pub importance: u16,
    /// Its flags.
    pub flags: FlowFlags,
    /// When it was added, in milliseconds of the caller's clock.
    pub created: u64,
    /// Older entries have smaller ones.
    pub(super) serial: u64,
    /// What frames have taught of it; none: nothing.
    pub(super) learned: Option<Arc<Learned>>,
    /// Under which time it stands among the timers.
    pub(super) timer: Option<NonZeroU64>,
}

const _: () = assert!(
    size_of::<Entry>() <= 56,
    "with its counters of references it is 72 bytes, one class of the allocator's"
);

impl Entry {
    pub(super) fn key(&self) -> Key {
        let rule = &self.installed.rule;
        Key { priority: rule.priority, matching: rule.matching.clone() }
    }

    /// When its hard timeout ends, if no frame taught it after `taught`.
    pub(super) fn hard_deadline(&self, taught: u64) -> Option<u64> {
        (self.hard_timeout > 0).then(|| self.created.max(taught) + u64::from(self.hard_timeout) * 1000)
    }

    /// When its idle timeout ends, if no frame came after `used`.
    pub(super) fn idle_deadline(&self, used: u64) -> Option<u64> {
        (self.idle_timeout > 0).then(|| self.created.max(used) + u64::from(self.idle_timeout) * 1000)
    }

    /// The earlier of both.
    pub(super) fn deadline(&self, used: u64, taught: u64) -> Option<u64> {
        self.hard_deadline(taught).into_iter().chain(self.idle_deadline(used)).min()
    }
}

/// Why an entry went (`OFPRR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No frame came for long enough.
    IdleTimeout,
    /// Its time was over.
    HardTimeout,
    /// Somebody removed it.
    Delete,
    /// A group that it leads to was removed.
    GroupDelete,
    /// A meter that it names was removed.
    MeterDelete,
    /// It gave way in a full table.
    Eviction,
}

/// An entry that went. Whether a controller is told says [`FlowFlags::send_flow_rem`].
#[derive(Clone, Debug)]
pub struct Removed {
    /// Its table.
    pub table: TableId,
    /// The entry.
    pub entry: Arc<Entry>,
    /// Why.
    pub reason: Reason,
    /// How long it was there, in milliseconds.
    pub duration: u64,
}
