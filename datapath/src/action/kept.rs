//! Things that programs name by number, each kept once however many programs name it.
//!
//! The memory has a fixed size, of which a part is set aside: what finds no room any more is put there, for the batch that
//! needs it and no longer.

use hashbrown::HashTable;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

/// Things of one kind.
#[derive(Debug)]
pub(super) struct Kept<T> {
    /// First those that are kept.
    things: Vec<T>,
    kept: usize,
    most: usize,
    index: HashTable<u32>,
    hasher: BuildHasherDefault<DefaultHasher>,
}

impl<T: Eq + Hash> Kept<T> {
    /// With room for so many, and for so many more that a batch may need.
    pub(super) fn new(most: usize, batch: usize) -> Kept<T> {
        Kept {
            things: Vec::with_capacity(most + batch),
            kept: 0,
            most,
            index: HashTable::with_capacity(most),
            hasher: BuildHasherDefault::default(),
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.things.get(number as usize)
    }

    /// The number of a thing, and whether it is kept. If not, it means this thing until [`Kept::end_batch`].
    pub(super) fn keep(&mut self, thing: T) -> (u32, bool) {
        let Kept { things, kept, most, index, hasher } = self;
        let hash = hasher.hash_one(&thing);
        if let Some(number) = index.find(hash, |number| things[*number as usize] == thing) {
            return (*number, true);
        }
        // Nothing is kept behind what was put aside.
        if *kept == *most || things.len() > *kept {
            return (self.put_aside(thing), false);
        }
        let number = things.len() as u32;
        things.push(thing);
        *kept += 1;
        index.insert_unique(hash, number, |number| hasher.hash_one(&things[*number as usize]));
        (number, true)
    }

    /// The number of a thing until [`Kept::end_batch`].
    pub(super) fn put_aside(&mut self, thing: T) -> u32 {
        debug_assert!(self.things.len() < self.things.capacity(), "more than a batch may need");
        let number = self.things.len() as u32;
        self.things.push(thing);
        number
    }

    /// Forgets what was put aside.
    pub(super) fn end_batch(&mut self) {
        self.things.truncate(self.kept);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.things.clear();
        self.index.clear();
        self.kept = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_there_for_its_batch() {
        let mut kept = Kept::new(2, 3);
        assert_eq!(["a", "b", "a"].map(|thing| kept.keep(thing)), [(0, true), (1, true), (0, true)]);
        assert_eq!(["c", "c", "b"].map(|thing| kept.keep(thing)), [(2, false), (3, false), (1, true)]);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|n| kept.get(n).copied()),
            [Some("a"), Some("b"), Some("c"), Some("c"), None]
        );
        kept.end_batch();
        assert_eq!((kept.get(1), kept.get(2)), (Some(&"b"), None));
        assert_eq!(kept.keep("d"), (2, false));
        kept.clear();
        assert_eq!(kept.get(0), None);
        assert_eq!(kept.keep("d"), (0, true));
    }
}
