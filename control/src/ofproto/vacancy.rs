//! Tables that tell when room becomes scarce in them, and when there is enough again (OpenFlow 1.4.1 sections 6.5 and 7.3.4.1; what Open vSwitch makes of it:
//! `ofproto/ofproto.c`, `send_table_status`).

use super::Ofproto;
use super::error::{Error, FlowModFailed};
use datapath::pipeline::{TABLES, TableId};

/// When a table tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vacancy {
    /// Less room than this, in percent of the table.
    pub down: u8,
    /// More room than this; not less than `down`.
    pub up: u8,
}

/// What a table tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VacancyEvent {
    /// Room is scarce.
    Down,
    /// There is enough again.
    Up,
}

impl VacancyEvent {
    /// `OFPTR_VACANCY_DOWN` or `OFPTR_VACANCY_UP`.
    pub fn number(self) -> u8 {
        match self {
            VacancyEvent::Down => 3,
            VacancyEvent::Up => 4,
        }
    }
}

/// What is noted of a table that tells: after the one event the other is told, never the same twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    at: Vacancy,
    next: VacancyEvent,
}

impl Ofproto {
    /// How much room there is in a table, in percent: 0 when it is full.
    pub fn vacancy(&self, table: TableId) -> u8 {
        let max = self.table_config(table).max_entries;
        let there = self.pipeline.table(table).map_or(0, |rules| rules.len());
        let free = max.saturating_sub(there) as u128 * 100;
        u8::try_from(free.checked_div(max as u128).unwrap_or(0)).unwrap_or(100)
    }

    /// When a table tells, if it does.
    pub fn vacancy_told(&self, table: TableId) -> Option<Vacancy> {
        self.vacancies.get(&table).map(|watched| watched.at)
    }

    /// Says of a table, or of all, when it tells; None: never.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn set_vacancy(&mut self, table: Option<TableId>, told: Option<Vacancy>) -> Result<(), Error> {
        let tables = match table {
            Some(TableId(table)) if usize::from(table) >= TABLES => {
                return Err(FlowModFailed::BadTableId.into());
            }
            Some(TableId(table)) => table..=table,
            None => 0..=TABLES as u8 - 1,
        };
        for table in tables.map(TableId) {
            let Some(at) = told else {
                self.vacancies.remove_mut(&table);
                continue;
            };
            // What was told last holds on under other limits.
            let begins = if self.vacancy(table) < at.up { VacancyEvent::Up } else { VacancyEvent::Down };
            let next = self.vacancies.get(&table).map_or(begins, |watched| watched.next);
            self.vacancies.insert_mut(table, Watched { at, next });
        }
        Ok(())
    }

    /// What there is to tell, each once.
    pub fn vacancy_events(&mut self) -> Vec<(TableId, VacancyEvent)> {
        let told = |(table, watched): (&TableId, &Watched)| {
            let vacancy = self.vacancy(*table);
            let event = match watched.at {
                Vacancy { down, .. } if vacancy < down => VacancyEvent::Down,
                Vacancy { up, .. } if vacancy > up => VacancyEvent::Up,
                _ => return None,
            };
            (event == watched.next).then_some((*table, event))
        };
        let events: Vec<_> = self.vacancies.iter().filter_map(told).collect();
        for (table, event) in &events {
            let next = match event {
                VacancyEvent::Down => VacancyEvent::Up,
                VacancyEvent::Up => VacancyEvent::Down,
            };
            if let Some(watched) = self.vacancies.get(table).copied() {
                self.vacancies.insert_mut(*table, Watched { next, ..watched });
            }
        }
        events
    }
}
