//! The bits of keys that anybody looks at, and the hash over them, which the exact cache knows keys by.
//!
//! Two keys that agree in all bits that some megaflow is known by belong to the same megaflows. So the exact cache need not tell them
//! apart: where rules look at addresses alone, a million conversations of a thousand guests are a thousand places in it, and it does not
//! overflow. The scope of a worker follows the masks of its megaflows, from one batch to the next: a mask that adds bits, or one that
//! nobody needs any more, makes it another. What was remembered under the one before is not found then, and is asked of the megaflows once.
//!
//! A scope says nothing about right and wrong: whoever finds a flow compares the key with it.

use super::hash::{Seed, long_masked_hash, mix};
use super::key::{FlowKey, FlowMask, PACKET_WORDS, SHORT_WORDS};

/// Words of a short key that differ between frames of one origin; of the first of them the lower half.
const INNER: usize = 5;
/// The half of the first word that does, beside the port.
const TYPES: u64 = 0xffff_ffff;

/// Hash of a key, as far as it is in scope: which line of the exact cache, and the signature in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHash(pub(super) u64);

impl KeyHash {
    /// Never zero: that is an empty place.
    #[inline]
    pub(super) fn signature(self) -> u32 {
        (self.0 >> 32) as u32 | 1
    }
}

/// Which bits of keys are hashed, and under which secret.
#[derive(Clone, Debug)]
pub struct Scope {
    looked: LookedAt,
    seed: Seed,
    mask: FlowMask,
    /// Whether the mask has bits beyond the first line of a key.
    long: bool,
}

/// What is in scope of what differs between frames of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LookedAt {
    /// No more than two words.
    Two([Looked; 2]),
    /// Three, as where rules look at an address, and tunnels at the type of service.
    Three([Looked; 3]),
    /// More, or something of long keys.
    More,
}

/// A word of a key, and which bits of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Looked {
    word: u8,
    bits: u64,
}

impl Looked {
    #[inline(always)]
    fn at(self, words: &[u64; SHORT_WORDS]) -> u64 {
        words[usize::from(self.word) % SHORT_WORDS] & self.bits
    }
}

impl Scope {
    /// No bit at all.
    pub const fn nothing(seed: Seed) -> Scope {
        let looked = LookedAt::Two([Looked { word: 0, bits: 0 }; 2]);
        Scope { looked, seed, mask: FlowMask::empty(), long: false }
    }

    /// Every bit.
    pub fn everything(seed: Seed) -> Scope {
        let mut mask = FlowMask::default();
        mask.words_mut().fill(u64::MAX);
        Scope::of(&mask, seed)
    }

    /// These bits.
    pub fn of(mask: &FlowMask, seed: Seed) -> Scope {
        let long = mask.is_long();
        let mut looked = [Looked::default(); INNER];
        let mut count = 0;
        for word in 0..INNER {
            let bits = if word == 0 { mask.short()[0] & TYPES } else { mask.short()[word] };
            if bits != 0 {
                looked[count] = Looked { word: word as u8, bits };
                count += 1;
            }
        }
        let looked = match (count, looked) {
            (0..=2, [a, b, ..]) if !long => LookedAt::Two([a, b]),
            (3, [a, b, c, ..]) if !long => LookedAt::Three([a, b, c]),
            _ => LookedAt::More,
        };
        Scope { looked, seed, mask: mask.clone(), long }
    }

    /// Hashes a key.
    pub fn hash(&self, key: &FlowKey) -> KeyHash {
        self.hash_of(key, self.origin_hash(key.short()))
    }

