//! How a group of type `select` chooses: by the conversation, or as the property `NTRT_SELECTION_METHOD` says, Netronome's extension of
//! OpenFlow 1.5 that Open vSwitch has (ovs-ofctl(8), `selection_method`). Which bucket a hash leads to is not said there, and is not what
//! Open vSwitch makes of it; which bits of a frame decide is the same.

use super::state::State;
use super::translation::Translation;
use crate::flow::Field;
use crate::flow::spread::{HashFields, Mixed};
use crate::wire::ethertype;
use crate::wire::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};

/// Fields that a group can name: as many as there are in OpenFlow and its extensions, with room.
pub const HASHED_MAX: usize = 128;

/// Who chooses a bucket, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selection {
    /// Nothing is said: addresses, tags, types and ports decide.
    #[default]
    Unsaid,
    /// `hash`: these fields decide, or what decides where nothing is said if there are none; and a number that makes this choice another
    /// than that of the next switch.
    Hash(u64, Box<[HashedField]>),
    /// `dp_hash`: the IP addresses, the protocol and the ports decide, or, where the upper half of the number is 1, the same in such a way that both
    /// directions go together. The lower half makes this choice another than that of the next switch.
    Datapath(u64),
}

/// A field that decides, in frames that have the header which it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HashedField {
    /// The field.
    pub field: Field,
    /// Which of its bits.
    pub mask: u128,
    /// The header, where several share the field's bits in a key.
    pub of: Header,
}

/// What a frame must be for it to have a field that other frames do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are called as the headers are")]
pub enum Header {
    /// Nothing but what the field itself says.
    Any,
    Tag,
    Arp,
    /// IPv4 or IPv6.
    Ip,
    Ip4,
    Ip6,
    Tcp,
    Udp,
    Sctp,
    /// ICMP in IPv4.
    Icmp,
    /// ICMPv6 in IPv6.
    Icmp6,
}

impl Selection {
    /// The number that the choice was given.
    pub fn param(&self) -> u64 {
        match self {
            Selection::Unsaid => 0,
            Selection::Hash(param, _) | Selection::Datapath(param) => *param,
        }
    }

    /// The hash of a frame, if this says what decides.
    pub(super) fn hash(&self, state: &State<'_>, out: &mut Translation) -> Option<u64> {
        match self {
            Selection::Unsaid => None,
            Selection::Hash(_, fields) if fields.is_empty() => None,
            Selection::Hash(param, fields) => Some(hash(*param, fields, state, out)),
            Selection::Datapath(param) if param >> 32 == SYMMETRIC => {
                let mut look = |field: Field, bits| state.look_at(field, bits & field.max(), out);
                Some(HashFields::SymmetricL3L4Udp.hash(*param as u32, state.key(), &mut look))
            }
            Selection::Datapath(param) => Some(hash(param & 0xffff_ffff, &FIVE, state, out)),
        }
    }
}

/// `OVS_HASH_ALG_SYM_L4`; every other number is `OVS_HASH_ALG_L4`, as in Open vSwitch (`ofproto/ofproto-dpif.c`).
const SYMMETRIC: u64 = 1;

/// What `dp_hash` reads.
const FIVE: [HashedField; 11] = {
    const fn all(field: Field, of: Header) -> HashedField {
        HashedField { field, mask: field.max(), of }
    }
    [
        all(Field::NwSrc, Header::Ip4),
        all(Field::NwDst, Header::Ip4),
        all(Field::Ipv6Src, Header::Ip6),
        all(Field::Ipv6Dst, Header::Ip6),
        all(Field::NwProto, Header::Ip),
        all(Field::TpSrc, Header::Tcp),
        all(Field::TpDst, Header::Tcp),
        all(Field::TpSrc, Header::Udp),
        all(Field::TpDst, Header::Udp),
        all(Field::TpSrc, Header::Sctp),
        all(Field::TpDst, Header::Sctp),
    ]
};

fn hash(basis: u64, fields: &[HashedField], state: &State<'_>, out: &mut Translation) -> u64 {
    let mut mixed = Mixed::new(basis);
    for (at, hashed) in (0..).zip(fields) {
        let HashedField { field, mask, of } = *hashed;
        if of.is_in(state, out) && state.has(field, out) {
            state.look_at(field, mask, out);
            mixed.mix(at, state.key().get(field) & mask);
        }
    }
    mixed.hash()
}

impl Header {
    fn is_in(self, state: &State<'_>, out: &mut Translation) -> bool {
        let carries = |protocol, out: &mut Translation| state.carries(&[protocol], out);
        match self {
            Header::Any => true,
            Header::Tag => state.read(super::state::PRESENT, out) != 0,
            Header::Arp => state.ether_type(out) == ethertype::ARP,
            Header::Ip => state.is_ip(out),
            Header::Ip4 => state.ether_type(out) == ethertype::IPV4,
            Header::Ip6 => state.ether_type(out) == ethertype::IPV6,
            Header::Tcp => carries(TCP, out),
            Header::Udp => carries(UDP, out),
            Header::Sctp => carries(SCTP, out),
            Header::Icmp => Header::Ip4.is_in(state, out) && carries(ICMP, out),
            Header::Icmp6 => Header::Ip6.is_in(state, out) && carries(ICMPV6, out),
        }
    }
}
