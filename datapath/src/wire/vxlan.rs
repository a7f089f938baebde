//! VXLAN: an Ethernet frame inside UDP, with the number of the network it belongs to.
//! Follows RFC 7348, section 5; the group policy extension draft-smith-vxlan-group-policy, section 2.
//!
//! Reserved bits are ignored when read and zero when written. A header without the I flag names no network
//! and is refused.

use super::{Error, Layer, Vni, be16, put, read, split, write};

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// The destination port assigned by IANA. RFC 7348, section 5: it should be the default.
pub const PORT: u16 = 4789;

/// The I flag: the network number is valid.
pub const FLAG_I: u8 = 0x08;

/// The G flag of the group policy extension: flags and identifier of a policy are valid.
pub const FLAG_G: u8 = 0x80;
/// The flags of a policy: D, the receiver shall not learn; and A, the policy has been applied.
pub const POLICY_FLAGS: u8 = 0x48;

/// Offsets of the fields. What the group policy extension has taken out of the reserved bits is in the second figure.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |R|R|R|R|I|R|R|R|            Reserved                           |
/// |G|R|R|R|I|R|R|R|R|D|R|R|A|R|R|R|        Group Policy ID        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                VXLAN Network Identifier (VNI) |   Reserved    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Flags, 1 byte, followed by 3 reserved ones.
    pub const FLAGS: usize = 0;
    /// Flags of a policy, 1 byte.
    pub const POLICY_FLAGS: usize = 1;
    /// Identifier of a policy, 2 bytes.
    pub const POLICY_ID: usize = 2;
    /// Network identifier, 3 bytes, followed by a reserved one.
    pub const VNI: usize = 4;
}

/// A VXLAN datagram taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes apart the payload of a UDP datagram.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, payload) = split(bytes, Layer::Vxlan)?;
        // RFC 7348, section 5: "the I flag MUST be set to 1 for a valid VXLAN Network ID (VNI)". The other
        // flags "MUST be set to zero on transmission and ignored on receipt", so they are not looked at.
        let [flags] = read::<{ at::FLAGS }, 1, _>(header);
        if flags & FLAG_I == 0 {
            return Err(Error::BadFlags(Layer::Vxlan));
        }
        Ok(View { header, payload })
    }

    /// The network the frame belongs to.
    #[inline]
    #[must_use]
    pub fn vni(&self) -> Vni {
        Vni::from_bytes(read::<{ at::VNI }, 3, _>(self.header))
    }

    /// The group policy, where the header has one: for those who speak the extension; for all others the bits are reserved.
    #[inline]
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        let [flags, policy] = read::<{ at::FLAGS }, 2, _>(self.header);
        let id = be16::<{ at::POLICY_ID }, _>(self.header);
        (flags & FLAG_G != 0).then_some(Policy { flags: policy & POLICY_FLAGS, id })
    }

    /// The Ethernet frame.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// What the group policy extension says of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Flags, at their place in the second byte of the header: see [`POLICY_FLAGS`].
    pub flags: u8,
    /// The sender's group.
    pub id: u16,
}

/// A VXLAN header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// The network the frame belongs to.
    pub vni: Vni,
    /// The group policy, for those who speak the extension.
    pub policy: Option<Policy>,
}

impl Repr {
    /// The header that a view shows, without the extension; see [`View::policy`].
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr { vni: view.vni(), policy: None }
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        // RFC 7348, section 5: reserved fields "MUST be set to zero on transmission".
        let mut header = [0; HEADER_LEN];
        write::<{ at::FLAGS }, _, _>(&mut header, [FLAG_I]);
        write::<{ at::VNI }, _, _>(&mut header, self.vni.to_bytes());
        if let Some(Policy { flags, id }) = self.policy {
            write::<{ at::FLAGS }, _, _>(&mut header, [FLAG_I | FLAG_G, flags & POLICY_FLAGS]);
            write::<{ at::POLICY_ID }, _, _>(&mut header, id.to_be_bytes());
        }
        header
    }

    /// Writes the header to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Vxlan)
    }
}

/// The smallest outer UDP source port that [`source_port`] gives: the first of the dynamic ones.
pub const SOURCE_PORT_MIN: u16 = 0xc000;

/// The outer UDP source port for an inner flow, given a hash of that flow, of which the last fourteen bits count.
///
/// RFC 7348, section 5, recommends a hash of inner fields, so that the underlay spreads flows over its paths,
/// and the dynamic port range, 49152 to 65535.
#[inline]
#[must_use]
pub const fn source_port(flow_hash: u32) -> u16 {
    SOURCE_PORT_MIN | flow_hash as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scapy: VXLAN(flags=0x08, vni=0x123456)/b'payload'
    const DATAGRAM: [u8; 15] =
        [0x08, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56, 0x00, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64];

    const REPR: Repr = Repr { vni: Vni::from_bytes([0x12, 0x34, 0x56]), policy: None };

    #[test]
    fn take_apart() {
        let view = View::parse(&DATAGRAM).unwrap();
        assert_eq!(view.vni().number(), 0x0012_3456);
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), DATAGRAM[..HEADER_LEN]);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&DATAGRAM).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0xaa; 15];
        REPR.emit(&mut out).unwrap().copy_from_slice(b"payload");
        assert_eq!(out, DATAGRAM);
        assert_eq!(REPR.emit(&mut [0; 7]), Err(Error::NoRoom(Layer::Vxlan)));
    }

    #[test]
    fn a_header_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&DATAGRAM[..len]).unwrap_err(), Error::Truncated(Layer::Vxlan));
        }
    }

    #[test]
    fn rfc7348_s5_the_i_flag_must_be_set() {
        let mut datagram = DATAGRAM;
        datagram[0] = !FLAG_I;
        assert_eq!(View::parse(&datagram).unwrap_err(), Error::BadFlags(Layer::Vxlan));
    }

    #[test]
    fn rfc7348_s5_reserved_bits_must_be_ignored_on_receipt() {
        let mut datagram = DATAGRAM;
        datagram[..4].fill(0xff);
        datagram[7] = 0xff;
        assert_eq!(Repr::parse(&View::parse(&datagram).unwrap()), REPR);
    }

    #[test]
    fn rfc7348_s5_reserved_bits_must_be_zero_on_transmission() {
        let header = Repr { vni: Vni::MAX, policy: None }.to_bytes();
        assert_eq!(header, [0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0]);
    }

    #[test]
    fn the_group_policy_extension_is_there_when_its_flag_is() {
        // scapy: VXLAN(flags=0x88, gpflags=0x48, gpid=0x1234, vni=100)
        let header = [0x88, 0x48, 0x12, 0x34, 0x00, 0x00, 0x64, 0x00];
        let policy = Some(Policy { flags: 0x48, id: 0x1234 });
        let view = View::parse(&header).unwrap();
        assert_eq!((view.vni().number(), view.policy()), (100, policy));
        assert_eq!(Repr { vni: view.vni(), policy }.to_bytes(), header);
        let without = [0x08, 0x48, 0x12, 0x34, 0x00, 0x00, 0x64, 0x00];
        assert_eq!(View::parse(&without).unwrap().policy(), None);
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(vni: [u8; 3]) {
            let bytes = [0x08, 0, 0, 0, vni[0], vni[1], vni[2], 0];
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }

        #[test]
        fn the_source_port_is_a_dynamic_one(hash: u32) {
            prop_assert!(source_port(hash) >= 49152);
        }
    }
}
