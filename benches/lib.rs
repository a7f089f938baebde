//! What the benches share: frames, a switch to put them through, and how to measure without fooling oneself.
//!
//! - `wire`, `rings`, `lookup`, `tunnel`, `turns`: one layer each, with criterion.
//! - `bench-turn`: whole turns over ports without devices: time, packets a second, allocations.
//! - `bench-instructions`: the same turns under callgrind: a number that no neighbour disturbs.
//! - `bench-engine`: the flow engine: known flows and new ones, an attack on it, rules that change meanwhile.
//! - `bench-layers`: one layer at a time: time, cycles, instructions, allocations.
//! - `bench-scaling`: two workers on two cores, next to one.
//! - `bench-mods`: what a flow-mod takes control, without sockets and workers; `bench-nothing`: a switch that does nothing, for `install/run`.
//! - `bench-replay`, `bench-offer`, `bench-pingpong`: for `peers/run`, which compares with other switches.
//! - `bench-veth`: real sockets on real devices, next to a bare loop over the rings. Needs root.
//!
//! `scripts/bench` runs them all; `RESULTS.md` says what came out.

pub mod allocations;
pub mod bpf;
pub mod frames;
pub mod place;
pub mod rings;
pub mod sample;
pub mod switch;

use std::fmt;
use std::str::FromStr;

/// What the switch does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// From a guest to a guest by its MAC address.
    Forward,
    /// From a guest into a VXLAN tunnel.
    Encap,
    /// Out of a VXLAN tunnel to a guest.
    Decap,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 3] = [Scenario::Forward, Scenario::Encap, Scenario::Decap];
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Scenario::Forward => "forward",
            Scenario::Encap => "encap",
            Scenario::Decap => "decap",
        })
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Scenario, String> {
        let found = Scenario::ALL.into_iter().find(|scenario| scenario.to_string() == text);
        found.ok_or_else(|| format!("unknown scenario {text} (known: forward, encap, decap)"))
    }
}
