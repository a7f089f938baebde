//! Lists of credits that are too long for a flow's own line.
//!
//! A list is a chain of nodes, three credits each, out of one arena of fixed size. Untouched nodes cost no memory.

use crate::stats::Credit;

/// The longest list that there may be.
pub const CREDITS_MAX: usize = 4096 + 512 + 1;

/// Credits in a node.
const EACH: usize = 3;
/// The nodes of the longest list.
const NODES_MIN: usize = CREDITS_MAX.div_ceil(EACH);
/// Nodes for each flow: with them, its place in the index and one in the exact cache a flow has 188 bytes.
const NODES: usize = 2;
/// No credit has this number, and no node.
const NONE: u32 = u32::MAX;

/// Three credits and the next node. Plain numbers, so that the arena comes zeroed from the system, untouched.
type Node = [u32; EACH + 1];

const _: () = assert!(NODES * size_of::<Node>() == 32);

#[derive(Debug)]
pub(super) struct Lists {
    nodes: Box<[Node]>,
    /// Nodes from here on were never used.
    fresh: u32,
    /// The first of those that were given back.
    free: u32,
    left: usize,
}

impl Lists {
    pub(super) fn new(flows: usize) -> Lists {
        let nodes = (NODES * flows).max(NODES_MIN);
        Lists { nodes: vec![[0; EACH + 1]; nodes].into_boxed_slice(), fresh: 0, free: NONE, left: nodes }
    }

    /// Whether there is room for a list of so many.
    #[inline]
    pub(super) fn fits(&self, credits: usize) -> bool {
        credits.div_ceil(EACH) <= self.left
    }

    /// Keeps a list, for which there is room. Returns its name.
    pub(super) fn insert(&mut self, credits: &[Credit]) -> u32 {
        let mut head = NONE;
        for some in credits.chunks(EACH) {
            let node = self.take();
            let mut content = [NONE; EACH + 1];
            content.iter_mut().zip(some).for_each(|(to, credit)| *to = credit.number());
            content[EACH] = head;
            self.nodes[node as usize] = content;
            head = node;
        }
        head
    }

    fn take(&mut self) -> u32 {
        self.left -= 1;
        if self.free == NONE {
            self.fresh += 1;
            return self.fresh - 1;
        }
        let node = self.free;
        self.free = self.nodes[node as usize][EACH];
        node
    }

    /// The credits of a list, in no order.
    pub(super) fn each(&self, head: u32) -> impl Iterator<Item = Credit> {
        let nodes =
            std::iter::successors(self.nodes.get(head as usize), |node| self.nodes.get(node[EACH] as usize));
        nodes
            .flat_map(|node| &node[..EACH])
            .filter(|number| **number != NONE)
            .map(|number| Credit::of(*number))
    }

    /// Forgets a list.
    pub(super) fn remove(&mut self, head: u32) {
        let mut next = head;
        while next != NONE {
            let node = next;
            next = std::mem::replace(&mut self.nodes[node as usize][EACH], self.free);
            self.free = node;
            self.left += 1;
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        (self.fresh, self.free, self.left) = (0, NONE, self.nodes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(numbers: std::ops::Range<u32>) -> Vec<Credit> {
        numbers.map(Credit::of).collect()
    }

    fn kept(lists: &Lists, head: u32) -> Vec<Credit> {
        let mut kept: Vec<_> = lists.each(head).collect();
        kept.sort();
        kept
    }

    #[test]
    fn lists_are_kept_whole_and_nodes_used_again() {
        let mut lists = Lists::new(64);
        for _ in 0..1000 {
            let heads: Vec<_> = (0..10).map(|n| lists.insert(&credits(0..n))).collect();
            for (n, head) in (0..).zip(&heads) {
                assert_eq!(kept(&lists, *head), credits(0..n));
            }
            heads.into_iter().for_each(|head| lists.remove(head));
        }
        assert_eq!(lists.left, lists.nodes.len());
    }

    #[test]
    fn the_longest_list_fits_the_smallest_arena() {
        let mut lists = Lists::new(1);
        assert!(lists.fits(CREDITS_MAX));
        let head = lists.insert(&credits(0..CREDITS_MAX as u32));
        assert_eq!(kept(&lists, head).len(), CREDITS_MAX);
        assert!(!lists.fits(CREDITS_MAX));
        lists.clear();
        assert!(lists.fits(CREDITS_MAX));
    }
}
