//! What a frame is: its key, how the key is read out of the bytes, and the cache that remembers the answer.

pub mod field;
pub mod key;

pub use field::{Field, Slot};
pub use key::{FlowKey, FlowMask, OfPort};
