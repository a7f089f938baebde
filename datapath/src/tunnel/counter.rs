//! A number that counts on from packet to packet, for all workers together: GRE sequence numbers, IPv4 identifications.
//!
//! Only tunnels that were asked for it have one; it is the one thing that workers write in common besides what they publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts. A clone counts with the original, so that it goes on when a pipeline gives way to the next.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU32>);

impl Counter {
    /// The next number: 0 first; after 2^32 of them from the start again.
    #[inline]
    pub fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// How far somebody has counted is not part of what the operator has written.
impl PartialEq for Counter {
    fn eq(&self, _: &Counter) -> bool {
        true
    }
}

impl Eq for Counter {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_goes_on_counting() {
        let counter = Counter::default();
        assert_eq!((counter.next(), counter.clone().next(), counter.next()), (0, 1, 2));
    }
}
