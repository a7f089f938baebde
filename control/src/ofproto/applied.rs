//! What came of requests: how much there was of each kind, and what happened to which entry, in order.

use super::{Entry, Removed};
use datapath::pipeline::{Instructions, TableId};
use std::sync::Arc;

/// What came of requests.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Entries, groups or meters that were added; those that took another's place are among them.
    pub added: usize,
    /// Those that were to be changed; some may be as they were.
    pub modified: usize,
    /// Groups and meters that were removed.
    pub others_removed: usize,
    /// Entries that went.
    pub removed: Vec<Removed>,
    /// The entries that were added or changed, as they are now.
    pub entries: Vec<Changed>,
}

/// An entry that was added or changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Its table.
    pub table: TableId,
    /// The entry as it is now.
    pub entry: Entry,
    /// Whether it was added; else it does something else now.
    pub added: bool,
    /// What it did before, or the one whose place it took.
    pub before: Option<Arc<Instructions>>,
    /// How many of those that were removed had gone by then.
    pub behind: usize,
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It went.
    Removed(&'a Removed),
    /// It was added or changed.
    Changed(&'a Changed),
}

impl Applied {
    /// This, and then that.
    pub fn extend(&mut self, more: Applied) {
        if !self.changes() {
            return *self = more;
        }
        self.added += more.added;
        self.modified += more.modified;
        self.others_removed += more.others_removed;
        let gone = self.removed.len();
        self.removed.extend(more.removed);
        let later = |changed: Changed| Changed { behind: gone + changed.behind, ..changed };
        self.entries.extend(more.entries.into_iter().map(later));
    }

    /// What happened to entries, in the order in which it did.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> + Clone {
        let (mut removed, mut entries) =
            (self.removed.iter().enumerate().peekable(), self.entries.iter().peekable());
        std::iter::from_fn(move || {
            let next = entries.peek().map(|changed| changed.behind);
            match removed.next_if(|(at, _)| next.is_none_or(|behind| *at < behind)) {
                Some((_, gone)) => Some(Event::Removed(gone)),
                None => entries.next().map(Event::Changed),
            }
        })
    }

    /// Nothing, with room for as much as there was.
    pub fn clear(&mut self) {
        let Applied { added, modified, others_removed, removed, entries } = self;
        (*added, *modified, *others_removed) = (0, 0, 0);
        removed.clear();
        entries.clear();
    }

    /// Whether the pipeline is another than before.
    pub fn changes(&self) -> bool {
        self.added + self.modified + self.others_removed + self.removed.len() > 0
    }

    /// Whether it is another because something went, of which nobody is to be told, and for nothing else.
    pub fn only_deletes(&self) -> bool {
        let goes = self.others_removed + self.removed.len() > 0;
        goes && self.added + self.modified == 0 && !self.removed.iter().any(Removed::is_told)
    }
}
