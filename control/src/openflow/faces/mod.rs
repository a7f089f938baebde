//! The faces of messages: how each version says them.
//!
//! A message's kind and length are looked at first, as Open vSwitch does it (`lib/ofp-msgs.c`), so that what is refused is refused for the same
//! reason: a type that the version does not have, an experimenter or one of its types that nobody knows here, a length that the
//! kind cannot have. What is in it is one file for each thing that can be spoken of.

mod asynchronous;
mod buckets;
mod bundles;
mod decode;
mod encode;
mod extensions;
mod features;
mod flow_mod;
mod flow_removed;
mod group_mod;
mod hello;
mod kinds;
#[cfg(test)]
mod laws;
mod matches;
mod meters;
mod multipart;
mod oxs;
mod packet_in;
mod packet_out;
mod port;
mod properties;
mod queues;
mod refusals;
mod roles;
mod selection;
mod tables;
mod times;
mod tlv;

pub use decode::{decode, decode_knowing};
pub use encode::encode;
pub use multipart::{parts, parts_knowing};
