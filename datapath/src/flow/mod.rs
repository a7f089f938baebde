//! What a frame is: its key, how the key is read out of the bytes, and the caches that remember the answer.

pub mod extract;
pub mod field;
pub mod hash;
pub mod key;
pub mod megaflow;
mod part;
mod plain;
pub mod scope;
pub mod shim;
pub mod signature;
pub mod spread;

pub use extract::{Origin, Tunnelled, Unfilled, extract};
pub use field::{Field, Slot};
pub use hash::Seed;
pub use key::{FlowKey, FlowMask, OfPort};
pub use megaflow::{Answer, CREDITS_MAX, FlowId, Hit, IDLE_MS, MASKS_MAX, Megaflows};
pub use part::Part;
pub use scope::{KeyHash, Scope};
pub use signature::SignatureCache;
