//! Programs: lists of actions, each kept once however many flows use it.
//!
//! The arena has a fixed size. When the next batch might not fit, the worker forgets all flows and starts it anew: that
//! costs translations, never memory. How many different programs there are depends on the rules, since an edit writes only the
//! bits that a rule sets; and where a rule copies a field to another or counts a time to live down, on the values that frames
//! have there.

use crate::action::Action;
use crate::mem::BATCH;
use crate::pipeline::ACTIONS_MAX;
use hashbrown::HashTable;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Most actions in the arena. At 20 bytes each, 2.6 MB.
const ACTIONS: usize = 1 << 17;
/// Most programs.
const PROGRAMS: usize = 1 << 14;

const _: () = assert!(PROGRAMS < u16::MAX as usize, "a number of two bytes, and one that is none");

/// All programs of a worker under one pipeline.
#[derive(Debug)]
pub(super) struct Programs {
    actions: Vec<Action>,
    /// Start and end of each program in `actions`.
    bounds: Vec<(u32, u32)>,
    index: HashTable<u16>,
    hasher: BuildHasherDefault<DefaultHasher>,
}

impl Programs {
    pub(super) fn new() -> Programs {
        Programs {
            actions: Vec::with_capacity(ACTIONS),
            bounds: Vec::with_capacity(PROGRAMS),
            index: HashTable::with_capacity(PROGRAMS),
            hasher: BuildHasherDefault::default(),
        }
    }

    /// Whether a whole batch of new programs, each as long as can be, still fits.
    #[inline]
    pub(super) fn fits_a_batch(&self) -> bool {
        self.bounds.len() + BATCH <= PROGRAMS && self.actions.len() + BATCH * ACTIONS_MAX <= ACTIONS
    }

    /// The number of the program with these actions. Whoever calls has asked [`Programs::fits_a_batch`] for the batch.
    pub(super) fn intern(&mut self, actions: &[Action]) -> u16 {
        let hash = self.hasher.hash_one(actions);
        if let Some(id) = self.index.find(hash, |id| self.actions(*id) == actions) {
            return *id;
        }
        let (id, start) = (self.bounds.len() as u16, self.actions.len() as u32);
        self.actions.extend_from_slice(actions);
        self.bounds.push((start, self.actions.len() as u32));
        let Programs { actions, bounds, index, hasher } = self;
        index.insert_unique(hash, id, |id| {
            let (start, end) = bounds[usize::from(*id)];
            hasher.hash_one(&actions[start as usize..end as usize])
        });
        id
    }

    /// The actions of a program.
    #[inline]
    pub(super) fn actions(&self, id: u16) -> &[Action] {
        let (start, end) = self.bounds[usize::from(id)];
        &self.actions[start as usize..end as usize]
    }

    pub(super) fn clear(&mut self) {
        self.actions.clear();
        self.bounds.clear();
        self.index.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::PortId;

    #[test]
    fn equal_programs_are_one() {
        let mut programs = Programs::new();
        let a = programs.intern(&[Action::Output(PortId(1))]);
        let b = programs.intern(&[Action::Output(PortId(2))]);
        assert_eq!(programs.intern(&[Action::Output(PortId(1))]), a);
        assert_ne!(a, b);
        assert_eq!(programs.actions(b), [Action::Output(PortId(2))]);
    }

    #[test]
    fn an_arena_asked_first_never_grows() {
        let mut programs = Programs::new();
        let capacity = |p: &Programs| (p.actions.capacity(), p.bounds.capacity(), p.index.capacity());
        let before = capacity(&programs);
        let mut ports = (0..=u16::MAX).map(|port| [Action::Output(PortId(port)); ACTIONS_MAX]);
        while programs.fits_a_batch() {
            for program in ports.by_ref().take(BATCH) {
                programs.intern(&program);
            }
        }
        assert_eq!(capacity(&programs), before);
        programs.clear();
        assert!(programs.fits_a_batch());
    }
}
