//! What entries have counted.

use super::Ofproto;
use super::entry::Entry;

/// What was counted in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the last came, in milliseconds of the workers' clock.
    pub used_ms: u64,
}

impl Ofproto {
    /// What an entry has counted.
    pub fn counted(&self, _entry: &Entry) -> Counted {
        Counted::default()
    }

    /// Lets an entry count from zero.
    pub(super) fn reset(&mut self, _entry: &Entry) {}
}
