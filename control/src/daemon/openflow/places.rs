//! The places at a door, for those who have come in by it: so many for all, and so many for those of one source, who come too late otherwise.
//!
//! Nobody who is in has to go for somebody who comes: it would be enough to knock often to end others' connections.

use super::source::Source;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many peers there may be at a time that have come in by a door.
const MOST: usize = 64;
/// Of them, how many that have the same source.
const MOST_OF_ONE: usize = 16;

/// The places at a door: how many of each source are taken; those of this host's own sockets, where a file says who may come, under none.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<BTreeMap<Option<Source>, usize>>>);

/// A place that is taken, as long as this lives.
#[derive(Debug)]
pub(super) struct Taken {
    places: Places,
    source: Option<Source>,
}

impl Places {
    /// A place for somebody, if there is one.
    pub(super) fn take(&self, source: Option<Source>) -> Option<Taken> {
        let mut places = self.locked();
        let all: usize = places.values().sum();
        let of_one = places.get(&source).copied().unwrap_or(0);
        if all >= MOST || source.is_some() && of_one >= MOST_OF_ONE {
            return None;
        }
        places.insert(source, of_one + 1);
        Some(Taken { places: self.clone(), source })
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Option<Source>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut places = self.places.locked();
        match places.get(&self.source).copied() {
            Some(of_one @ 2..) => drop(places.insert(self.source, of_one - 1)),
            _ => drop(places.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come(places: &Places, from: &str, count: usize) -> Vec<Taken> {
        let source = Source::of(from.parse().unwrap());
        (0..count).filter_map(|_| places.take(Some(source))).collect()
    }

    #[test]
    fn one_source_takes_its_share_and_leaves_the_rest_to_others() {
        let places = Places::default();
        let crowd = come(&places, "192.0.2.66", 1000);
        assert_eq!(crowd.len(), MOST_OF_ONE);
        let friend = come(&places, "192.0.2.7", 1);
        assert_eq!(friend.len(), 1);
        drop(crowd);
        assert_eq!(come(&places, "192.0.2.66", 1000).len(), MOST_OF_ONE, "places are given back");
        assert_eq!(places.locked().len(), 1, "and nothing is kept of those who went");
    }

    #[test]
    fn all_together_take_no_more_than_there_are() {
        let places = Places::default();
        let mut all = Vec::new();
        for n in 0..100 {
            all.extend(come(&places, &format!("2001:db8:0:{n:x}::1"), 1));
        }
        assert_eq!(all.len(), MOST);
        all.truncate(10);
        // By a socket of this host's the file's owner comes as often as he likes.
        let own: Vec<_> = (0..100).filter_map(|_| places.take(None)).collect();
        assert_eq!(own.len(), MOST - 10);
    }
}
