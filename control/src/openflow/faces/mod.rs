//! The faces of messages: how each version says them.
//!
//! A message's kind and length are looked at first, as Open vSwitch does it (`lib/ofp-msgs.c`), so that what is refused is refused for the same
//! reason: a type that the version does not have, an experimenter or one of its types that nobody knows here, a length that the
//! kind cannot have. What is in it is one file for each thing that can be spoken of.

mod asynchronous;
mod bundles;
mod decode;
mod encode;
mod extensions;
mod features;
mod hello;
mod kinds;
mod port;
mod properties;
mod refusals;
mod roles;
mod tlv;

pub use decode::decode;
pub use encode::encode;
