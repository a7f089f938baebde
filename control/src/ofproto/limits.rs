//! How many entries a table takes, and which of them give way (OpenFlow 1.4 sections 6.4 and 7.3.4.1).

use super::entry::{Reason, Removed};
use super::error::{Error, FlowModFailed};
use super::filter::Filter;
use super::{Flows, Ofproto};
use datapath::pipeline::{TABLES, TableId};

/// Entries that a table takes unless told otherwise.
pub const ENTRIES_MAX: usize = 1 << 20;

/// What is configured for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// How many entries it takes.
    pub max_entries: usize,
    /// When it is full: whether entries of less or equal importance give way, the least important and then the oldest first.
    pub eviction: bool,
}

impl Default for TableConfig {
    fn default() -> TableConfig {
        TableConfig { max_entries: ENTRIES_MAX, eviction: false }
    }
}

impl Ofproto {
    /// What is configured for a table.
    pub fn table_config(&self, table: TableId) -> TableConfig {
        self.tables.get(usize::from(table.0)).map_or_else(TableConfig::default, |flows| flows.config)
    }

    /// Configures a table. Entries above a lower limit stay.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn set_table_config(&mut self, table: TableId, config: TableConfig) -> Result<(), Error> {
        if usize::from(table.0) >= TABLES {
            return Err(FlowModFailed::BadTableId.into());
        }
        let all = Filter { table: Some(table), ..Filter::default() };
        let by_importance = match config.eviction {
            true => self.entries(all).map(|(_, entry)| (Flows::rank(&entry), entry.installed)).collect(),
            false => rpds::RedBlackTreeMapSync::default(),
        };
        let flows = self.table_mut(table);
        (flows.config, flows.by_importance) = (config, by_importance);
        Ok(())
    }

    /// Says of a table, or of all, whether entries give way in it.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn set_eviction(&mut self, table: Option<TableId>, eviction: bool) -> Result<(), Error> {
        let tables = match table {
            Some(TableId(table)) => table..=table,
            None => 0..=TABLES as u8 - 1,
        };
        for table in tables.map(TableId) {
            let config = self.table_config(table);
            if config.eviction != eviction {
                self.set_table_config(table, TableConfig { eviction, ..config })?;
            }
        }
        Ok(())
    }

    /// Makes room for one more entry of this importance; returns what gave way.
    pub(super) fn make_room(
        &mut self,
        now: u64,
        table: TableId,
        importance: u16,
    ) -> Result<Option<Removed>, Error> {
        let there = self.pipeline.table(table).map_or(0, |rules| rules.len());
        let flows = self.table_mut(table);
        if there < flows.config.max_entries {
            return Ok(None);
        }
        let least = flows.by_importance.first().map(|(_, installed)| installed.clone());
        let least = least.map(|installed| self.entry_of(&installed));
        match least.filter(|entry| entry.importance <= importance) {
            Some(entry) => Ok(self.take(now, table, &entry, Reason::Eviction)),
            None => Err(FlowModFailed::TableFull(table).into()),
        }
    }
}
