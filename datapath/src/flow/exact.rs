//! The exact cache: whole keys to what was decided for them.
//!
//! **What.** A set-associative table of a fixed number of flows: eight to a bucket, found by 32 bits of the hash, then by
//! comparing the key. A new flow takes an empty or outdated place of its bucket, else that of the flow unused for longest.
//! Nothing is allocated after [`ExactCache::new`], nothing grows, a lookup touches one line of signatures and the flow.
//!
//! **What an entry promises.** The key was translated under the generation that stands in the entry, and the program is
//! what came out. An entry of another generation is a miss: changing rules costs nothing here.
//!
//! **Threads.** One owner, the worker.

use super::hash::{Seed, key_hash};
use super::key::{FlowKey, SHORT_WORDS, WORDS};
use crate::mem::prefetch;

const WAYS: usize = 8;
const REST: usize = WORDS - SHORT_WORDS;

/// A place in the cache; good until the next insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowId(u32);

/// A key's hash, and whether the key is long.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyHash {
    hash: u64,
    long: bool,
}

impl KeyHash {
    /// Hashes a key.
    #[inline]
    pub fn of(key: &FlowKey, seed: &Seed) -> KeyHash {
        let long = key.is_long();
        KeyHash { hash: key_hash(key, seed, long), long }
    }

    #[inline]
    fn signature(self) -> u32 {
        // Never zero: that is an empty place.
        (self.hash >> 32) as u32 | 1
    }
}

/// First line: the key. Second line: what a hit reads and writes.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
struct Entry {
    key: [u64; SHORT_WORDS],
    generation: u64,
    program: u32,
    used_ms: u32,
    long: bool,
}

const _: () = assert!(size_of::<Entry>() == 128, "a flow is two cache lines");
const _: () = assert!(size_of::<[u32; WAYS]>() == 32, "a bucket's signatures share a line");

/// Which ways have this signature: a byte each, one or zero, the first way lowest.
#[inline]
fn ways(signatures: &[u32; WAYS], signature: u32) -> u64 {
    let mut ways = [0; WAYS];
    for (way, have) in ways.iter_mut().zip(signatures) {
        *way = u8::from(*have == signature);
    }
    u64::from_le_bytes(ways)
}

/// The first of these ways; [`WAYS`] when there is none.
#[inline]
fn first(ways: u64) -> usize {
    ways.trailing_zeros() as usize / 8
}

