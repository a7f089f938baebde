//! Programs: lists of actions, each kept once however many flows use it.
//!
//! The arena has a fixed size, of which a part is set aside for one batch: a program that finds no room any more is put there,
//! done, and forgotten. How many different programs there are depends on the rules, since an edit writes only the bits that a
//! rule sets; and where a rule copies a field to another or counts a time to live down, on the values that frames have there.

use crate::action::Action;
use crate::flow::Seed;
use crate::flow::hash::Mixer;
use crate::mem::BATCH;
use crate::pipeline::ACTIONS_MAX;
use crate::tunnel::{EncapId, Marks};
use hashbrown::HashTable;
use std::hash::{Hash, Hasher};

/// Most actions in the arena. At 20 bytes each, 2.6 MB.
const ACTIONS: usize = 1 << 17;
/// Most programs.
const PROGRAMS: usize = 1 << 14;
/// Those of them that are kept; the others are for a batch that does not fit.
const ACTIONS_KEPT: usize = ACTIONS - BATCH * ACTIONS_MAX;
const PROGRAMS_KEPT: usize = PROGRAMS - BATCH;

const _: () = assert!(PROGRAMS < u16::MAX as usize, "a number of two bytes, and one that is none");

/// All programs of a worker under one pipeline.
#[derive(Debug)]
pub(super) struct Programs {
    actions: Vec<Action>,
    /// Start and end of each program in `actions`; first those that are kept.
    bounds: Vec<(u32, u32)>,
    /// What each program does, if all that it does is to put frames into a tunnel.
    wraps: Vec<Option<(EncapId, Marks)>>,
    kept: usize,
    most: usize,
    index: HashTable<u16>,
    seed: Seed,
}

impl Programs {
    pub(super) fn new(seed: Seed) -> Programs {
        Programs {
            actions: Vec::with_capacity(ACTIONS),
            bounds: Vec::with_capacity(PROGRAMS),
            wraps: Vec::with_capacity(PROGRAMS),
            kept: 0,
            most: PROGRAMS_KEPT,
            index: HashTable::with_capacity(PROGRAMS),
            seed,
        }
    }

    /// Keeps no more than this.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most.min(PROGRAMS_KEPT);
    }

    /// The number of the program with these actions, if it is kept or there is room to keep it.
    pub(super) fn keep(&mut self, actions: &[Action]) -> Option<u16> {
        let hash = hash(actions, &self.seed);
        if let Some(id) = self.index.find(hash, |id| self.actions(*id) == actions) {
            return Some(*id);
        }
        let fits = self.kept < self.most && self.actions.len() + actions.len() <= ACTIONS_KEPT;
        // Nothing is kept behind what was put aside.
        if !fits || self.bounds.len() > self.kept {
            return None;
        }
        let id = self.push(actions);
        self.kept += 1;
        let Programs { actions, bounds, index, seed, .. } = self;
        index.insert_unique(hash, id, |id| {
            let (start, end) = bounds[usize::from(*id)];
            self::hash(&actions[start as usize..end as usize], seed)
        });
        Some(id)
    }

    /// The number of a program that is there until [`Programs::end_batch`]: one for each frame of a batch at the most.
    pub(super) fn put_aside(&mut self, actions: &[Action]) -> u16 {
        debug_assert!(self.bounds.len() < self.kept + BATCH && actions.len() <= ACTIONS_MAX);
        self.push(actions)
    }

    fn push(&mut self, actions: &[Action]) -> u16 {
        let (id, start) = (self.bounds.len() as u16, self.actions.len() as u32);
        self.actions.extend_from_slice(actions);
        self.bounds.push((start, self.actions.len() as u32));
        self.wraps.push(match *actions {
            [Action::Encap { encap, marks }] if marks.options_len() == 0 => Some((encap, marks)),
            _ => None,
        });
        id
    }

    /// The actions of a program.
    #[inline]
    pub(super) fn actions(&self, id: u16) -> &[Action] {
        let (start, end) = self.bounds[usize::from(id)];
        &self.actions[start as usize..end as usize]
    }

    /// Which tunnel a program puts frames into, if it does nothing else.
    #[inline]
    pub(super) fn wrap(&self, id: u16) -> Option<&(EncapId, Marks)> {
        self.wraps.get(usize::from(id))?.as_ref()
    }

    /// Forgets what was put aside.
    pub(super) fn end_batch(&mut self) {
        self.bounds.truncate(self.kept);
        self.wraps.truncate(self.kept);
        self.actions.truncate(self.bounds.last().map_or(0, |(_, end)| *end as usize));
    }

    pub(super) fn clear(&mut self) {
        self.actions.clear();
        self.bounds.clear();
        self.wraps.clear();
        self.index.clear();
        self.kept = 0;
    }
}

fn hash(actions: &[Action], seed: &Seed) -> u64 {
    let mut mixer = Mixer::new(seed);
    actions.hash(&mut mixer);
    mixer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::PortId;

    #[test]
    fn equal_programs_are_one() {
        let mut programs = Programs::new(Seed::new(1));
        let a = programs.keep(&[Action::Output(PortId(1))]);
        let b = programs.keep(&[Action::Output(PortId(2))]);
        assert_eq!(programs.keep(&[Action::Output(PortId(1))]), a);
        assert_ne!(a, b);
        assert_eq!(programs.actions(b.unwrap()), [Action::Output(PortId(2))]);
    }

    #[test]
    fn an_arena_that_is_full_takes_a_batch_and_never_grows() {
        let mut programs = Programs::new(Seed::new(1));
        let capacity = |p: &Programs| (p.actions.capacity(), p.bounds.capacity(), p.index.capacity());
        let before = capacity(&programs);
        let program = |port: u16| [Action::Output(PortId(port)); ACTIONS_MAX];
        let kept = (0..=u16::MAX).take_while(|port| programs.keep(&program(*port)).is_some()).count() as u16;
        assert_eq!(usize::from(kept), ACTIONS_KEPT / ACTIONS_MAX);
        for port in 0..BATCH as u16 {
            let id = programs.put_aside(&program(kept + port));
            assert_eq!(programs.actions(id), program(kept + port));
            assert_eq!(programs.keep(&program(9)), Some(9));
        }
        assert_eq!(capacity(&programs), before);
        programs.end_batch();
        assert_eq!((programs.bounds.len(), programs.actions(9)), (usize::from(kept), &program(9)[..]));
        programs.clear();
        assert_eq!(programs.keep(&program(9)), Some(0));
    }

    #[test]
    fn no_more_are_kept_than_the_limit_says() {
        let mut programs = Programs::new(Seed::new(1));
        programs.limit(1);
        let [a, b] = [1, 2].map(|port| [Action::Output(PortId(port))]);
        assert_eq!((programs.keep(&a), programs.keep(&b), programs.put_aside(&b)), (Some(0), None, 1));
        assert_eq!((programs.keep(&a), programs.actions(1)), (Some(0), &b[..]));
        programs.end_batch();
        assert_eq!((programs.keep(&b), programs.actions(0)), (None, &a[..]));
    }
}
