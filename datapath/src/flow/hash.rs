//! Hashes of keys, under a secret seed so that nobody outside can aim at one bucket.
//!
//! Each step multiplies two 64-bit words into 128 bits and folds the halves together, the construction of wyhash and
//! foldhash: one multiplication mixes sixteen bytes. The four steps of a short key do not depend on each other.

use super::field::Field;
use super::key::{FlowKey, FlowMask, SHORT_WORDS};

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

#[inline(always)]
const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    product as u64 ^ (product >> 64) as u64
}

/// Hash of a whole key of a frame: which line of the exact cache, and the signature in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHash(pub(super) u64);

impl KeyHash {
    /// Hashes a key.
    #[inline]
    pub fn of(key: &FlowKey, seed: &Seed) -> KeyHash {
        let mut hash = short_hash(*key.short(), seed);
        if key.is_long() {
            hash = long_hash(hash, key, seed);
        }
        KeyHash(mix(hash ^ seed.0[2], seed.0[3]))
    }

    /// Never zero: that is an empty place.
    #[inline]
    pub(super) fn signature(self) -> u32 {
        (self.0 >> 32) as u32 | 1
    }
}

/// Hash of the bits of a key that are in the mask number `at`. `long` says that the mask has bits beyond the first line.
#[inline]
pub fn masked_hash(key: &FlowKey, mask: &FlowMask, long: bool, at: usize, seed: &Seed) -> u64 {
    let masked = std::array::from_fn(|i| key.short()[i] & mask.short()[i]);
    let mut hash = short_hash(masked, seed) ^ at as u64;
    if long {
        hash = long_masked_hash(hash, key, mask, seed);
    }
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
    let hash = rest_hash(hash, key.rest().iter().copied(), seed);
    match key.get(Field::OptionPresence) {
        0 => hash,
        _ => rest_hash(hash, key.options().iter().copied(), seed),
    }
}

#[cold]
fn long_masked_hash(hash: u64, key: &FlowKey, mask: &FlowMask, seed: &Seed) -> u64 {
    let hash = rest_hash(hash, masked(key.rest(), mask.rest()), seed);
    match mask.has_options() {
        false => hash,
        true => rest_hash(hash, masked(key.options(), mask.options()), seed),
    }
}

fn masked(words: &[u64], bits: &[u64]) -> impl Iterator<Item = u64> {
    words.iter().zip(bits).map(|(word, bits)| word & bits)
}

fn rest_hash(hash: u64, words: impl Iterator<Item = u64>, seed: &Seed) -> u64 {
    words.zip(0..).fold(hash, |hash, (word, i): (u64, usize)| mix(hash ^ word, seed.0[i % 4] | 1))
}

/// Hash of the conversation that a frame belongs to: its MAC addresses, IP addresses, protocol and ports, and nothing that
/// changes from frame to frame (TCP flags, time to live) or between fragments of a packet (which have no ports). What tunnels
/// spread over the paths of the underlay (RFC 7348 section 4.1, RFC 7637 section 3.2).
#[inline]
pub fn entropy(key: &FlowKey, seed: &Seed) -> u64 {
    const PROTO: u64 = 0xff << 8;
    const FRAGMENT: u64 = 0xff;
    const PORTS: u64 = 0xffff_ffff << 32;
    let words = key.words();
    let ports = if words[0] & FRAGMENT == 0 { words[4] & PORTS } else { 0 };
    let [s, t, u, v] = seed.0;
    let mut hash =
        mix(words[1] ^ s, words[2] ^ t) ^ mix(words[3] ^ u, (ports | words[0] & PROTO) ^ v).rotate_left(32);
    if words[8] | words[9] != 0 {
        hash ^= mix(words[8] ^ words[10].rotate_left(32) ^ t, words[9] ^ words[11].rotate_left(32) ^ u);
    }
    mix(hash ^ t, v)
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
    fn every_field_moves_the_key_hash() {
        let seed = Seed::new(2);
        let zero = FlowKey::default();
        let of_frames = |field: &&Field| usize::from(field.slot().word) < PACKET_WORDS;
        for field in Field::ALL.iter().filter(of_frames) {
            let mut key = zero.clone();
            key.set(Field::OptionPresence, u128::from(field.is_option()));
            let zero = key.clone();
            key.set(*field, key.get(*field) ^ 1);
            assert_ne!(KeyHash::of(&key, &seed), KeyHash::of(&zero, &seed), "{field:?}");
        }
    }

    #[test]
    fn ports_spread_over_the_buckets() {
        let seed = Seed::new(3);
        let mut counts = [0u32; 64];
        for port in 0..6400 {
            let mut key = tcp();
            key.set(Field::TpSrc, port);
            counts[(KeyHash::of(&key, &seed).0 >> 58) as usize] += 1;
        }
        // A fair die gives 100 each with a standard deviation of 10.
        assert!(counts.iter().all(|n| (50..150).contains(n)), "{counts:?}");
    }
}