    /// Hashes keys, one after another. `origins` is what [`Origin::hash`](super::Origin::hash) says of where their frames come from. Each is
    /// `hashed` at once. How it is done is the same for all, and found out before the first.
    #[inline(always)]
    pub fn hash_each(
        &self,
        keys: &[FlowKey],
        origins: &[u64],
        hashes: &mut [KeyHash],
        mut hashed: impl FnMut(KeyHash),
    ) {
        let each = keys.iter().zip(origins).zip(hashes);
        let seed = self.seed;
        match self.looked {
            LookedAt::Two(two) => {
                for ((key, origin), hash) in each {
                    *hash = hash_two(two, 0, &seed, key.short(), *origin);
                    hashed(*hash);
                }
            }
            LookedAt::Three([a, b, c]) => {
                for ((key, origin), hash) in each {
                    *hash = hash_two([a, b], c.at(key.short()), &seed, key.short(), *origin);
                    hashed(*hash);
                }
            }
            LookedAt::More => {
                for ((key, origin), hash) in each {
                    *hash = self.hash_of(key, *origin);
                    hashed(*hash);
                }
            }
        }
    }

    #[inline]
    fn hash_of(&self, key: &FlowKey, origin: u64) -> KeyHash {
        let hash = self.hash_short(key.short(), origin);
        if self.long && self.reaches_rest(key) {
            return KeyHash(long_masked_hash(hash.0, key, &self.mask, &self.seed));
        }
        hash
    }

    /// Whether the key has bits in scope beyond its first line.
    fn reaches_rest(&self, key: &FlowKey) -> bool {
        let words = SHORT_WORDS..PACKET_WORDS;
        let (have, bits) = (&key.words()[words.clone()], &self.mask.words()[words]);
        key.may_be_long() && have.iter().zip(bits).any(|(word, bits)| word & bits != 0)
    }

    /// Hashes a key that is not long. `origin` is what [`Scope::origin_hash`] says of it.
    #[inline(always)]
    fn hash_short(&self, words: &[u64; SHORT_WORDS], origin: u64) -> KeyHash {
        match self.looked {
            LookedAt::Two(two) => return hash_two(two, 0, &self.seed, words, origin),
            LookedAt::Three([a, b, c]) => return hash_two([a, b], c.at(words), &self.seed, words, origin),
            LookedAt::More => {}
        }
        let [s, t, u, v] = self.seed.0;
        let [types, a, b, c, ports] = std::array::from_fn(|i| words[i] & self.mask.short()[i]);
        let addresses = mix(a ^ s, b ^ t) ^ mix(c ^ u, types & TYPES ^ v).rotate_left(32);
        KeyHash(mix(addresses ^ origin, ports ^ v))
    }

    /// Hash of where a frame comes from, port and tunnel: the same for one frame after another.
    #[inline]
    pub(super) fn origin_hash(&self, words: &[u64; SHORT_WORDS]) -> u64 {
        let [port, _, _, _, _, a, b, c]: [u64; SHORT_WORDS] =
            std::array::from_fn(|i| words[i] & self.mask.short()[i]);
        let [s, t, u, v] = self.seed.0;
        mix(port >> 32 ^ t, a ^ v) ^ mix(b ^ s, c ^ u).rotate_left(16)
    }
}

