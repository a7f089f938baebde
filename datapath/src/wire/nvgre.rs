//! NVGRE: an Ethernet frame inside GRE, whose key is the number of the network it belongs to and a hash of its flow.
//! Follows RFC 7637, section 3.2.
//!
//! The key is there always, checksum and sequence number never.

use super::gre::{self, ETHERNET};
use super::{Error, Layer, Vni, put, write};

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0| |1|0|   Reserved0     | Ver |   Protocol Type 0x6558        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               Virtual Subnet ID (VSID)        |    FlowID     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Flags and version, 2 bytes.
    pub const FLAGS: usize = 0;
    /// Type of what is inside, 2 bytes.
    pub const PROTOCOL: usize = 2;
    /// Number of the network, 3 bytes.
    pub const VSID: usize = 4;
    /// Hash of the flow, 1 byte.
    pub const FLOW_ID: usize = 7;
}

/// An NVGRE packet taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    key: [u8; 4],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes apart the payload of an IP packet.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let gre = gre::View::parse(bytes).map_err(|error| match error {
            Error::Truncated(_) => Error::Truncated(Layer::Nvgre),
            Error::BadVersion(_) => Error::BadVersion(Layer::Nvgre),
            _ => Error::BadFlags(Layer::Nvgre),
        });
        View::of(&gre?)
    }

    /// The same of a GRE packet that has been taken apart.
    #[inline]
    pub fn of(gre: &gre::View<'a>) -> Result<View<'a>, Error> {
        // RFC 7637, section 3.2: "The C (Checksum Present) and S (Sequence Number Present) bits in the GRE header MUST be
        // zero. The K (Key Present) bit in the GRE header MUST be set to one."
        let key = gre.key().filter(|_| gre.summed().is_none() && gre.sequence().is_none());
        match key {
            Some(key) if gre.protocol() == ETHERNET => {
                Ok(View { key: key.to_be_bytes(), payload: gre.payload() })
            }
            Some(_) => Err(Error::BadMessageType(Layer::Nvgre)),
            None => Err(Error::BadFlags(Layer::Nvgre)),
        }
    }

    /// The network the frame belongs to.
    #[inline]
    #[must_use]
    pub fn vsid(&self) -> Vni {
        let [a, b, c, _] = self.key;
        Vni::from_bytes([a, b, c])
    }

    /// Hash of the flow, for the underlay to spread flows over its paths; zero when the sender made none.
    #[inline]
    #[must_use]
    pub fn flow_id(&self) -> u8 {
        self.key[3]
    }

    /// The Ethernet frame.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// An NVGRE header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// The network the frame belongs to.
    pub vsid: Vni,
    /// Hash of the flow; zero for none.
    pub flow_id: u8,
}

impl Repr {
    /// The header that a view shows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr { vsid: view.vsid(), flow_id: view.flow_id() }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        write::<{ at::FLAGS }, _, _>(&mut header, gre::FLAG_KEY.to_be_bytes());
        write::<{ at::PROTOCOL }, _, _>(&mut header, ETHERNET.to_be_bytes());
        write::<{ at::VSID }, _, _>(&mut header, self.vsid.to_bytes());
        write::<{ at::FLOW_ID }, _, _>(&mut header, [self.flow_id]);
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Nvgre)
    }
}

/// The FlowID for an inner flow, given a hash of that flow.
///
/// RFC 7637, section 3.2: the sender "SHOULD provide as much entropy as possible in the FlowID", and zero says that it made
/// none; so zero is the one value that is not used.
#[inline]
#[must_use]
pub const fn flow_id(flow_hash: u32) -> u8 {
    let folded = flow_hash ^ (flow_hash >> 16);
    let folded = (folded ^ (folded >> 8)) as u8;
    if folded == 0 { 1 } else { folded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scapy: GRE(key_present=1, proto=0x6558, key=0x123456ab)/b'payload'
    const PACKET: [u8; 15] =
        [0x20, 0x00, 0x65, 0x58, 0x12, 0x34, 0x56, 0xab, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];

    const REPR: Repr = Repr { vsid: Vni::from_bytes([0x12, 0x34, 0x56]), flow_id: 0xab };

    #[test]
    fn take_apart() {
        let view = View::parse(&PACKET).unwrap();
        assert_eq!((view.vsid().number(), view.flow_id()), (0x0012_3456, 0xab));
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), PACKET[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&PACKET).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0xaa; 15];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, PACKET);
        assert_eq!(REPR.emit(&mut [0; 7]), Err(Error::NoRoom(Layer::Nvgre)));
    }

    #[test]
    fn a_header_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&PACKET[..len]).unwrap_err(), Error::Truncated(Layer::Nvgre));
        }
    }

    #[test]
    fn rfc7637_s3_2_the_key_must_be_there_and_nothing_else() {
        let bytes = [0x00, 0x00, 0x65, 0x58, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for flags in [0x00, 0x80, 0x90, 0xa0, 0x30, 0xb0] {
            let mut bytes = bytes;
            bytes[0] = flags;
            assert_eq!(View::parse(&bytes).unwrap_err(), Error::BadFlags(Layer::Nvgre), "{flags:#x}");
        }
    }

    #[test]
    fn rfc7637_s3_2_the_protocol_is_an_ethernet_frame() {
        let mut packet = PACKET;
        packet[2..4].copy_from_slice(&[0x08, 0x00]);
        assert_eq!(View::parse(&packet).unwrap_err(), Error::BadMessageType(Layer::Nvgre));
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(key: [u8; 4]) {
            let [a, b, c, d] = key;
            let bytes = [0x20, 0, 0x65, 0x58, a, b, c, d];
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }

        #[test]
        fn a_flow_id_is_never_the_one_that_says_none(hash: u32) {
            prop_assert!(flow_id(hash) != 0);
        }
    }

    #[test]
    fn all_255_flow_ids_are_used() {
        let used: std::collections::BTreeSet<u8> =
            (0..1 << 16).map(|n: u32| flow_id(n.wrapping_mul(0x9e37_79b1))).collect();
        assert_eq!(used.len(), 255);
    }
}
