//! Packets in, packets out, counters moved: what runs the cases in `cases/`. See `README.md` there for what a case is.
//!
//! A case is replayed through the library behind `adit replay` ([`case`]); what came out is compared packet by packet
//! ([`compare`]) and counter by counter ([`counters`]).

pub mod capture;
pub mod case;
pub mod compare;
pub mod counters;
pub mod entropy;
mod place;

pub use case::Case;
