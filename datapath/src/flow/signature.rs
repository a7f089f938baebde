//! The exact cache: from what some megaflow looks at in a key ([`Scope`](super::Scope)) to the key's megaflow, by a signature of 32 bits.
//!
//! A line holds eight signatures and the flows that they mean: one cache line for each lookup, eight bytes for each
//! remembered key. A signature is only a hint: whoever asks compares the key with the megaflow itself
//! ([`Megaflows::known`](super::Megaflows::known)), so a false one costs time and nothing else, and one that means a flow
//! which is gone does no harm.
//!
//! A key whose line is full takes another's place once in sixteen times, or where it meets one whose flow is gone. So when more keys
//! come round than there are places, most of those that are there stay, and are found; with every one let in, each would push out one
//! that comes sooner than itself. A key that comes often is let in soon; and whoever sends nothing but new keys pushes out a sixteenth
//! of what he could. (Open vSwitch lets one in a hundred in: `lib/dpif-netdev.c`, `DEFAULT_EM_FLOW_INSERT_INV_PROB`.)

use super::megaflow::FlowId;
use super::scope::KeyHash;
use crate::mem::prefetch;

const WAYS: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line {
    signatures: [u32; WAYS],
    flows: [u32; WAYS],
}

const _: () = assert!(size_of::<Line>() == 64, "a lookup touches one cache line");

/// The cache.
#[derive(Debug)]
pub struct SignatureCache {
    lines: Box<[Line]>,
    /// What chance says next. Hashes that nobody knows are in it, so nobody knows it.
    drawn: u64,
}

impl SignatureCache {
    /// A cache for so many keys (rounded up to a power of two).
    pub fn new(keys: usize) -> SignatureCache {
        let lines = keys.clamp(WAYS, 1 << 26).next_power_of_two() / WAYS;
        SignatureCache { lines: vec![Line::default(); lines].into_boxed_slice(), drawn: 0 }
    }

    /// The lines, to be asked for one key after another.
    #[inline]
    pub fn lines(&self) -> Lines<'_> {
        Lines(&self.lines)
    }

    /// The flow that this key had, if it was remembered and not displaced.
    #[inline]
    pub fn find(&self, hash: KeyHash) -> Option<FlowId> {
        self.lines().find(hash)
    }

    /// Remembers the flow of a key; if its line is full, only now and then, in the place of another. Chance says when and of whom, but
    /// one whose flow is `gone` goes for anybody.
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, flow: FlowId, gone: impl Fn(FlowId) -> bool) {
        let at = self.lines().of(hash);
        let line = &mut self.lines[at];
        let same = line.signatures.iter().position(|signature| *signature == hash.signature());
        let empty = || line.signatures.iter().position(|signature| *signature == 0);
        let way = match same.or_else(empty) {
            Some(way) => way,
            None => match draw(&mut self.drawn, hash) {
                (way, true) => way,
                (way, false) if gone(FlowId(line.flows[way])) => way,
                _ => return,
            },
        };
        line.signatures[way] = hash.signature();
        line.flows[way] = flow.0;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lines.fill(Line::default());
    }
}

/// The lines of a cache.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a>(&'a [Line]);

impl Lines<'_> {
    #[inline(always)]
    fn of(self, hash: KeyHash) -> usize {
        hash.0 as usize & (self.0.len() - 1)
    }

    /// Brings near what [`Lines::find`] looks at.
    #[inline(always)]
    pub fn prefetch(self, hash: KeyHash) {
        prefetch(&self.0[self.of(hash)]);
    }

    /// The flow that this key had, if it was remembered and not displaced.
    #[inline(always)]
    pub fn find(self, hash: KeyHash) -> Option<FlowId> {
        let line = &self.0[self.of(hash)];
        let way = line.signatures.iter().position(|signature| *signature == hash.signature())?;
        Some(FlowId(line.flows[way]))
    }
}

/// A way of a full line, and whether it is given to a key whoever has it.
#[inline]
fn draw(drawn: &mut u64, hash: KeyHash) -> (usize, bool) {
    // The multiplier of Knuth's MMIX; the upper bits of what comes out are the good ones.
    *drawn = (*drawn ^ hash.0).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    ((*drawn >> 57) as usize % WAYS, *drawn >> 60 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Seed;

    fn hash(whole: u64) -> KeyHash {
        KeyHash(whole)
    }

    fn nobody(_: FlowId) -> bool {
        false
    }

    #[test]
    fn those_whose_flows_are_gone_make_room() {
        let mut cache = SignatureCache::new(64);
        (1..=8).for_each(|n| cache.insert(hash(n << 32), FlowId(1), nobody));
        for newcomer in 100..200 {
            cache.insert(hash(newcomer << 32), FlowId(2), |_| true);
            assert_eq!(cache.find(hash(newcomer << 32)), Some(FlowId(2)));
        }
    }

    #[test]
    fn what_was_remembered_is_found() {
        let mut cache = SignatureCache::new(64);
        let (a, b) = (hash(0x1111_0000_0000_0001), hash(0x2222_0000_0000_0001));
        cache.insert(a, FlowId(1), nobody);
        cache.insert(b, FlowId(2), nobody);
        cache.insert(a, FlowId(3), nobody);
        assert_eq!((cache.find(a), cache.find(b)), (Some(FlowId(3)), Some(FlowId(2))));
        cache.clear();
        assert_eq!(cache.find(a), None);
    }

    /// Looks a key up, and remembers it if it is not known.
    fn ask(cache: &mut SignatureCache, n: u32) -> bool {
        let hash = KeyHash(Seed::new(1).pair(n.into(), 0));
        let known = cache.find(hash) == Some(FlowId(n));
        if !known {
            cache.insert(hash, FlowId(n), nobody);
        }
        known
    }

    #[test]
    fn a_full_line_takes_a_new_key_that_comes_often() {
        let mut cache = SignatureCache::new(WAYS);
        (0..WAYS as u32).for_each(|n| assert!(!ask(&mut cache, n)));
        for n in 100..200 {
            assert!((0..1000).any(|_| ask(&mut cache, n)), "key {n}");
        }
    }

    #[test]
    fn more_keys_than_places_going_round_leave_most_where_they_are() {
        let mut cache = SignatureCache::new(1 << 10);
        let round = |cache: &mut SignatureCache| (0..1600).filter(|n| ask(cache, *n)).count();
        for _ in 0..20 {
            round(&mut cache);
        }
        // Of 1,600 keys 1,024 have places. With each let in it would be every eighth that is found.
        let found = round(&mut cache);
        assert!(found > 1600 / 3, "{found} of 1600");
    }

    #[test]
    fn strangers_do_not_push_out_those_who_come_again() {
        let mut cache = SignatureCache::new(1 << 10);
        let (mut asked, mut found) = (0, 0);
        for n in 0..100_000 {
            ask(&mut cache, 1000 + n);
            if n % 20 == 0 {
                asked += 1;
                found += usize::from(ask(&mut cache, n / 20 % 100));
            }
        }
        // With each stranger let in it would be every eighth.
        assert!(found > asked / 4, "{found} of {asked}");
    }
}
