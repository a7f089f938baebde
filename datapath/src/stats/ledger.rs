//! The ledger: places where packets and bytes are counted for a rule, a group, a bucket, a table, a meter.
//!
//! **What.** A [`Credit`] is the number of a place. Places lie in pages that control and all workers share; a page is never
//! freed while anybody can count in it, and a ledger grows by a page at a time without touching the others. To copy a ledger,
//! as every snapshot of a pipeline does, is to copy one reference.
//!
//! **Who.** Workers add, whole flows at a time and not for each packet; control reads. Each sum is exact; packets and bytes
//! of one place are added one after the other, so a reader may see the one without the other. Relaxed order is enough: who
//! needs to know that all of a moment was added waits for [`SharedStats::swept`](super::SharedStats::swept).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Places in a page: 32 kB.
const PAGE: usize = 1024;
/// Numbers of tables: each has two fixed places at the beginning of a ledger.
const TABLES: u32 = 256;

/// A place where packets and bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Credit(u32);

impl Credit {
    /// Frames that no rule of a table took.
    pub const fn missed(table: u8) -> Credit {
        Credit(table as u32)
    }

    /// Frames that rules of a table took which are gone since.
    pub(crate) const fn past(table: u8) -> Credit {
        Credit(TABLES + table as u32)
    }

    /// The first that is not a table's.
    pub(crate) const FIRST: Credit = Credit(2 * TABLES);

    /// The number: places are numbered from 0 on, and the numbers of places that were given back are used again.
    #[inline]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The place with a number.
    #[inline]
    pub(crate) const fn of(number: u32) -> Credit {
        Credit(number)
    }
}

/// What was counted in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Frames.
    pub packets: u64,
    /// Their bytes: of each the Ethernet frame without FCS, as it came in or out of its tunnel.
    pub bytes: u64,
    /// When the last of them came, in milliseconds of the workers' clock. Says nothing while `packets` is zero.
    pub used_ms: u64,
}

#[derive(Debug, Default)]
#[repr(align(32))]
struct Place {
    packets: AtomicU64,
    bytes: AtomicU64,
    used_ms: AtomicU64,
    /// Whose rule it belongs to: a table, or nobody's. Written and read by control alone.
    table: AtomicU32,
}

const _: () = assert!(size_of::<Place>() == 32, "two places are a cache line, none lies in two");

type Page = Box<[Place]>;

/// All places.
#[derive(Clone, Debug)]
pub struct Ledger {
    pages: Arc<Vec<Arc<Page>>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger { pages: Arc::new(vec![page()]) }
    }
}

fn page() -> Arc<Page> {
    Arc::new((0..PAGE).map(|_| Place::default()).collect())
}

impl Ledger {
    /// How many places there are: credits have smaller numbers.
    pub(crate) fn len(&self) -> u32 {
        (self.pages.len() * PAGE) as u32
    }

    /// Adds a page of places.
    pub(crate) fn grow(&mut self) {
        Arc::make_mut(&mut self.pages).push(page());
    }

    /// Whether what is counted in the one can be read in the other.
    pub fn is(&self, other: &Ledger) -> bool {
        Arc::ptr_eq(&self.pages[0], &other.pages[0])
    }

    #[inline]
    fn place(&self, credit: Credit) -> Option<&Place> {
        let at = credit.0 as usize;
        Some(&self.pages.get(at / PAGE)?[at % PAGE])
    }

    /// Counts. A place that the ledger does not have counts nothing.
    #[inline]
    pub fn add(&self, credit: Credit, counted: Counted) {
        if let Some(place) = self.place(credit) {
            place.packets.fetch_add(counted.packets, Relaxed);
            place.bytes.fetch_add(counted.bytes, Relaxed);
            // Most often it is later already.
            if place.used_ms.load(Relaxed) < counted.used_ms {
                place.used_ms.fetch_max(counted.used_ms, Relaxed);
            }
        }
    }

    /// What was counted.
    pub fn read(&self, credit: Credit) -> Counted {
        self.place(credit).map_or_else(Counted::default, |place| Counted {
            packets: place.packets.load(Relaxed),
            bytes: place.bytes.load(Relaxed),
            used_ms: place.used_ms.load(Relaxed),
        })
    }

    /// Says whose rule a place belongs to.
    pub(crate) fn belongs(&self, credit: Credit, table: Option<u8>) {
        if let Some(place) = self.place(credit) {
            place.table.store(table.map_or(TABLES, u32::from), Relaxed);
        }
    }

    /// Makes a place as new; what was counted for a table's rule goes to the table's past. Nobody may count there any more.
    pub(crate) fn reset(&self, credit: Credit) {
        let Some(place) = self.place(credit) else { return };
        let counted = self.read(credit);
        if let Ok(table) = u8::try_from(place.table.load(Relaxed)) {
            self.add(Credit::past(table), counted);
        }
        place.packets.store(0, Relaxed);
        place.bytes.store(0, Relaxed);
        place.used_ms.store(0, Relaxed);
        place.table.store(TABLES, Relaxed);
    }

    /// For each table what its rules took, those that are gone included.
    pub(crate) fn matched(&self) -> Box<[Counted]> {
        let mut matched: Box<[Counted]> = (0..=u8::MAX).map(|table| self.read(Credit::past(table))).collect();
        for place in self.pages.iter().flat_map(|page| page.iter()).skip(Credit::FIRST.0 as usize) {
            let Some(sum) = matched.get_mut(place.table.load(Relaxed) as usize) else { continue };
            sum.packets += place.packets.load(Relaxed);
            sum.bytes += place.bytes.load(Relaxed);
            sum.used_ms = sum.used_ms.max(place.used_ms.load(Relaxed));
        }
        matched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(packets: u64, used_ms: u64) -> Counted {
        Counted { packets, bytes: 100 * packets, used_ms }
    }

    #[test]
    fn what_is_added_to_a_copy_is_read_in_the_original() {
        let mut ledger = Ledger::default();
        let copy = ledger.clone();
        copy.add(Credit::FIRST, counted(2, 7));
        ledger.grow();
        ledger.add(Credit::FIRST, counted(3, 5));
        assert_eq!((ledger.read(Credit::FIRST), copy.read(Credit::FIRST)), (counted(5, 7), counted(5, 7)));
        assert!(ledger.is(&copy) && !ledger.is(&Ledger::default()));
    }

    #[test]
    fn a_place_that_is_not_there_counts_nothing() {
        let mut ledger = Ledger::default();
        let old = ledger.clone();
        let last = Credit(ledger.len());
        ledger.grow();
        old.add(last, counted(1, 1));
        assert_eq!(ledger.read(last), Counted::default());
    }

    #[test]
    fn a_tables_sum_outlives_its_rules() {
        let ledger = Ledger::default();
        let credit = Credit::FIRST;
        ledger.belongs(credit, Some(3));
        ledger.add(credit, counted(2, 7));
        assert_eq!(ledger.matched()[3], counted(2, 7));
        ledger.reset(credit);
        assert_eq!((ledger.matched()[3], ledger.read(credit)), (counted(2, 7), Counted::default()));
        ledger.belongs(credit, None);
        ledger.add(credit, counted(9, 9));
        assert_eq!(ledger.matched().iter().map(|counted| counted.packets).sum::<u64>(), 2);
    }
}
