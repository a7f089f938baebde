//! Hashes of keys, under a secret seed so that nobody outside can aim at one bucket.
//!
//! Each step multiplies two 64-bit words into 128 bits and folds the halves together, the construction of wyhash and
//! foldhash: one multiplication mixes sixteen bytes. The four steps of a short key do not depend on each other.

use super::field::Field;
use super::key::{FlowKey, FlowMask, SHORT_WORDS};
use std::hash::Hasher;

/// The secret of a process (or a constant, where runs must repeat).
#[derive(Clone, Copy, Debug)]
pub struct Seed([u64; 4]);

impl Seed {
    /// A seed spread out of one number.
    pub const fn new(secret: u64) -> Seed {
        // The additive constant of SplitMix64 (the golden ratio in 64 bits) keeps the four words apart.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let a = mix(secret ^ STEP, STEP.rotate_left(17) | 1);
        let b = mix(a ^ STEP, secret.wrapping_add(STEP) | 1);
        let c = mix(b ^ secret, STEP.rotate_left(31) | 1);
        let d = mix(c ^ a, b | 1);
        Seed([a ^ STEP, b, c, d | 1])
    }

    /// Hash of two words.
    #[inline]
    pub fn pair(&self, a: u64, b: u64) -> u64 {
        mix(mix(a ^ self.0[0], b ^ self.0[1]) ^ self.0[2], self.0[3])
    }
}

/// Hashes whatever can be hashed, a word at a time, under a seed.
#[derive(Clone, Copy, Debug)]
pub struct Mixer {
    hash: u64,
    by: u64,
}

impl Mixer {
    /// One that has hashed nothing yet.
    pub fn new(seed: &Seed) -> Mixer {
        Mixer { hash: seed.0[0], by: seed.0[3] }
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for some in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..some.len()].copy_from_slice(some);
            self.write_u64(u64::from_ne_bytes(word));
        }
        self.write_usize(bytes.len());
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.hash = mix(self.hash ^ number, self.by).wrapping_add(self.by);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.hash
    }
}

#[inline(always)]
const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    product as u64 ^ (product >> 64) as u64
}

/// Hashes of a key of a frame. They share their steps, so that a frame which goes into a tunnel is not hashed twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHash {
    /// Of the whole key: which line of the exact cache, and the signature in it.
    pub(super) whole: u64,
    /// Of the conversation: [`entropy`].
    pub(super) conversation: u64,
}

impl KeyHash {
    /// Hashes a key.
    #[inline]
    pub fn of(key: &FlowKey, seed: &Seed) -> KeyHash {
        let words = *key.short();
        let mut hash = KeyHash::of_short(words, origin_hash(words, seed), seed);
        if key.is_long() {
            hash.whole = long_hash(hash.whole, key, seed);
        }
        hash.conversation = entropy(key, seed);
        hash
    }

    /// Hashes a key that is not long, and no fragment. `origin` is what [`origin_hash`] says of it.
    #[inline(always)]
    pub(super) fn of_short(words: [u64; SHORT_WORDS], origin: u64, seed: &Seed) -> KeyHash {
        let conversation = conversation(words, seed);
        KeyHash { whole: mix(conversation ^ origin, words[4] ^ seed.0[3]), conversation }
    }

    /// Hash of the conversation that the frame belongs to: [`entropy`].
    #[inline]
    pub fn entropy(self) -> u64 {
        self.conversation
    }

    /// Never zero: that is an empty place.
    #[inline]
    pub(super) fn signature(self) -> u32 {
        (self.whole >> 32) as u32 | 1
    }
}

/// Hash of where a frame comes from, port and tunnel: the same for one frame after another.
#[inline]
pub(super) fn origin_hash([port, _, _, _, _, a, b, c]: [u64; SHORT_WORDS], seed: &Seed) -> u64 {
    let [s, t, u, v] = seed.0;
    mix(port >> 32 ^ t, a ^ v) ^ mix(b ^ s, c ^ u).rotate_left(16)
}

/// Hash of addresses, tags, types, and ports.
#[inline(always)]
fn conversation([types, a, b, c, ports, ..]: [u64; SHORT_WORDS], seed: &Seed) -> u64 {
    const LOW: u64 = 0xffff_ffff;
    let [s, t, u, v] = seed.0;
    mix(a ^ s, b ^ t) ^ mix(c ^ u, (ports & !LOW | types & LOW) ^ v).rotate_left(32)
}

/// Hash of the bits of a key that are in the mask number `at`. `long` says that the mask has bits beyond the first line.
#[inline]
pub fn masked_hash(key: &FlowKey, mask: &FlowMask, long: bool, at: usize, seed: &Seed) -> u64 {
    let mut hash = short_hash(masked(key.short(), mask.short()), seed) ^ at as u64;
    if long {
        hash = long_masked_hash(hash, key, mask, seed);
    }
    mix(hash ^ seed.0[2], seed.0[3])
}

/// [`masked_hash`] of a key of which only the bits that are in the mask were kept: the first line, the rest where the mask is long, and
/// the room for options where it has bits there.
#[inline]
pub fn kept_hash(
    short: &[u64; SHORT_WORDS],
    more: impl Iterator<Item = impl AsRef<[u64]>>,
    at: usize,
    seed: &Seed,
) -> u64 {
    let hash = short_hash(*short, seed) ^ at as u64;
    let hash = more.fold(hash, |hash, words| rest_hash(hash, words.as_ref(), seed));
    mix(hash ^ seed.0[2], seed.0[3])
}

