//! Adding up what is to be counted in the ledger, so that what many flows count in one place is written there once. To write into the
//! ledger costs some twenty nanoseconds, since others write there too.

use super::{Counted, Credit, Ledger};

/// Places that are added up at a time.
const PLACES: usize = 8;

/// Sums that are not written yet. They are when it goes.
#[derive(Debug)]
pub struct Tally<'l> {
    ledger: &'l Ledger,
    sums: [(Credit, Counted); PLACES],
}

impl<'l> Tally<'l> {
    /// Nothing so far.
    pub fn new(ledger: &'l Ledger) -> Tally<'l> {
        Tally { ledger, sums: [(Credit::FIRST, Counted::default()); PLACES] }
    }

    /// Counts.
    #[inline]
    pub fn add(&mut self, credit: Credit, counted: Counted) {
        let (other, sum) = &mut self.sums[credit.number() as usize % PLACES];
        if *other != credit {
            write(self.ledger, *other, *sum);
            (*other, *sum) = (credit, Counted::default());
        }
        sum.packets += counted.packets;
        sum.bytes += counted.bytes;
        sum.used_ms = sum.used_ms.max(counted.used_ms);
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.sums.iter().for_each(|(credit, sum)| write(self.ledger, *credit, *sum));
    }
}

fn write(ledger: &Ledger, credit: Credit, sum: Counted) {
    if sum != Counted::default() {
        ledger.add(credit, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_up_is_in_the_ledger_in_the_end() {
        let ledger = Ledger::default();
        let credits: Vec<Credit> =
            (0..3 * PLACES as u32).map(|n| Credit::of(Credit::FIRST.number() + n)).collect();
        let mut tally = Tally::new(&ledger);
        for n in 0..1000 {
            let credit = credits[n * 7 % credits.len()];
            tally.add(credit, Counted { packets: 1, bytes: 60, used_ms: n as u64 });
        }
        drop(tally);
        let counted: Vec<Counted> = credits.iter().map(|credit| ledger.read(*credit)).collect();
        assert_eq!(counted.iter().map(|counted| counted.packets).sum::<u64>(), 1000);
        assert!(counted.iter().all(|counted| counted.bytes == 60 * counted.packets));
        assert_eq!(counted.iter().map(|counted| counted.used_ms).max(), Some(999));
    }
}
