//! Entries whose time is over (OpenFlow 1.3 section 5.5).
//!
//! The entries with timeouts stand in the order in which they can end. A hard timeout ends exactly then. An idle one is looked
//! at then, and when frames came meanwhile it is put back to when it can end next: so what frames do costs nothing here.

use super::entry::{Reason, Removed};
use super::{Applied, Ofproto};

impl Ofproto {
    /// When [`Ofproto::expire`] has something to do next, in milliseconds of the caller's clock.
    pub fn deadline(&self) -> Option<u64> {
        self.timers.first().map(|((deadline, _), _)| *deadline)
    }

    /// Removes the entries whose time is over. When frames came last is asked of the datapath: to be sure of the latest, have
    /// the workers settle before.
    pub fn expire(&mut self, now: u64) -> Applied {
        let mut applied = Applied::default();
        while let Some(((deadline, _), (table, installed))) = self.timers.first() {
            if *deadline > now {
                break;
            }
            let (table, entry) = (*table, self.entry_of(installed));
            let (used, taught) = (self.used(&entry), self.taught(&entry));
            let over = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now);
            let reason = match () {
                () if over(entry.hard_deadline(taught)) => Some(Reason::HardTimeout),
                () if over(entry.idle_deadline(used)) => Some(Reason::IdleTimeout),
                () => None,
            };
            match reason {
                Some(reason) => applied.removed.extend(self.take(now, table, &entry, reason)),
                None => self.put_back(table, &entry),
            }
        }
        self.delete_learned(now, &mut applied);
        applied
    }
}

impl Removed {
    /// Whether a controller is told of it (OpenFlow 1.3 section 5.5).
    pub fn is_told(&self) -> bool {
        self.entry.flags.send_flow_rem
    }
}
