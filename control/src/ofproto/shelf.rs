//! What is kept beside some rules, by the places where they are counted: numbers that begin at 0, and that are used again.
//!
//! In pages that copies of a shelf share until one of them changes a page: so a copy costs a reference. A page where nothing was put is not there.

use std::sync::Arc;

/// Places in a page.
const PAGE: usize = 128;

type Page<T> = [Option<Arc<T>>; PAGE];

/// Things by small numbers.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    pages: Arc<Vec<Option<Arc<Page<T>>>>>,
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Shelf<T> {
        Shelf { pages: self.pages.clone() }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { pages: Arc::default() }
    }
}

impl<T> Shelf<T> {
    /// What is in a place.
    pub(super) fn get(&self, place: u32) -> Option<&Arc<T>> {
        let place = place as usize;
        self.pages.get(place / PAGE)?.as_ref()?.get(place % PAGE)?.as_ref()
    }

    /// Puts something into a place.
    pub(super) fn put(&mut self, place: u32, thing: Arc<T>) {
        let page = place as usize / PAGE;
        let pages = Arc::make_mut(&mut self.pages);
        if pages.len() <= page {
            pages.resize(page + 1, None);
        }
        let page = pages[page].get_or_insert_with(|| Arc::new([const { None }; PAGE]));
        Arc::make_mut(page)[place as usize % PAGE] = Some(thing);
    }

    /// Empties a place.
    pub(super) fn clear(&mut self, place: u32) {
        let (page, at) = (place as usize / PAGE, place as usize % PAGE);
        if self.get(place).is_some() {
            let page = Arc::make_mut(&mut self.pages)[page].as_mut();
            page.into_iter().for_each(|page| Arc::make_mut(page)[at] = None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_as_it_was() {
        let mut shelf = Shelf::default();
        let places = [0, 1, 127, 128, 5000];
        places.iter().for_each(|place| shelf.put(*place, Arc::new(*place)));
        let copy = shelf.clone();
        shelf.clear(128);
        shelf.clear(1_000_000);
        shelf.put(1, Arc::new(7));
        let seen = |shelf: &Shelf<u32>| places.map(|place| shelf.get(place).map(|thing| **thing));
        assert_eq!(seen(&copy), places.map(Some));
        assert_eq!(seen(&shelf), [Some(0), Some(7), Some(127), None, Some(5000)]);
        assert_eq!(shelf.get(1_000_000), None);
    }
}
