//! What changed between snapshots, so that a cached answer is asked for again only where the change can matter.
//!
//! **What.** A rule that was added or removed in a table that a flow's frames never reached, or whose values differ from the
//! flow's in bits that the flow is known by, changes nothing for it. What is in doubt counts as a change.
//!
//! **How.** Each snapshot carries a chain of its last changes ([`Changes`]): table and mask by number, values by hash. A
//! worker follows the chain when it adopts a snapshot, and notes what changed ([`super::recent`]).

use super::rule::{Match, TableId};
use crate::flow::Seed;
use std::sync::Arc;

/// Changes that a snapshot carries, at least. A worker that is further behind takes everything as changed.
pub const KEPT: usize = 8192;
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
    pub(super) cells: Box<[(u8, u64)]>,
    /// The words that the cells are of, as bits.
    pub(super) words: u64,
}

impl Shape {
    fn new(table: TableId, cells: Box<[(u8, u64)]>) -> Shape {
        let words = cells.iter().fold(0, |words, (word, _)| words | 1 << word);
        Shape { table, cells, words }
    }
}

/// A rule with this shape and these values came or went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) shape: usize,
    pub(super) hash: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) everything: bool,
    pub(super) rules: Vec<Change>,
}

/// The step that led to a generation, and those before.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) generation: u64,
    pub(super) step: Step,
    before: Option<Arc<Link>>,
}

impl Drop for Link {
    /// One after the other: a long chain must not go down the stack.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.before.take();
        }
    }
}

/// The changes that led to a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub(super) generation: u64,
    shapes: Arc<Vec<Shape>>,
    /// The last steps, and the older ones: a chain that is long enough takes the place of the older one.
    last: Option<Arc<Link>>,
    older: Option<Arc<Link>>,
    /// Steps and changes in `last`.
    len: usize,
    /// Since the last snapshot.
    open: Step,
}

impl Changes {
    /// Which snapshot this is.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn rule(&mut self, table: TableId, matching: &Match) {
        if self.open.everything {
            return;
        }
        let cells = matching.shape();
        let known = self.shapes.iter().position(|shape| shape.table == table && shape.cells == cells);
        let full = known.is_none() && self.shapes.len() == SHAPES_MAX;
        if full || self.open.rules.len() == KEPT {
            return self.everything();
        }
        let shape = known.unwrap_or_else(|| {
            Arc::make_mut(&mut self.shapes).push(Shape::new(table, cells));
            self.shapes.len() - 1
        });
        self.open.rules.push(Change { shape, hash: hash(shape, &matching.values()) });
    }

    pub(super) fn everything(&mut self) {
        self.open = Step { everything: true, rules: Vec::new() };
        // Nobody asks for what was before any more, so numbers may begin anew.
        self.shapes = Arc::default();
    }

    /// Ends the open step: the next generation.
    pub(super) fn close(&mut self) {
        self.generation += 1;
        if self.len >= KEPT {
            (self.older, self.len) = (self.last.take(), 0);
        }
        let step = std::mem::take(&mut self.open);
        self.len += 1 + step.rules.len();
        let before = self.last.take();
        self.last = Some(Arc::new(Link { generation: self.generation, step, before }));
    }

    /// The tables and masks of the changes since everything changed last, by their numbers.
    #[inline]
    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The steps that led here, the newest first.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Link> {
        fn chain(newest: Option<&Arc<Link>>) -> impl Iterator<Item = &Link> {
            std::iter::successors(newest.map(|link| &**link), |link| link.before.as_deref())
        }
        chain(self.last.as_ref()).chain(chain(self.older.as_ref()))
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

    #[test]
    fn a_chain_goes_without_going_down_the_stack() {
        let mut changes = Changes::default();
        for _ in 0..200_000 {
            changes.len = 0;
            changes.close();
        }
        drop(changes);
    }
}