/// The four steps do not depend on each other.
#[inline]
fn short_hash([a, b, c, d, e, f, g, h]: [u64; SHORT_WORDS], seed: &Seed) -> u64 {
    let [s, t, u, v] = seed.0;
    mix(a ^ s, b ^ t)
        ^ mix(c ^ u, d ^ v).rotate_left(16)
        ^ mix(e ^ t, f ^ u).rotate_left(32)
        ^ mix(g ^ v, h ^ s).rotate_left(48)
}

/// Apart, lest the words of a long key are read for a short one too.
#[cold]
fn long_hash(hash: u64, key: &FlowKey, seed: &Seed) -> u64 {
    let hash = rest_hash(hash, key.rest(), seed);
    match key.get(Field::OptionPresence) {
        0 => hash,
        _ => rest_hash(hash, key.options(), seed),
    }
}

#[cold]
fn long_masked_hash(hash: u64, key: &FlowKey, mask: &FlowMask, seed: &Seed) -> u64 {
    let hash = rest_hash(hash, &masked(key.rest(), mask.rest()), seed);
    match mask.has_options() {
        false => hash,
        true => rest_hash(hash, &masked(key.options(), mask.options()), seed),
    }
}

#[inline]
fn masked<const N: usize>(words: &[u64; N], bits: &[u64; N]) -> [u64; N] {
    std::array::from_fn(|i| words[i] & bits[i])
}

/// The steps, of two words each, do not depend on each other.
#[inline]
fn rest_hash(hash: u64, words: &[u64], seed: &Seed) -> u64 {
    let (pairs, _) = words.as_chunks::<2>();
    let step = |[a, b]: [u64; 2], i: usize| mix(a ^ seed.0[i % 4], b ^ seed.0[(i + 1) % 4]);
    let steps =
        pairs.iter().zip(0..).fold(0, |all, (pair, i)| all ^ step(*pair, i).rotate_left(7 * i as u32));
    mix(hash ^ steps, seed.0[0] | 1)
}

/// Hash of the conversation that a frame belongs to: its MAC addresses, IP addresses, protocol and ports, and nothing that
/// changes from frame to frame (TCP flags, time to live) or between fragments of a packet (which have no ports). What tunnels
/// spread over the paths of the underlay (RFC 7348 section 4.1, RFC 7637 section 3.2).
#[inline]
pub fn entropy(key: &FlowKey, seed: &Seed) -> u64 {
    const FRAGMENT: u64 = 0xff;
    let mut words = *key.short();
    if words[0] & FRAGMENT != 0 {
        (words[0], words[4]) = (words[0] & !FRAGMENT, 0);
    }
    let hash = conversation(words, seed);
    let [a, b, c, d, ..] = *key.rest();
    let [_, t, u, _] = seed.0;
    if a | b == 0 { hash } else { hash ^ mix(a ^ c.rotate_left(32) ^ t, b ^ d.rotate_left(32) ^ u) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::key::PACKET_WORDS;

    fn tcp() -> FlowKey {
        let mut key = FlowKey::default();
        key.set(Field::EthType, 0x0800);
        key.set(Field::NwProto, 6);
        key.set(Field::NwSrc, 0x0a00_0001);
        key.set(Field::NwDst, 0x0a00_0002);
        key.set(Field::TpSrc, 40_000);
        key.set(Field::TpDst, 443);
        key
    }

    #[test]
    fn entropy_is_stable_within_a_conversation() {
        let seed = Seed::new(1);
        let (mut syn, mut data) = (tcp(), tcp());
        syn.set(Field::TcpFlags, 2);
        data.set(Field::TcpFlags, 16);
        data.set(Field::NwTtl, 3);
        assert_eq!(entropy(&syn, &seed), entropy(&data, &seed));
    }

    #[test]
    fn entropy_of_fragments_does_not_look_at_ports() {
        let seed = Seed::new(1);
        let (mut first, mut later) = (tcp(), tcp());
        first.set(Field::NwFrag, 1);
        later.set(Field::NwFrag, 3);
        later.set(Field::TpSrc, 0);
        later.set(Field::TpDst, 0);
        assert_eq!(entropy(&first, &seed), entropy(&later, &seed));
    }

    #[test]
    fn a_whole_hash_and_one_by_its_parts_are_the_same() {
        let seed = Seed::new(4);
        let mut key = tcp();
        for (field, value) in [(Field::InPort, 7), (Field::TunId, 100), (Field::TunSrc, 9), (Field::NwTos, 3)]
        {
            key.set(field, value);
        }
        let words = *key.short();
        assert_eq!(KeyHash::of_short(words, origin_hash(words, &seed), &seed), KeyHash::of(&key, &seed));
    }

    #[test]
    fn every_field_moves_the_key_hash() {
        let seed = Seed::new(2);
        let zero = FlowKey::default();
        let of_frames = |field: &&Field| usize::from(field.slot().word) < PACKET_WORDS;
        for field in Field::ALL.iter().filter(of_frames) {
            let mut key = zero.clone();
            key.set(Field::OptionPresence, u128::from(field.is_option()));
            let zero = key.clone();
            key.set(*field, key.get(*field) ^ 1);
            assert_ne!(KeyHash::of(&key, &seed).whole, KeyHash::of(&zero, &seed).whole, "{field:?}");
        }
    }

    #[test]
    fn ports_spread_over_the_buckets() {
        let seed = Seed::new(3);
        let mut counts = [0u32; 64];
        for port in 0..6400 {
            let mut key = tcp();
            key.set(Field::TpSrc, port);
            counts[(KeyHash::of(&key, &seed).whole >> 58) as usize] += 1;
        }
        // A fair die gives 100 each with a standard deviation of 10.
        assert!(counts.iter().all(|n| (50..150).contains(n)), "{counts:?}");
    }
}
