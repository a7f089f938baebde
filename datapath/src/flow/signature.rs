//! The exact cache: from a whole key to its megaflow, by a signature of 32 bits.
//!
//! A line holds eight signatures and the flows that they mean: one cache line for each lookup, eight bytes for each
//! remembered key. A signature is only a hint: whoever asks compares the key with the megaflow itself
//! ([`Megaflows::fits`](super::Megaflows::fits)), so a false one costs time and nothing else, and one that means a flow
//! which is gone does no harm.

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
}

impl SignatureCache {
    /// A cache for so many keys (rounded up to a power of two).
    pub fn new(keys: usize) -> SignatureCache {
        let lines = keys.clamp(WAYS, 1 << 26).next_power_of_two() / WAYS;
        SignatureCache { lines: vec![Line::default(); lines].into_boxed_slice() }
    }

    #[inline]
    fn line(&self, hash: KeyHash) -> usize {
        hash.0 as usize & (self.lines.len() - 1)
    }

    /// Brings near what [`SignatureCache::find`] looks at.
    #[inline]
    pub fn prefetch(&self, hash: KeyHash) {
        prefetch(&self.lines[self.line(hash)]);
    }

    /// The flow that this key had, if it was remembered and not displaced.
    #[inline]
    pub fn find(&self, hash: KeyHash) -> Option<FlowId> {
        let line = &self.lines[self.line(hash)];
        let way = line.signatures.iter().position(|signature| *signature == hash.signature())?;
        Some(FlowId(line.flows[way]))
    }

    /// Remembers the flow of a key, in the place of another whose turn it is by chance.
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, flow: FlowId) {
        let at = self.line(hash);
        let line = &mut self.lines[at];
        let same = line.signatures.iter().position(|signature| *signature == hash.signature());
        let empty = || line.signatures.iter().position(|signature| *signature == 0);
        let way = same.or_else(empty).unwrap_or((hash.0 >> 24) as usize % WAYS);
        line.signatures[way] = hash.signature();
        line.flows[way] = flow.0;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lines.fill(Line::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(whole: u64) -> KeyHash {
        KeyHash(whole)
    }

    #[test]
    fn what_was_remembered_is_found() {
        let mut cache = SignatureCache::new(64);
        let (a, b) = (hash(0x1111_0000_0000_0001), hash(0x2222_0000_0000_0001));
        cache.insert(a, FlowId(1));
        cache.insert(b, FlowId(2));
        cache.insert(a, FlowId(3));
        assert_eq!((cache.find(a), cache.find(b)), (Some(FlowId(3)), Some(FlowId(2))));
        cache.clear();
        assert_eq!(cache.find(a), None);
    }

    #[test]
    fn a_full_line_takes_a_new_key() {
        let mut cache = SignatureCache::new(WAYS);
        for n in 0..100u32 {
            let hash = hash(u64::from(n + 1) << 33);
            cache.insert(hash, FlowId(n));
            assert_eq!(cache.find(hash), Some(FlowId(n)));
        }
    }
}
