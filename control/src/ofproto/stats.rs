//! What entries, groups and tables have counted. Exact to the packet once the workers have swept.

use super::Ofproto;
use super::entry::Entry;
use datapath::pipeline::{GroupId, TableCounted, TableId};
use datapath::stats::Counted;

/// What there is in a table, and what came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// The table.
    pub table: TableId,
    /// Entries in it.
    pub active: usize,
    /// Frames that were looked up in it.
    pub looked_up: u64,
    /// Frames that an entry took, also one that is gone since.
    pub matched: u64,
}

impl Ofproto {
    /// What an entry has counted.
    pub fn counted(&self, entry: &Entry) -> Counted {
        self.pipeline.counted(entry.installed.credit())
    }

    /// For how many milliseconds no frame has come that an entry took.
    pub fn idle_ms(&self, entry: &Entry, now: u64) -> u64 {
        now.saturating_sub(self.used(entry).max(entry.created))
    }

    /// When the last frame came that an entry took, in milliseconds of the workers' clock; 0 if none did.
    pub(super) fn used(&self, entry: &Entry) -> u64 {
        let Counted { packets, used_ms, .. } = self.counted(entry);
        if packets > 0 { used_ms } else { 0 }
    }

    /// What a group has counted, and each of its buckets.
    pub fn group_counted(&self, id: GroupId) -> Option<(Counted, Vec<Counted>)> {
        let group = self.pipeline.installed_group(id)?;
        let buckets = group.buckets.iter().map(|credit| self.pipeline.counted(*credit)).collect();
        Some((self.pipeline.counted(group.credit), buckets))
    }

    /// Every table that has had an entry, or a frame.
    pub fn table_stats(&self) -> Vec<TableStats> {
        let counted = self.pipeline.tables_counted();
        let stats = |(table, counted): (u8, &TableCounted)| TableStats {
            table: TableId(table),
            active: self.pipeline.table(TableId(table)).map_or(0, |rules| rules.len()),
            looked_up: counted.looked_up(),
            matched: counted.matched,
        };
        let all = (0..=u8::MAX).zip(&counted).map(stats);
        all.filter(|stats| stats.active > 0 || stats.looked_up > 0).collect()
    }
}