/// Hashes a key of which no more than two words are in scope, and what there is of a third, beside its origin.
#[inline(always)]
fn hash_two(
    [a, b]: [Looked; 2],
    third: u64,
    seed: &Seed,
    words: &[u64; SHORT_WORDS],
    origin: u64,
) -> KeyHash {
    let [s, t, _, v] = seed.0;
    KeyHash(mix(mix(a.at(words) ^ s, b.at(words) ^ t) ^ origin, third ^ v))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;

    fn tcp() -> FlowKey {
        let mut key = FlowKey::default();
        for (field, value) in [
            (Field::InPort, 7),
            (Field::EthType, 0x0800),
            (Field::NwProto, 6),
            (Field::NwSrc, 0x0a00_0001),
            (Field::NwDst, 0x0a00_0002),
            (Field::TpSrc, 40_000),
            (Field::TpDst, 443),
        ] {
            key.set(field, value);
        }
        key
    }

    /// Few fields, many, and those of long keys.
    fn scopes() -> Vec<(FlowMask, Scope)> {
        let of = |fields: &[Field]| {
            let mut mask = FlowMask::default();
            fields.iter().for_each(|field| mask.set(*field, u128::MAX));
            mask
        };
        let few = [Field::InPort, Field::EthType, Field::EthSrc];
        let some = [Field::InPort, Field::EthType, Field::EthDst, Field::NwSrc, Field::TunId];
        let many = [Field::EthDst, Field::EthSrc, Field::NwSrc, Field::TpDst];
        let long = [Field::EthType, Field::Ipv6Dst, Field::OptionPresence, Field::Option3];
        let masks = [of(&[]), of(&few), of(&some), of(&many), of(&long)];
        let scopes = masks.into_iter().map(|mask| (mask.clone(), Scope::of(&mask, Seed::new(4))));
        let all = Scope::everything(Seed::new(4));
        scopes.chain([(all.mask.clone(), all)]).collect()
    }

    #[test]
    fn a_field_moves_the_hash_if_it_is_in_scope_and_only_then() {
        let of_frames = |field: &&Field| usize::from(field.slot().word) < PACKET_WORDS;
        for (mask, scope) in scopes() {
            for field in Field::ALL.iter().filter(of_frames) {
                let mut key = FlowKey::default();
                // Without it there are no options.
                key.set(Field::OptionPresence, u128::from(field.is_option()));
                let mut other = key.clone();
                other.set(*field, key.get(*field) ^ 1);
                let differ = key.masked(&mask) != other.masked(&mask);
                assert_eq!(scope.hash(&key) != scope.hash(&other), differ, "{field:?} under {mask:?}");
            }
        }
    }

    #[test]
    fn a_whole_hash_and_one_by_its_parts_are_the_same() {
        for (_, scope) in scopes() {
            let (key, mut other) = (tcp(), tcp());
            let origin = scope.origin_hash(key.short());
            assert_eq!(scope.hash_short(key.short(), origin), scope.hash(&key));
            for field in [Field::EthDst, Field::NwTos, Field::EthType, Field::TpSrc] {
                other.set(field, 1);
                assert_eq!(scope.hash_short(other.short(), origin), scope.hash(&other), "of the same origin");
            }
        }
    }

    #[test]
    fn one_after_another_is_each_by_itself() {
        let mut long = tcp();
        long.set(Field::Ipv6Dst, 1);
        let mut other = tcp();
        other.set(Field::EthSrc, 9);
        let keys = [tcp(), long, other];
        for (_, scope) in scopes() {
            let origins = keys.each_ref().map(|key| scope.origin_hash(key.short()));
            let (mut hashes, mut heard) = ([KeyHash::default(); 3], Vec::new());
            scope.hash_each(&keys, &origins, &mut hashes, |hash| heard.push(hash));
            assert_eq!(hashes, keys.each_ref().map(|key| scope.hash(key)));
            assert_eq!(heard, hashes);
        }
    }

    #[test]
    fn what_differs_in_a_few_bits_spreads_over_the_buckets() {
        // A fair die gives 100 each with a standard deviation of 10.
        let spread = |counts: [u32; 64]| assert!(counts.iter().all(|n| (50..150).contains(n)), "{counts:?}");
        let fields = [Field::TpSrc, Field::NwSrc, Field::NwDst, Field::EthSrc, Field::EthDst, Field::TunId];
        for field in fields {
            let mut mask = FlowMask::default();
            mask.set(field, u128::MAX);
            for scope in [Scope::of(&mask, Seed::new(3)), Scope::everything(Seed::new(3))] {
                let mut counts = [[0; 64]; 2];
                for value in 0..6400 {
                    let mut key = tcp();
                    key.set(field, value);
                    let hash = scope.hash(&key).0;
                    counts[0][(hash >> 58) as usize] += 1;
                    counts[1][hash as usize % 64] += 1;
                }
                counts.into_iter().for_each(spread);
            }
        }
    }
}
