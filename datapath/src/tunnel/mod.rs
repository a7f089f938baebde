//! Tunnels: what a tunnel port is, where its remote endpoints are, and putting frames in and taking them out.

pub mod spec;
pub mod underlay;

pub use spec::{Key, Kind, Remote, TunnelSpec};
pub use underlay::{Path, Reach, Underlay};
