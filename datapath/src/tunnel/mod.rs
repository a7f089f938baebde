//! Tunnels: what a tunnel port is, where its remote endpoints are, and putting frames in and taking them out.

pub mod decap;
pub mod encap;
pub mod spec;
pub mod table;
pub mod underlay;

pub use decap::decap;
pub use encap::{ENCAP_MAX, Encap, EncapId};
pub use spec::{Key, Kind, Remote, TunnelSpec};
pub use table::{Conflict, TunnelId, TunnelTable};
pub use underlay::{Path, Reach, Underlay};
