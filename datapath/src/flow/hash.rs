//! Hashes of keys, under a secret seed so that nobody outside can aim at one bucket.
//!
//! Each step multiplies two 64-bit words into 128 bits and folds the halves together, the construction of wyhash and
//! foldhash: one multiplication mixes sixteen bytes. The four steps of a short key do not depend on each other. What the exact cache
//! knows a key by is in [`scope`](super::scope).

use super::key::{FlowKey, FlowMask, SHORT_WORDS};
use std::hash::Hasher;

/// The secret of a process (or a constant, where runs must repeat).
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub(super) [u64; 4]);

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
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    product as u64 ^ (product >> 64) as u64
}

/// Hash of addresses, tags, types, and ports. Where IPv4 addresses and MAC addresses meet in one word, those bits of theirs that differ
/// between guests do not: so one multiplication does.
#[inline(always)]
fn conversation([types, a, b, c, ports, ..]: [u64; SHORT_WORDS], seed: &Seed) -> u64 {
    const PORTS: u64 = 0xffff_ffff << 32;
    /// The Ethernet type and the protocol, but not the time to live between them.
    const TYPES: u64 = 0xffff_00ff;
    let [s, t, ..] = seed.0;
    mix(a ^ c ^ s, b ^ (ports & PORTS | types & TYPES) ^ t)
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

#[cold]
pub(super) fn long_masked_hash(hash: u64, key: &FlowKey, mask: &FlowMask, seed: &Seed) -> u64 {
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

/// Of the word of ports of a key: whether it is one of a fragment.
const FRAGMENT: u64 = 0xff00;

/// Hash of the conversation that a frame belongs to: its MAC addresses, IP addresses, protocol and ports, and nothing that
/// changes from frame to frame (TCP flags, time to live) or between fragments of a packet (which have no ports). What tunnels
/// spread over the paths of the underlay (RFC 7348 section 4.1, RFC 7637 section 3.2).
#[inline(always)]
pub fn entropy(key: &FlowKey, seed: &Seed) -> u64 {
    let words = *key.short();
    if words[4] & FRAGMENT != 0 || key.may_be_long() {
        return entropy_of_any(key, seed);
    }
    conversation(words, seed)
}

#[cold]
fn entropy_of_any(key: &FlowKey, seed: &Seed) -> u64 {
    let mut words = *key.short();
    if words[4] & FRAGMENT != 0 {
        words[4] = 0;
    }
    let hash = conversation(words, seed);
    let [a, b, c, d, ..] = *key.rest();
    let [_, t, u, _] = seed.0;
    if a | b == 0 { hash } else { hash ^ mix(a ^ c.rotate_left(32) ^ t, b ^ d.rotate_left(32) ^ u) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;

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

    /// What a field that is no part of a conversation says must not spread it over several paths (RFC 7348 section 4.1).
    #[test]
    fn nothing_but_the_conversation_is_in_its_entropy() {
        use Field::*;
        let seed = Seed::new(1);
        let of_it = [EthSrc, EthDst, EthType, VlanTci, VlanVid, VlanPcp, NwSrc, NwDst, NwProto, TpSrc, TpDst];
        let shares_bits = |field: Field| {
            let mut bits = FlowKey::default();
            bits.set(field, u128::MAX);
            of_it.iter().any(|part| bits.get(*part) != 0)
        };
        for field in [NwTos, IpDscp, NwEcn, NwTtl, TcpFlags, InPort, TunId, TunSrc, Reg0, Metadata] {
            assert!(!shares_bits(field), "{field:?}");
            let mut other = tcp();
            other.set(field, u128::MAX);
            assert_eq!(entropy(&other, &seed), entropy(&tcp(), &seed), "{field:?}");
        }
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
}
