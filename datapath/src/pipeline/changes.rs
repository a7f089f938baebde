//! What changed between snapshots, so that a cached answer is asked for again only where the change can matter.
//!
//! **What.** A rule that was added or removed in a table that a flow's frames never reached, or whose values differ from the
//! flow's in bits that the flow is known by, changes nothing for it. What is in doubt counts as a change.
//!
//! **How.** Control keeps a log of changes: table and mask by number, values by hash. Each snapshot carries it ([`Changes`]), in
//! pages that all snapshots share. A worker reads what is new in it when it adopts a snapshot, and notes what changed
//! ([`super::recent`]).

use super::rule::{Cells, Match, TableId};
use crate::flow::Seed;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Changes that a snapshot carries, at least. A worker that is further behind takes everything as changed.
pub const KEPT: usize = 8192;
/// Changes in a page: 4 kB.
const PAGE: usize = 256;
/// Most different masks, of all tables together, among the changes since everything changed last.
pub(super) const SHAPES_MAX: usize = 128;

/// Nobody gains from aiming at a hash: the worst is that own packets are translated again.
const SEED: Seed = Seed::new(0x00c4_a69e);

/// The golden ratio in 64 bits: every bit of a factor reaches the middle of the product.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A table, and bits of words that rules in it look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) table: TableId,
    pub(super) cells: Arc<Cells>,
    /// The words that the cells are of, as bits.
    pub(super) words: u64,
}

impl Shape {
    fn new(table: TableId, cells: Arc<Cells>) -> Shape {
        let words = cells.iter().fold(0, |words, (word, _)| words | 1 << word);
        Shape { table, cells, words }
    }
}

/// A rule with this shape and these values came or went, or everything changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) generation: u64,
    /// None: everything.
    pub(super) shape: Option<usize>,
    pub(super) hash: u64,
}

/// In place of a shape: everything.
const EVERYTHING: u8 = u8::MAX;

const _: () = assert!(SHAPES_MAX <= EVERYTHING as usize);

/// A page of the log. Who owns the log writes behind what its snapshots know of, so nobody ever reads what is being written; the
/// words are atomic because both happen in one page.
#[derive(Debug)]
struct Page {
    /// Generation and, in the lowest byte, shape; hash.
    changes: Box<[[AtomicU64; 2]]>,
}

impl Page {
    fn new() -> Arc<Page> {
        Arc::new(Page { changes: (0..PAGE).map(|_| Default::default()).collect() })
    }

    fn write(&self, at: usize, change: Change) {
        let shape = change.shape.map_or(EVERYTHING, |shape| shape as u8);
        self.changes[at][0].store(change.generation << 8 | u64::from(shape), Relaxed);
        self.changes[at][1].store(change.hash, Relaxed);
    }

    #[inline]
    fn read(&self, at: usize) -> Change {
        let [head, hash] = &self.changes[at];
        let (head, hash) = (head.load(Relaxed), hash.load(Relaxed));
        let shape = (head as u8 != EVERYTHING).then_some(usize::from(head as u8));
        Change { generation: head >> 8, shape, hash }
    }
}

/// The changes that led to a snapshot: a log, of which the snapshot sees what was written before it was taken.
#[derive(Debug, Default)]
pub struct Changes {
    pub(super) generation: u64,
    shapes: Arc<Vec<Shape>>,
    /// Pages of the log, the oldest first, and how many changes are in each.
    pages: Arc<Vec<(Arc<Page>, usize)>>,
    /// The page that is written to and how many changes are in it.
    last: Option<(Arc<Page>, usize)>,
    /// Whether it may be written to. The owner of a copy begins a page of its own.
    owned: bool,
    /// Changes of generations up to this one may be missing.
    since: u64,
    /// The generation in which everything changed last.
    everything: u64,
}

impl Clone for Changes {
    fn clone(&self) -> Self {
        let Changes { generation, shapes, pages, last, since, everything, .. } = self;
        Changes {
            generation: *generation,
            shapes: shapes.clone(),
            pages: pages.clone(),
            last: last.clone(),
            owned: false,
            since: *since,
            everything: *everything,
        }
    }
}

