//! Numbers of ports: 16 bits in OpenFlow 1.0 and in Nicira's actions, 32 bits since 1.1. The reserved ones are the last 256 of either; the host's
//! own port keeps its number of 1.0 in flows ([`LOCAL`]).

use super::Code;
use crate::text::{LOCAL, OFPORT_MAX};
use datapath::flow::OfPort;

/// The first of the reserved numbers in 16 bits (`OFPP_MAX`).
const RESERVED: u16 = 0xff00;
const RESERVED_WIDE: u32 = 0xffff_ff00;
/// The host's own port in 32 bits (`OFPP_LOCAL`).
const LOCAL_WIDE: u32 = 0xffff_fffe;

/// A port by its number in 16 bits.
pub fn from_short(number: u16) -> OfPort {
    match number {
        number if u32::from(number) == LOCAL.0 => LOCAL,
        RESERVED.. => OfPort(0xffff_0000 | u32::from(number)),
        _ => OfPort(number.into()),
    }
}

/// A port's number in 16 bits. There is no port whose number does not fit.
pub fn to_short(port: OfPort) -> u16 {
    port.0 as u16
}

/// A port by its number in 32 bits.
///
/// # Errors
/// `OFPBAC_BAD_OUT_PORT`: it is neither one of those that fit into 16 bits nor reserved, as in Open vSwitch.
pub fn from_wide(number: u32) -> Result<OfPort, Code> {
    match number {
        LOCAL_WIDE => Ok(LOCAL),
        0..=OFPORT_MAX | RESERVED_WIDE.. => Ok(OfPort(number)),
        _ => Err(Code::BadOutPort),
    }
}

/// A port's number in 32 bits.
pub fn to_wide(port: OfPort) -> u32 {
    if port == LOCAL { LOCAL_WIDE } else { port.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ofproto::reserved::{ANY, CONTROLLER};

    #[test]
    fn reserved_ports_are_the_last_in_either_width() {
        assert_eq!(from_short(0xfffd), CONTROLLER);
        assert_eq!(from_short(0xffff), ANY);
        assert_eq!((from_short(0xfffe), from_wide(0xffff_fffe)), (LOCAL, Ok(LOCAL)));
        assert_eq!((from_short(0xfeff), from_wide(0xfeff)), (OfPort(0xfeff), Ok(OfPort(0xfeff))));
        assert_eq!(from_wide(0xff00), Err(Code::BadOutPort));
        assert_eq!(from_wide(0xfffe), Err(Code::BadOutPort));
        assert_eq!(from_wide(0xffff_feff), Err(Code::BadOutPort));
    }

    #[test]
    fn a_number_comes_back() {
        for number in 0..=u16::MAX {
            assert_eq!(to_short(from_short(number)), number);
            assert_eq!(from_wide(to_wide(from_short(number))), Ok(from_short(number)));
        }
    }
}
