//! Which bits of a frame decide where it goes of several ways: the choices of `multipath` and `bundle` in ovs-actions(7).
//!
//! The hash of a frame reads nothing but these fields, so that an answer depends on no others. It is none of Open vSwitch's, and salted
//! with a constant: the same on every host and at every start, so that a conversation stays where it is.

use super::hash::Seed;
use super::{Field, FlowKey};
use crate::wire::ethertype;
use crate::wire::protocol::{SCTP, TCP, UDP};

const SALT: Seed = Seed::new(0x5b1e_ad00);

/// Which fields are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashFields {
    /// The Ethernet source.
    EthSrc,
    /// Both Ethernet and both IP addresses, the type, the VLAN, the protocol and the ports of TCP and SCTP: both directions alike.
    SymmetricL4,
    /// Both IP addresses, the protocol and the ports of TCP and SCTP: both directions alike.
    SymmetricL3L4,
    /// The same, and the ports of UDP.
    SymmetricL3L4Udp,
    /// The IP source.
    NwSrc,
    /// The IP destination.
    NwDst,
    /// Both IP addresses: both directions alike.
    SymmetricL3,
}

const IDENTIFIER: u128 = 0xfff;

impl HashFields {
    /// In the order of their numbers (`NX_HASH_FIELDS_*`).
    pub const ALL: [HashFields; 7] = [
        HashFields::EthSrc,
        HashFields::SymmetricL4,
        HashFields::SymmetricL3L4,
        HashFields::SymmetricL3L4Udp,
        HashFields::NwSrc,
        HashFields::NwDst,
        HashFields::SymmetricL3,
    ];

    /// The name that ovs-actions(7) gives it.
    pub const fn name(self) -> &'static str {
        match self {
            HashFields::EthSrc => "eth_src",
            HashFields::SymmetricL4 => "symmetric_l4",
            HashFields::SymmetricL3L4 => "symmetric_l3l4",
            HashFields::SymmetricL3L4Udp => "symmetric_l3l4+udp",
            HashFields::NwSrc => "nw_src",
            HashFields::NwDst => "nw_dst",
            HashFields::SymmetricL3 => "symmetric_l3",
        }
    }

    /// The hash of a frame with this key. `looked` hears of each field, and of which bits of it, before it is read.
    pub fn hash(self, basis: u32, key: &FlowKey, looked: &mut impl FnMut(Field, u128)) -> u64 {
        let mut mixed = Mixed::new(u64::from(basis) << 8 | self as u64);
        self.mix(key, &mut mixed, looked);
        mixed.hash()
    }

    fn mix(self, key: &FlowKey, mixed: &mut Mixed, looked: &mut impl FnMut(Field, u128)) {
        let mut read = |field: Field, mask: u128| {
            looked(field, mask);
            key.get(field) & mask
        };
        let mut place = 0;
        let mut mix = |value: u128| {
            mixed.mix(place, value);
            place += 1;
        };
        if self == HashFields::EthSrc {
            return mix(read(Field::EthSrc, u128::MAX));
        }
        let ether_type = read(Field::EthType, u128::MAX) as u16;
        if self == HashFields::SymmetricL4 {
            mix(read(Field::EthSrc, u128::MAX) ^ read(Field::EthDst, u128::MAX));
            mix(u128::from(ether_type));
            mix(read(Field::VlanTci, IDENTIFIER));
        }
        let (source, destination) = match ether_type {
            ethertype::IPV4 => (Field::NwSrc, Field::NwDst),
            ethertype::IPV6 => (Field::Ipv6Src, Field::Ipv6Dst),
            _ => return,
        };
        match self {
            HashFields::NwSrc => mix(read(source, u128::MAX)),
            HashFields::NwDst => mix(read(destination, u128::MAX)),
            _ => mix(read(source, u128::MAX) ^ read(destination, u128::MAX)),
        }
        if !matches!(self, HashFields::SymmetricL4 | HashFields::SymmetricL3L4 | HashFields::SymmetricL3L4Udp)
        {
            return;
        }
        let protocol = read(Field::NwProto, u128::MAX);
        mix(protocol);
        let ports = match protocol as u8 {
            TCP | SCTP => true,
            UDP => self == HashFields::SymmetricL3L4Udp,
            _ => false,
        };
        // All fragments of a packet go one way.
        if ports && read(Field::NwFrag, u128::MAX) == 0 {
            mix(read(Field::TpSrc, u128::MAX) ^ read(Field::TpDst, u128::MAX));
        }
    }
}

/// The hash of values, each with the number of its place: one that is missing is another than one that is zero.
#[derive(Clone, Copy, Debug)]
pub struct Mixed(u64);

impl Mixed {
    /// Of nothing, by a number that makes it another than that of the next switch.
    pub fn new(basis: u64) -> Mixed {
        Mixed(SALT.pair(basis, u64::MAX))
    }

    /// With one more.
    pub fn mix(&mut self, place: u64, value: u128) {
        self.0 = SALT.pair(SALT.pair(self.0, place) ^ value as u64, (value >> 64) as u64);
    }

    /// The hash of all.
    pub fn hash(self) -> u64 {
        self.0
    }
}

/// The hash of one of several ways for what has this hash.
pub fn draw(hash: u64, way: u64) -> u64 {
    SALT.pair(hash, way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp() -> FlowKey {
        let mut key = FlowKey::default();
        for (field, value) in [
            (Field::EthType, 0x0800),
            (Field::NwProto, 6),
            (Field::EthSrc, 1),
            (Field::EthDst, 2),
            (Field::NwSrc, 0x0a00_0001),
            (Field::NwDst, 0x0a00_0002),
            (Field::TpSrc, 40_000),
            (Field::TpDst, 443),
        ] {
            key.set(field, value);
        }
        key
    }

    fn back(key: &FlowKey) -> FlowKey {
        let mut back = key.clone();
        for (a, b) in
            [(Field::EthSrc, Field::EthDst), (Field::NwSrc, Field::NwDst), (Field::TpSrc, Field::TpDst)]
        {
            back.set(a, key.get(b));
            back.set(b, key.get(a));
        }
        back
    }

    #[test]
    fn what_is_symmetric_is_the_same_both_ways_and_the_rest_is_not() {
        for fields in HashFields::ALL {
            let hash = |key: &FlowKey| fields.hash(5, key, &mut |_, _| {});
            let symmetric = fields.name().starts_with("symmetric");
            assert_eq!(hash(&tcp()) == hash(&back(&tcp())), symmetric, "{fields:?}");
        }
    }

    #[test]
    fn a_hash_moves_with_what_it_says_it_looks_at_and_with_nothing_else() {
        for fields in HashFields::ALL {
            let mut looked = Vec::new();
            let hash = fields.hash(0, &tcp(), &mut |field, mask| looked.push((field, mask & field.max())));
            for field in Field::ALL {
                let mut other = tcp();
                other.set(*field, other.get(*field) ^ 1);
                let seen = looked.iter().any(|(f, mask)| {
                    let mut bits = FlowKey::default();
                    bits.set(*f, *mask);
                    let mut bit = FlowKey::default();
                    bit.set(*field, 1);
                    bits.words().iter().zip(bit.words()).any(|(a, b)| a & b != 0)
                });
                assert_eq!(fields.hash(0, &other, &mut |_, _| {}) != hash, seen, "{fields:?} {field:?}");
            }
            assert_ne!(fields.hash(1, &tcp(), &mut |_, _| {}), hash, "the basis");
        }
    }
}
