//! Tunnels: what a tunnel port is, where its remote endpoints are, and putting frames in and taking them out.

pub mod counter;
pub mod decap;
pub mod ecn;
pub mod encap;
mod headers;
pub mod spec;
pub mod table;
pub mod underlay;
mod verify;

pub use counter::Counter;
pub use decap::decap;
pub use encap::{ENCAP_MAX, Encap, EncapId, Marks};
pub use spec::{Key, Kind, Outer, Remote, TunnelSpec};
pub use table::{Conflict, TunnelId, TunnelTable};
pub use underlay::{Path, Reach, Underlay};
