//! The OpenFlow channel: messages, their wire formats, and the state machine of a connection. Without input and output: bytes go in,
//! messages and answers come out (`daemon` has the sockets).
//!
//! There is one model of what can be said ([`Message`]), in the words of OpenFlow 1.3 and of Open vSwitch's extensions; each version of the
//! protocol is a thin face of it. What is asked of the switch itself is in the model of [`crate::ofproto`].

pub mod actions;
pub mod channel;
mod code;
mod faces;
pub mod fields;
mod frames;
pub mod instructions;
#[cfg(test)]
mod laws;
pub mod matching;
mod message;
mod numbers;
mod options;
pub mod ports;
mod recall;
pub mod wire;

pub use code::Code;
pub use faces::{decode, decode_knowing, encode, parts, parts_knowing};
pub use frames::{Frames, HEADER, TooShort};
pub use message::*;
pub use numbers::{NICIRA, Numbers, ONF};

/// A version of the protocol that is spoken here, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// OpenFlow 1.0.
    V10 = 1,
    /// OpenFlow 1.3.
    V13 = 4,
    /// OpenFlow 1.4.
    V14 = 5,
    /// OpenFlow 1.5.
    V15 = 6,
}

impl Version {
    /// All that are spoken here.
    pub const ALL: [Version; 4] = [Version::V10, Version::V13, Version::V14, Version::V15];

    /// The version of this number, if it is spoken here.
    pub fn from_number(number: u8) -> Option<Version> {
        Version::ALL.into_iter().find(|version| *version as u8 == number)
    }
}