/// Equality without a branch or a call: all words are looked at.
#[inline]
fn same<const N: usize>(a: &[u64; N], b: &[u64; N]) -> bool {
    a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// The table.
#[derive(Debug)]
pub struct ExactCache {
    signatures: Box<[[u32; WAYS]]>,
    entries: Box<[Entry]>,
    /// The words of long keys beyond their first line, at the entry's place; untouched pages cost nothing.
    rests: Box<[[u64; REST]]>,
}

impl ExactCache {
    /// A cache of at least `flows` flows (rounded up to a power of two, at most 2^24).
    pub fn new(flows: usize) -> ExactCache {
        let flows = flows.clamp(WAYS, 1 << 24).next_power_of_two();
        ExactCache {
            signatures: vec![[0; WAYS]; flows / WAYS].into_boxed_slice(),
            entries: vec![Entry::default(); flows].into_boxed_slice(),
            rests: vec![[0; REST]; flows].into_boxed_slice(),
        }
    }

    /// How many flows it can hold.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn bucket(&self, hash: KeyHash) -> usize {
        hash.hash as usize & (self.signatures.len() - 1)
    }

    /// Brings near what [`ExactCache::find`] looks at first.
    #[inline]
    pub fn prefetch(&self, hash: KeyHash) {
        prefetch(&self.signatures[self.bucket(hash)]);
    }

    /// The flow that this hash most likely means, and brings it near. [`ExactCache::check`] tells whether it is the one.
    #[inline]
    pub fn likely(&self, hash: KeyHash) -> Option<FlowId> {
        let bucket = self.bucket(hash);
        let way = first(ways(&self.signatures[bucket], hash.signature()));
        if way == WAYS {
            return None;
        }
        let place = bucket * WAYS + way;
        prefetch(&self.entries[place].key);
        prefetch(&self.entries[place].generation);
        Some(FlowId(place as u32))
    }

    /// The flow with this key, if it was decided under `generation`. `likely` is what [`ExactCache::likely`] said of the
    /// hash, with no insert in between.
    #[inline]
    pub fn check(
        &self,
        likely: Option<FlowId>,
        hash: KeyHash,
        key: &FlowKey,
        generation: u64,
    ) -> Option<FlowId> {
        let flow = likely?;
        if self.holds(flow.0 as usize, hash, key) {
            return (self.entries[flow.0 as usize].generation == generation).then_some(flow);
        }
        self.find(hash, key, generation)
    }

    /// The flow with this key, if it was decided under `generation`.
    #[cold]
    pub fn find(&self, hash: KeyHash, key: &FlowKey, generation: u64) -> Option<FlowId> {
        let bucket = self.bucket(hash);
        let mut left = ways(&self.signatures[bucket], hash.signature());
        while left != 0 {
            let place = bucket * WAYS + first(left);
            if self.holds(place, hash, key) {
                return (self.entries[place].generation == generation).then_some(FlowId(place as u32));
            }
            left &= left - 1;
        }
        None
    }

    #[inline]
    fn holds(&self, place: usize, hash: KeyHash, key: &FlowKey) -> bool {
        let entry = &self.entries[place];
        same(&entry.key, key.short())
            && entry.long == hash.long
            && (!hash.long || same(&self.rests[place], key.rest()))
    }

    /// Remembers that `key` leads to `program` under `generation`. `now_ms` is the turn's time in milliseconds.
    pub fn insert(
        &mut self,
        hash: KeyHash,
        key: &FlowKey,
        generation: u64,
        program: u32,
        now_ms: u32,
    ) -> FlowId {
        let bucket = self.bucket(hash);
        let places = bucket * WAYS..(bucket + 1) * WAYS;
        let place = places
            .clone()
            .find(|place| {
                self.signatures[bucket][place % WAYS] == hash.signature() && self.holds(*place, hash, key)
            })
            .or_else(|| places.clone().find(|place| self.signatures[bucket][place % WAYS] == 0))
            .or_else(|| places.clone().find(|place| self.entries[*place].generation != generation))
            .or_else(|| places.max_by_key(|place| now_ms.wrapping_sub(self.entries[*place].used_ms)))
            .unwrap_or(bucket * WAYS);
        self.signatures[bucket][place % WAYS] = hash.signature();
        self.entries[place] =
            Entry { key: *key.short(), generation, program, used_ms: now_ms, long: hash.long };
        if hash.long {
            self.rests[place] = *key.rest();
        }
        FlowId(place as u32)
    }

    /// The program of a flow, which counts as used now.
    #[inline]
    pub fn hit(&mut self, flow: FlowId, now_ms: u32) -> u32 {
        let entry = &mut self.entries[flow.0 as usize];
        entry.used_ms = now_ms;
        entry.program
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.signatures.fill([0; WAYS]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;

    fn key(n: u128) -> FlowKey {
        let mut key = FlowKey::default();
        key.set(Field::NwSrc, n);
        key
    }

    struct Cache(ExactCache, Seed);

    impl Cache {
        fn new(flows: usize) -> Cache {
            Cache(ExactCache::new(flows), Seed::new(1))
        }
        fn put(&mut self, key: &FlowKey, generation: u64, program: u32, now: u32) {
            self.0.insert(KeyHash::of(key, &self.1), key, generation, program, now);
        }
        fn get(&mut self, key: &FlowKey, generation: u64) -> Option<u32> {
            let flow = self.0.find(KeyHash::of(key, &self.1), key, generation)?;
            Some(self.0.hit(flow, 0))
        }
    }

    #[test]
    fn what_was_put_is_found() {
        let mut cache = Cache::new(1024);
        for n in 0..100 {
            cache.put(&key(n), 1, n as u32, 0);
        }
        for n in 0..100 {
            assert_eq!(cache.get(&key(n), 1), Some(n as u32));
        }
        assert_eq!(cache.get(&key(100), 1), None);
    }

    #[test]
    fn an_answer_of_another_generation_is_a_miss_until_it_is_renewed() {
        let mut cache = Cache::new(64);
        cache.put(&key(1), 1, 10, 0);
        assert_eq!(cache.get(&key(1), 2), None);
        cache.put(&key(1), 2, 20, 0);
        assert_eq!(cache.get(&key(1), 2), Some(20));
        assert_eq!(cache.get(&key(1), 1), None);
    }

    #[test]
    fn a_full_bucket_forgets_the_flow_unused_for_longest() {
        let mut cache = Cache::new(WAYS);
        for n in 0..WAYS as u128 {
            cache.put(&key(n), 1, n as u32, 100 + n as u32);
        }
        cache.put(&key(99), 1, 99, 200);
        assert_eq!(cache.get(&key(0), 1), None);
        assert_eq!(cache.get(&key(99), 1), Some(99));
        assert_eq!(cache.get(&key(7), 1), Some(7));
    }

    #[test]
    fn long_keys_that_begin_alike_are_two_flows() {
        let mut cache = Cache::new(64);
        let (mut a, mut b) = (key(1), key(1));
        a.set(Field::Ipv6Dst, 1);
        b.set(Field::Ipv6Dst, 2);
        cache.put(&a, 1, 1, 0);
        cache.put(&b, 1, 2, 0);
        cache.put(&key(1), 1, 3, 0);
        assert_eq!((cache.get(&a, 1), cache.get(&b, 1), cache.get(&key(1), 1)), (Some(1), Some(2), Some(3)));
    }

    /// Whoever knew the seed could make such keys.
    #[test]
    fn keys_with_one_hash_are_two_flows() {
        let (mut a, mut b) = (key(1), key(1));
        a.set(Field::Ipv6Dst, 1);
        b.set(Field::Ipv6Dst, 2);
        for (known, asked) in [(&a, &b), (&key(1), &key(2)), (&a, &key(1)), (&key(1), &a)] {
            let mut cache = Cache::new(64);
            let hash = KeyHash::of(known, &cache.1);
            cache.0.insert(hash, known, 1, 1, 0);
            let asked_hash = KeyHash { long: asked.is_long(), ..hash };
            assert_eq!(cache.0.find(asked_hash, asked, 1), None);
            cache.0.insert(asked_hash, asked, 1, 2, 0);
            let programs = [(hash, known), (asked_hash, asked)]
                .map(|(hash, key)| cache.0.find(hash, key, 1).map(|flow| cache.0.hit(flow, 0)));
            assert_eq!(programs, [Some(1), Some(2)]);
        }
    }
}
