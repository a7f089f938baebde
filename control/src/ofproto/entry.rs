//! A flow entry: a rule of the datapath, and what OpenFlow says about it beside (OpenFlow 1.3 section 5.2).

use super::learned::Learned;
use datapath::pipeline::{Installed, Note, TableId};
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

/// A flow entry. What it says beside its rule is kept in the rule's note, and in a place of its own only for entries that end by themselves or
/// were learned: so most entries cost nothing but their rule, and are put together when somebody asks for them.
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
    /// What frames have taught of it; none: nothing.
    pub(super) learned: Option<Arc<Learned>>,
    /// Under which time it stands among the timers.
    pub(super) timer: Option<NonZeroU64>,
}

/// What is kept beside of an entry that has a timeout or was learned.
#[derive(Debug)]
pub(super) struct Beside {
    idle_timeout: u16,
    hard_timeout: u16,
    learned: Option<Arc<Learned>>,
    timer: Option<NonZeroU64>,
}

impl FlowFlags {
    fn bits(self) -> u16 {
        let FlowFlags { send_flow_rem, check_overlap, reset_counts, no_packet_counts, no_byte_counts } = self;
        let flags = [send_flow_rem, check_overlap, reset_counts, no_packet_counts, no_byte_counts];
        flags.iter().rev().fold(0, |bits, flag| bits << 1 | u16::from(*flag))
    }

    fn of_bits(bits: u16) -> FlowFlags {
        let flag = |at: u16| bits >> at & 1 != 0;
        FlowFlags {
            send_flow_rem: flag(0),
            check_overlap: flag(1),
            reset_counts: flag(2),
            no_packet_counts: flag(3),
            no_byte_counts: flag(4),
        }
    }
}

/// What is noted with the rule of an entry. Of the time 48 bits: nine thousand years.
pub(super) fn noted(importance: u16, flags: FlowFlags, created: u64) -> Note {
    Note([importance, flags.bits(), (created >> 32) as u16, (created >> 16) as u16, created as u16])
}

impl Entry {
    /// The entry of a rule.
    pub(super) fn of(installed: &Arc<Installed>, beside: Option<&Beside>) -> Entry {
        let Note([importance, flags, high, middle, low]) = installed.note();
        let flags = FlowFlags::of_bits(flags);
        let created = u64::from(high) << 32 | u64::from(middle) << 16 | u64::from(low);
        let (idle_timeout, hard_timeout) =
            beside.map_or((0, 0), |beside| (beside.idle_timeout, beside.hard_timeout));
        let (learned, timer) = beside.map_or((None, None), |beside| (beside.learned.clone(), beside.timer));
        let installed = installed.clone();
        Entry { installed, idle_timeout, hard_timeout, importance, flags, created, learned, timer }
    }

    /// What has to be kept beside the rule.
    pub(super) fn beside(&self) -> Option<Beside> {
        let Entry { idle_timeout, hard_timeout, timer, .. } = *self;
        let needed = idle_timeout > 0 || hard_timeout > 0 || self.learned.is_some();
        needed.then(|| Beside { idle_timeout, hard_timeout, learned: self.learned.clone(), timer })
    }

    /// A number that no other entry has now.
    pub(super) fn number(&self) -> u32 {
        self.installed.credit().number()
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
    pub entry: Entry,
    /// Why.
    pub reason: Reason,
    /// How long it was there, in milliseconds.
    pub duration: u64,
}
