//! ARP for IPv4 over Ethernet: who has this address, and who says so. Follows RFC 826.
//!
//! Other pairs of address types are refused; a switch has no use for them.

use core::net::Ipv4Addr;

use super::{Error, Layer, MacAddr, be16, be32, ethertype, put, read, split, write};

/// Length of the message.
pub const HEADER_LEN: usize = 28;

/// Operation: who has the target address?
pub const REQUEST: u16 = 1;
/// Operation: the sender has the sender address.
pub const REPLY: u16 = 2;

/// Offsets of the fields.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Hardware type (ar$hrd)    |     Protocol type (ar$pro)    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Length (hln)  | Length (pln)  |      Operation (ar$op)        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 Sender hardware address (ar$sha)              |
/// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                               |  Sender protocol address ...  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | ... (ar$spa)                  |   Target hardware address     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
/// |                            (ar$tha)                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                Target protocol address (ar$tpa)               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub mod at {
    /// Types and lengths of the addresses, 6 bytes.
    pub const TYPES: usize = 0;
    /// Operation, 2 bytes.
    pub const OPERATION: usize = 6;
    /// Ethernet address of the sender, 6 bytes.
    pub const SENDER_MAC: usize = 8;
    /// IPv4 address of the sender, 4 bytes.
    pub const SENDER_IP: usize = 14;
    /// Ethernet address of the target, 6 bytes.
    pub const TARGET_MAC: usize = 18;
    /// IPv4 address of the target, 4 bytes.
    pub const TARGET_IP: usize = 24;
}

/// Ethernet addresses of 6 bytes for IPv4 addresses of 4.
const TYPES: [u8; 6] = {
    let [high, low] = ethertype::IPV4.to_be_bytes();
    [0, 1, high, low, 6, 4]
};

/// A message taken apart.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes the payload of an Ethernet frame apart.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        let (header, payload) = split(bytes, Layer::Arp)?;
        // RFC 826, "Packet Reception": the hardware type, the protocol type and, optionally, both lengths are
        // compared before anything is read.
        if read::<{ at::TYPES }, 6, _>(header) != TYPES {
            return Err(Error::BadAddressType(Layer::Arp));
        }
        Ok(View { header, payload })
    }

    /// [`REQUEST`], [`REPLY`], or something else.
    #[inline]
    #[must_use]
    pub fn operation(&self) -> u16 {
        be16::<{ at::OPERATION }, _>(self.header)
    }

    /// Ethernet address of the sender.
    #[inline]
    #[must_use]
    pub fn sender_mac(&self) -> MacAddr {
        MacAddr(read::<{ at::SENDER_MAC }, 6, _>(self.header))
    }

    /// IPv4 address of the sender.
    #[inline]
    #[must_use]
    pub fn sender_ip(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(be32::<{ at::SENDER_IP }, _>(self.header))
    }

    /// Ethernet address of the target; a request does not know it.
    #[inline]
    #[must_use]
    pub fn target_mac(&self) -> MacAddr {
        MacAddr(read::<{ at::TARGET_MAC }, 6, _>(self.header))
    }

    /// IPv4 address of the target.
    #[inline]
    #[must_use]
    pub fn target_ip(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(be32::<{ at::TARGET_IP }, _>(self.header))
    }

    /// The bytes behind the message: padding of a short Ethernet frame.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// [`REQUEST`], [`REPLY`], or something else.
    pub operation: u16,
    /// Ethernet address of the sender.
    pub sender_mac: MacAddr,
    /// IPv4 address of the sender.
    pub sender_ip: Ipv4Addr,
    /// Ethernet address of the target.
    pub target_mac: MacAddr,
    /// IPv4 address of the target.
    pub target_ip: Ipv4Addr,
}

impl Repr {
    /// The message that a view shows.
    #[inline]
    #[must_use]
    pub fn parse(view: &View<'_>) -> Repr {
        Repr {
            operation: view.operation(),
            sender_mac: view.sender_mac(),
            sender_ip: view.sender_ip(),
            target_mac: view.target_mac(),
            target_ip: view.target_ip(),
        }
    }

    /// The message as bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        write::<{ at::TYPES }, _, _>(&mut header, TYPES);
        write::<{ at::OPERATION }, _, _>(&mut header, self.operation.to_be_bytes());
        write::<{ at::SENDER_MAC }, _, _>(&mut header, self.sender_mac.0);
        write::<{ at::SENDER_IP }, _, _>(&mut header, self.sender_ip.octets());
        write::<{ at::TARGET_MAC }, _, _>(&mut header, self.target_mac.0);
        write::<{ at::TARGET_IP }, _, _>(&mut header, self.target_ip.octets());
        header
    }

    /// Writes the message to the front of a buffer and returns the rest of it.
    #[inline]
    pub fn emit<'b>(&self, out: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        put(self.to_bytes(), out, Layer::Arp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scapy: ARP(op=1, hwsrc='52:54:00:00:00:01', psrc='192.0.2.1', pdst='192.0.2.2')
    const MESSAGE: [u8; 28] = [
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0xc0, 0x00, 0x02,
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x02, 0x02,
    ];

    const REPR: Repr = Repr {
        operation: REQUEST,
        sender_mac: MacAddr([0x52, 0x54, 0, 0, 0, 1]),
        sender_ip: Ipv4Addr::new(192, 0, 2, 1),
        target_mac: MacAddr::ZERO,
        target_ip: Ipv4Addr::new(192, 0, 2, 2),
    };

    #[test]
    fn take_apart() {
        let view = View::parse(&MESSAGE).unwrap();
        assert_eq!(view.operation(), REQUEST);
        assert_eq!(view.sender_mac().to_string(), "52:54:00:00:00:01");
        assert_eq!(view.sender_ip().to_string(), "192.0.2.1");
        assert_eq!(view.target_mac(), MacAddr::ZERO);
        assert_eq!(view.target_ip().to_string(), "192.0.2.2");
        assert_eq!(view.payload(), b"");
    }

    #[test]
    fn build() {
        assert_eq!(REPR.to_bytes(), MESSAGE);
    }

    #[test]
    fn parse() {
        assert_eq!(Repr::parse(&View::parse(&MESSAGE).unwrap()), REPR);
    }

    #[test]
    fn emit() {
        let mut out = [0xaa; 28];
        assert_eq!(REPR.emit(&mut out), Ok(&mut [][..]));
        assert_eq!(out, MESSAGE);
        assert_eq!(REPR.emit(&mut [0; 27]), Err(Error::NoRoom(Layer::Arp)));
    }

    #[test]
    fn padding_is_not_part_of_the_message() {
        let padded = [&MESSAGE[..], &[0; 18]].concat();
        let view = View::parse(&padded).unwrap();
        assert_eq!(Repr::parse(&view), REPR);
        assert_eq!(view.payload(), [0; 18]);
    }

    #[test]
    fn a_message_cut_short_is_refused() {
        for len in 0..HEADER_LEN {
            assert_eq!(View::parse(&MESSAGE[..len]).unwrap_err(), Error::Truncated(Layer::Arp));
        }
    }

    #[test]
    fn rfc826_other_address_types_and_lengths_are_refused() {
        for byte in 0..6 {
            let mut message = MESSAGE;
            message[byte] ^= 0x02;
            assert_eq!(View::parse(&message).unwrap_err(), Error::BadAddressType(Layer::Arp));
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(mut bytes: [u8; HEADER_LEN]) {
            bytes[..6].copy_from_slice(&TYPES);
            prop_assert_eq!(Repr::parse(&View::parse(&bytes).unwrap()).to_bytes(), bytes);
        }
    }
}