impl Changes {
    /// Which snapshot this is.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn rule(&mut self, table: TableId, matching: &Match) {
        if self.everything > self.generation {
            return;
        }
        let cells = matching.cells();
        let known = self.shapes.iter().position(|shape| shape.table == table && shape.cells == *cells);
        if known.is_none() && self.shapes.len() == SHAPES_MAX {
            return self.everything();
        }
        let shape = known.unwrap_or_else(|| {
            Arc::make_mut(&mut self.shapes).push(Shape::new(table, cells.clone()));
            self.shapes.len() - 1
        });
        self.write(Some(shape), hash(shape, matching.values()));
    }

    pub(super) fn everything(&mut self) {
        if self.everything <= self.generation {
            self.everything = self.generation + 1;
            self.write(None, 0);
        }
        // Nobody asks for what was before any more, so numbers may begin anew.
        self.shapes = Arc::default();
    }

    /// Of the generation to come.
    fn write(&mut self, shape: Option<usize>, hash: u64) {
        let room = self.owned && self.last.as_ref().is_some_and(|(_, len)| *len < PAGE);
        if !room {
            self.turn_page();
        }
        let change = Change { generation: self.generation + 1, shape, hash };
        if let Some((page, len)) = &mut self.last {
            page.write(*len, change);
            *len += 1;
        }
    }

    fn turn_page(&mut self) {
        if let Some(full) = self.last.replace((Page::new(), 0)) {
            let pages = Arc::make_mut(&mut self.pages);
            pages.push(full);
            if pages.len() > KEPT / PAGE {
                let (gone, len) = pages.remove(0);
                self.since = len.checked_sub(1).map_or(self.since, |last| gone.read(last).generation);
            }
        }
        self.owned = true;
    }

    /// Ends the open step: the next generation.
    pub(super) fn close(&mut self) {
        self.generation += 1;
    }

    /// The tables and masks of the changes since everything changed last, by their numbers.
    #[inline]
    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Changes of generations up to this one may be missing in [`Changes::latest`].
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    /// The changes that led here, the last one first.
    pub(super) fn latest(&self) -> impl Iterator<Item = Change> + Clone {
        let pages = self.last.iter().chain(self.pages.iter().rev());
        pages.flat_map(|(page, len)| (0..*len).rev().map(|at| page.read(at)))
    }
}

/// The words are mixed each on its own, so that they need not wait for each other.
#[inline]
pub(super) fn mix(value: u64, at: usize) -> u64 {
    let product = u128::from(value ^ SPREAD.wrapping_mul(at as u64 + 1)) * u128::from(SPREAD);
    product as u64 ^ (product >> 64) as u64
}

/// The hash of a rule's values: the mixed words, put together by exclusive or, and the shape.
#[inline]
pub(super) fn finish(mixed: u64, shape: usize) -> u64 {
    SEED.pair(mixed, shape as u64)
}

fn hash(shape: usize, values: &[u64]) -> u64 {
    finish(values.iter().enumerate().fold(0, |all, (at, value)| all ^ mix(*value, at)), shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;

    fn port(port: usize) -> Match {
        Match::any().exact(Field::InPort, port as u128)
    }

    fn hashes(changes: &Changes) -> Vec<u64> {
        changes.latest().map(|change| change.hash).collect()
    }

    #[test]
    fn a_snapshot_sees_what_led_to_it_and_no_more() {
        let mut changes = Changes::default();
        for n in 0..3 * PAGE {
            changes.rule(TableId(0), &port(n));
            changes.close();
            let snapshot = changes.clone();
            changes.rule(TableId(0), &port(n + 1_000_000));
            assert_eq!(snapshot.latest().next().map(|change| change.generation), Some(n as u64 + 1));
            assert_eq!(snapshot.latest().count(), 2 * n + 1);
        }
    }

    #[test]
    fn two_who_go_on_from_one_snapshot_do_not_meet() {
        let mut one = Changes::default();
        one.rule(TableId(0), &port(1));
        one.close();
        let mut other = one.clone();
        (2..1000).for_each(|n| one.rule(TableId(0), &port(n)));
        (2000..2010).for_each(|n| other.rule(TableId(0), &port(n)));
        let wanted = (2000..2010).rev().chain([1]).map(|n| hash(0, port(n).values()));
        assert_eq!(hashes(&other), wanted.collect::<Vec<_>>());
        assert_eq!(one.latest().count(), 999);
    }

    #[test]
    fn the_log_is_bounded_and_says_from_where_on_it_is_whole() {
        let mut changes = Changes::default();
        for generation in 1..=40_000 {
            changes.rule(TableId(0), &port(7));
            changes.close();
            let (count, since) = (changes.latest().count(), changes.since());
            assert!(
                (KEPT.min(generation)..=KEPT + PAGE).contains(&count)
                    && count as u64 + since == generation as u64
            );
        }
    }

    #[test]
    fn everything_is_one_change() {
        let mut changes = Changes::default();
        changes.rule(TableId(0), &port(1));
        changes.everything();
        changes.everything();
        changes.rule(TableId(0), &port(2));
        let shapes: Vec<_> = changes.latest().map(|change| change.shape).collect();
        assert_eq!((shapes, changes.shapes().len()), (vec![None, Some(0)], 0));
    }
}
