//! Tunnels: what a tunnel port is, where its remote endpoints are, and putting frames in and taking them out.

pub mod answer;
pub mod counter;
pub mod decap;
pub mod ecn;
pub mod encap;
mod familiar;
pub mod fragment;
mod headers;
mod last;
pub mod mss;
pub mod options;
pub mod order;
pub mod spec;
pub mod table;
pub mod too_long;
pub mod underlay;
mod verify;

pub use counter::Counter;
pub use decap::decap;
pub use encap::{ENCAP_MAX, Encap, EncapId, Marks, PACKET_MAX, Stamp};
pub use familiar::{Familiar, Head, Recognised};
pub use fragment::Cuts;
pub use last::Last;
pub use mss::Mss;
pub use options::{Mapping, OptionMap, Piece, Unmapped};
pub use order::Order;
pub use spec::{Key, Kind, Outer, Remote, TunnelSpec};
pub use table::{Conflict, TunnelId, TunnelTable};
pub use too_long::{Fragmenting, Remedy};
pub use underlay::{Path, Reach, Underlay};

/// Network numbers below this are reserved (RFC 7637 section 3.2), so a key below it is no NVGRE key first of all.
pub const VSID_MIN: u32 = 0x1000;
