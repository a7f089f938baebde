//! The switch: frames in, tenants and flows looked up, frames out.
//!
//! Six nouns and one verb: Frame, Batch, Port, FlowKey, Megaflow, Action, and *turn* ([`worker`]).
//! No async, no serde, no OpenFlow messages, no eBPF loader in here. Each module names only those before it:
//! stats, wire, mem, port, flow, tunnel, action, pipeline, worker (`tests/layering.rs` reads the sources and says so).

pub mod action;
pub mod flow;
pub mod mem;
pub mod pipeline;
pub mod port;
pub mod stats;
pub mod tunnel;
pub mod wire;
pub mod worker;
