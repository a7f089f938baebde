//! What a frame is: its key, how the key is read out of the bytes, and the cache that remembers the answer.

pub mod exact;
pub mod extract;
pub mod field;
pub mod hash;
pub mod key;

pub use exact::{ExactCache, FlowId, KeyHash};
pub use extract::{Tunnelled, Unfilled, extract};
pub use field::{Field, Slot};
pub use hash::Seed;
pub use key::{FlowKey, FlowMask, OfPort};
