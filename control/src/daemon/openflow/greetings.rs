//! TLS connections that are beginning at a door: how many there may be, of all who come and of one of them.
//!
//! Whoever comes is a stranger until he has shown his certificate, and strangers who come and say nothing must take no peer's place: one
//! too many, and the oldest has to go. It is one of the same source where that has its share already, so that nobody ends others'.

use super::source::Source;
use std::collections::VecDeque;
use tokio::task::AbortHandle;

/// With how many TLS may be beginning at one door.
const MOST: usize = 64;
/// Of them, with how many that have the same source: a controller that comes back has one or two.
const MOST_OF_ONE: usize = 8;

/// Those that are beginning, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Greetings(VecDeque<(Source, AbortHandle)>);

impl Greetings {
    /// One more. Ends the oldest of the same source, or of all, if there are as many as may be.
    pub(super) fn add(&mut self, source: Source, greeting: AbortHandle) {
        self.0.retain(|(_, greeting)| !greeting.is_finished());
        let of_one = self.0.iter().filter(|(other, _)| *other == source).count();
        let last = match of_one < MOST_OF_ONE {
            true => (self.0.len() >= MOST).then_some(0),
            false => self.0.iter().position(|(other, _)| *other == source),
        };
        if let Some((_, oldest)) = last.and_then(|at| self.0.remove(at)) {
            oldest.abort();
        }
        self.0.push_back((source, greeting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::time::Duration;
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    /// So many that come from there and say nothing.
    fn strangers(greetings: &mut Greetings, from: &str, count: usize) -> Vec<JoinHandle<()>> {
        let mut come = |_| {
            let stranger = tokio::spawn(pending());
            greetings.add(Source::of(from.parse().unwrap()), stranger.abort_handle());
            stranger
        };
        (0..count).map(&mut come).collect()
    }

    async fn left(strangers: &[JoinHandle<()>]) -> usize {
        // Time for those that were ended to end.
        sleep(Duration::from_millis(20)).await;
        strangers.iter().filter(|stranger| !stranger.is_finished()).count()
    }

    #[tokio::test]
    async fn who_comes_often_ends_his_own_and_nobody_elses() {
        let mut greetings = Greetings::default();
        let friend = strangers(&mut greetings, "192.0.2.7", 1);
        let crowd = strangers(&mut greetings, "192.0.2.66", 1000);
        assert_eq!((left(&friend).await, left(&crowd).await), (1, MOST_OF_ONE));
        assert!(crowd[1000 - MOST_OF_ONE..].iter().all(|last| !last.is_finished()), "the last may stay");
        assert_eq!(greetings.0.len(), 1 + MOST_OF_ONE);
    }

    #[tokio::test]
    async fn addresses_of_one_link_are_one_source() {
        let mut greetings = Greetings::default();
        let mut crowd = Vec::new();
        for n in 0..100 {
            crowd.extend(strangers(&mut greetings, &format!("2001:db8::{n:x}:1"), 1));
        }
        let neighbours = strangers(&mut greetings, "2001:db8:0:1::1", 1);
        assert_eq!((left(&crowd).await, left(&neighbours).await), (MOST_OF_ONE, 1));
        let v4 = strangers(&mut greetings, "::ffff:192.0.2.1", MOST_OF_ONE);
        let same = strangers(&mut greetings, "192.0.2.1", 1);
        assert_eq!((left(&v4).await, left(&same).await), (MOST_OF_ONE - 1, 1));
    }

    #[tokio::test]
    async fn the_oldest_of_all_goes_where_each_has_few() {
        let mut greetings = Greetings::default();
        let mut all = Vec::new();
        for n in 0..=MOST {
            all.extend(strangers(&mut greetings, &format!("192.0.2.{n}"), 1));
        }
        assert_eq!(left(&all).await, MOST);
        assert!(all[0].is_finished());
        // Those that are over take no place.
        all[1].abort();
        assert_eq!(left(&all).await, MOST - 1);
        all.extend(strangers(&mut greetings, "198.51.100.1", 1));
        assert_eq!(left(&all).await, MOST);
    }
}
