//! How often the kernel is asked to resolve a neighbour: at once, then at growing intervals, each neighbour for itself.
//!
//! Pure: the clock is an argument.

use super::facts::NextHop;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Interval after the first request, and the least interval between two.
const SHORTEST: Duration = Duration::from_millis(250);
/// Intervals double up to here; the address of a dead peer is worth a few packets a minute.
const LONGEST: Duration = Duration::from_secs(30);

/// When each next hop was asked for.
#[derive(Debug, Default)]
pub(super) struct Asking {
    asked: BTreeMap<NextHop, Asked>,
}

#[derive(Debug)]
struct Asked {
    at: Instant,
    wait: Duration,
    /// What the kernel said against it, for people.
    refused: Option<String>,
}

impl Asking {
    /// Given all next hops and whether each needs asking: those to ask for now, and when to come back.
    pub(super) fn due(
        &mut self,
        now: Instant,
        hops: &BTreeMap<NextHop, bool>,
    ) -> (Vec<NextHop>, Option<Instant>) {
        self.asked.retain(|hop, _| hops.contains_key(hop));
        let (mut due, mut again) = (Vec::new(), None::<Instant>);
        for (&hop, &needs_asking) in hops {
            if !needs_asking {
                self.settled(hop);
                continue;
            }
            let wait = match self.asked.get(&hop) {
                None => SHORTEST,
                Some(asked) if now >= asked.at + asked.wait => (asked.wait * 2).min(LONGEST),
                Some(asked) => {
                    again = earlier(again, asked.at + asked.wait);
                    continue;
                }
            };
            self.asked.insert(hop, Asked { at: now, wait, refused: None });
            again = earlier(again, now + wait);
            due.push(hop);
        }
        (due, again)
    }

    /// Notes that the kernel did not take the request.
    pub(super) fn refused(&mut self, hop: NextHop, reason: String) {
        if let Some(asked) = self.asked.get_mut(&hop) {
            asked.refused = Some(reason);
        }
    }

    /// Why the kernel did not take the last request, if it did not.
    pub(super) fn refusal(&self, hop: NextHop) -> Option<&str> {
        self.asked.get(&hop)?.refused.as_deref()
    }

    /// A resolved next hop starts over with short intervals, yet is not asked for more often than that.
    fn settled(&mut self, hop: NextHop) {
        if let Some(asked) = self.asked.get_mut(&hop) {
            asked.wait = SHORTEST;
            asked.refused = None;
        }
    }
}

/// The earlier of two instants, the first of which may be absent.
fn earlier(first: Option<Instant>, second: Instant) -> Option<Instant> {
    Some(first.map_or(second, |first| first.min(second)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const HOP: NextHop = (2, IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    #[test]
    fn a_missing_neighbour_is_asked_for_at_once_and_then_ever_more_rarely() {
        let (start, mut asking) = (Instant::now(), Asking::default());
        let missing = BTreeMap::from([(HOP, true)]);
        let (mut now, mut waits) = (start, Vec::new());
        for _ in 0..10 {
            let (due, again) = asking.due(now, &missing);
            assert_eq!(due, [HOP]);
            let again = again.unwrap();
            assert_eq!(asking.due(again - Duration::from_millis(1), &missing), (vec![], Some(again)));
            waits.push((again - now).as_millis());
            now = again;
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[test]
    fn a_neighbour_that_was_resolved_and_lost_is_asked_for_soon_but_not_in_a_storm() {
        let (start, mut asking) = (Instant::now(), Asking::default());
        let (missing, found) = (BTreeMap::from([(HOP, true)]), BTreeMap::from([(HOP, false)]));
        asking.due(start, &missing);
        asking.due(start + SHORTEST, &missing);
        assert_eq!(asking.due(start + SHORTEST, &found), (vec![], None));
        assert_eq!(asking.due(start + SHORTEST, &missing), (vec![], Some(start + SHORTEST * 2)));
        assert_eq!(asking.due(start + SHORTEST * 2, &missing).0, [HOP]);
    }

    #[test]
    fn a_next_hop_that_nobody_needs_is_forgotten() {
        let (now, mut asking) = (Instant::now(), Asking::default());
        asking.due(now, &BTreeMap::from([(HOP, true)]));
        asking.due(now, &BTreeMap::new());
        assert!(asking.asked.is_empty());
    }

    #[test]
    fn a_refused_request_tells_why_until_the_neighbour_is_found() {
        let (now, mut asking) = (Instant::now(), Asking::default());
        asking.due(now, &BTreeMap::from([(HOP, true)]));
        asking.refused(HOP, "not permitted".into());
        assert_eq!(asking.refusal(HOP), Some("not permitted"));
        asking.due(now, &BTreeMap::from([(HOP, false)]));
        assert_eq!(asking.refusal(HOP), None);
    }
}
