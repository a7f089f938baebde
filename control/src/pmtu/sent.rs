//! Which tunnels were sent into of late. A router answers a packet within its time of flight, so what is said of a tunnel that carried
//! nothing is made up.
//!
//! Tunnels are counted, and their remote ends are not: of one that leaves its remote end to flows, any of its frames counts.

use datapath::flow::OfPort;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What was sent so long ago is not answered any more. Counts are looked at once a second and lag behind by a second or two.
const RECENT: Duration = Duration::from_secs(10);

/// What is known of one.
#[derive(Clone, Copy, Debug)]
struct Count {
    packets: u64,
    /// When it was seen to be another number than before.
    changed: Option<Instant>,
}

/// What was counted of all of them, and when that changed.
#[derive(Debug, Default)]
pub struct Sent(BTreeMap<OfPort, Count>);

impl Sent {
    /// How many packets each tunnel has been to carry by now; those that are not named are forgotten.
    pub fn note(&mut self, counts: impl IntoIterator<Item = (OfPort, u64)>, now: Instant) {
        let before = std::mem::take(&mut self.0);
        let count = |(tunnel, packets): (OfPort, u64)| {
            let had = before.get(&tunnel);
            // One that is counted anew begins with nothing.
            let changed = match had.map_or(0, |had| had.packets) != packets {
                true => (packets > 0).then_some(now),
                false => had.and_then(|had| had.changed),
            };
            (tunnel, Count { packets, changed })
        };
        self.0 = counts.into_iter().map(count).collect();
    }

    /// Whether this one was sent into of late.
    pub fn lately(&self, tunnel: OfPort, now: Instant) -> bool {
        let changed = self.0.get(&tunnel).and_then(|count| count.changed);
        changed.is_some_and(|changed| now.saturating_duration_since(changed) < RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_was_sent_into_for_as_long_as_its_count_changed_of_late() {
        let (mut sent, start) = (Sent::default(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        let (one, two) = (OfPort(1), OfPort(2));
        assert!(!sent.lately(one, start));
        sent.note([(one, 0), (two, 5)], at(0));
        assert!(!sent.lately(one, at(0)) && sent.lately(two, at(9)) && !sent.lately(two, at(10)));
        sent.note([(one, 1), (two, 5)], at(8));
        assert!(sent.lately(one, at(8)) && sent.lately(two, at(9)) && !sent.lately(two, at(10)));
        // Counted from nothing on, and gone.
        sent.note([(one, 0)], at(9));
        assert!(!sent.lately(one, at(9)) && !sent.lately(two, at(9)));
    }
}
