//! The index: from the hash of a masked key to the flows that have it.
//!
//! A line holds eight flows, with 15 bits of the hash of each, so to ask is to touch one cache line, which can be asked for ahead
//! ([`Index::prefetch`]). Where a line is full, what comes goes into the next one that is not; the full ones count what went past them, so whoever
//! looks for a flow knows where to stop, and nothing has to be put in order when one goes.

use crate::mem::prefetch;

/// Flows in a line.
const WAYS: usize = 8;
/// Flows for each line at the most: then one line in twenty is full, and what comes goes past one in fifty.
const LOAD: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line {
    /// Of the hashes; zero where there is no flow.
    tags: [u16; WAYS],
    flows: [u32; WAYS],
    /// How many flows are in later lines because this one was full.
    passed: u32,
}

const _: () = assert!(size_of::<Line>() == 64, "a question touches one cache line");

impl Line {
    /// Which of its places have this tag, as bits.
    #[inline(always)]
    fn with(&self, tag: u16) -> u32 {
        (0..WAYS).fold(0, |ways, way| ways | u32::from(self.tags[way] == tag) << way)
    }
}

/// Flows by hash. There is room for as many as were told at first, and some.
#[derive(Debug)]
pub(super) struct Index {
    lines: Box<[Line]>,
}

#[inline]
fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16 | 1
}

impl Index {
    pub(super) fn new(flows: usize) -> Index {
        let lines = flows.div_ceil(LOAD).next_power_of_two();
        Index { lines: vec![Line::default(); lines].into_boxed_slice() }
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.lines.len() - 1)
    }

    #[inline]
    fn after(&self, line: usize) -> usize {
        (line + 1) & (self.lines.len() - 1)
    }

    /// Brings near what [`Index::find`] looks at.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch(&self.lines[self.home(hash)]);
    }

    /// The first flow with this hash that is `wanted`.
    #[inline]
    pub(super) fn find(&self, hash: u64, wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        let (line, way) = self.place(hash, wanted)?;
        Some(self.lines[line].flows[way])
    }

    /// Its line, and which place there.
    #[inline]
    fn place(&self, hash: u64, mut wanted: impl FnMut(u32) -> bool) -> Option<(usize, usize)> {
        let (mut at, tag) = (self.home(hash), tag(hash));
        // No flow is further away than there are lines.
        for _ in 0..self.lines.len() {
            let line = &self.lines[at];
            let mut ways = line.with(tag);
            while ways != 0 {
                let way = ways.trailing_zeros() as usize;
                if wanted(line.flows[way]) {
                    return Some((at, way));
                }
                ways &= ways - 1;
            }
            if line.passed == 0 {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// Puts a flow in, which is not there.
    pub(super) fn insert(&mut self, hash: u64, flow: u32) {
        let mut at = self.home(hash);
        for _ in 0..self.lines.len() {
            let line = &mut self.lines[at];
            let free = line.with(0);
            if free != 0 {
                let way = free.trailing_zeros() as usize;
                (line.tags[way], line.flows[way]) = (tag(hash), flow);
                return;
            }
            line.passed += 1;
            at = self.after(at);
        }
        debug_assert!(false, "there is room for all flows");
    }

    /// Takes a flow out.
    pub(super) fn remove(&mut self, hash: u64, flow: u32) {
        let Some((there, way)) = self.place(hash, |have| have == flow) else { return };
        self.lines[there].tags[way] = 0;
        let mut at = self.home(hash);
        while at != there {
            self.lines[at].passed -= 1;
            at = self.after(at);
        }
    }

    /// Takes all out.
    pub(super) fn clear(&mut self) {
        self.lines.fill(Line::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const FLOWS: u32 = 64;

    /// Hashes of which many begin in one line, and some are the same: as a map from flows to hashes has it.
    fn hash(flow: u32, turn: u32) -> u64 {
        let n = u64::from(flow.wrapping_mul(0x9e37_79b9) ^ turn);
        (n % 3) | ((n % 5) << 48)
    }

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out_however_full_the_lines() {
        let (mut index, mut there) = (Index::new(FLOWS as usize), HashMap::new());
        for turn in 0..20_000u32 {
            let flow = (turn.wrapping_mul(0x85eb_ca6b) >> 16) & (FLOWS - 1);
            match there.remove(&flow) {
                Some(hash) => index.remove(hash, flow),
                None => {
                    there.insert(flow, hash(flow, turn));
                    index.insert(hash(flow, turn), flow);
                }
            }
            if turn % 64 == 0 {
                for flow in 0..FLOWS {
                    let found = |hash: u64| index.find(hash, |have| have == flow).is_some();
                    let hashes = (0..3).flat_map(|home| (0..5).map(move |tag| home | (tag << 48)));
                    assert!(hashes.filter(|hash| found(*hash)).all(|hash| tag(hash) == tag(there[&flow])));
                    assert!(there.get(&flow).is_none_or(|hash| found(*hash)));
                }
            }
        }
        there.drain().for_each(|(flow, hash)| index.remove(hash, flow));
        assert!(index.lines.iter().all(|line| line.tags == [0; WAYS] && line.passed == 0));
    }

    #[test]
    fn it_is_empty_when_it_was_cleared() {
        let mut index = Index::new(FLOWS as usize);
        (0..FLOWS).for_each(|flow| index.insert(0, flow));
        assert_eq!(index.find(0, |have| have == FLOWS - 1), Some(FLOWS - 1));
        index.clear();
        assert_eq!(index.find(0, |_| true), None);
    }
}
