//! Megaflows: answers that hold for every frame which agrees in the bits that were looked at.
//!
//! **What.** Each flow is a masked key, the mask it was made with, and a program. Flows lie in one table of fixed size and are
//! found by hash of the masked key, mask by mask. The table does not grow: a new flow takes the place of one that was not
//! used for long.
//!
//! **How many masks.** Masks come from rules, not from packets ([`crate::pipeline::Table`]), and at most [`MASKS_MAX`] are kept
//! at a time; an answer with yet another mask is remembered for its exact key alone, which is always right, under the one
//! exact mask. So a lookup that finds nothing costs at most that many probes, whatever is sent.
//!
//! **What a flow promises.** Under the generation that stands in it, translating any key that fits gives its program. Flows may
//! overlap; by that promise they agree.
//!
//! **Threads.** One owner, the worker. Nothing is allocated after [`Megaflows::new`].

use super::hash::{Seed, masked_hash};
use super::key::{FlowKey, FlowMask, PACKET_WORDS, SHORT_WORDS};
use crate::mem::prefetch;
use hashbrown::HashTable;

/// Most masks at a time, the exact one among them.
pub const MASKS_MAX: usize = 64;

const REST: usize = PACKET_WORDS - SHORT_WORDS;
const EXACT: usize = 0;
/// Flows looked at to find the one to give up.
const CANDIDATES: usize = 8;

/// A flow of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowId(pub(super) u32);

/// An answer, as it is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Generation of the pipeline that gave it.
    pub generation: u64,
    /// Tables that were asked, as bits.
    pub tables: u64,
    /// Words of the key that rules changed, as bits.
    pub rewritten: u64,
    /// What to do.
    pub program: u32,
}

/// First line: the masked key. Second line: what a hit reads and writes.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
struct Flow {
    key: [u64; SHORT_WORDS],
    answer: Answer,
    used_ms: u32,
    mask: u16,
    taken: bool,
}

const _: () = assert!(size_of::<Flow>() == 128, "a flow is two cache lines");

#[derive(Clone, Debug, Default)]
struct Mask {
    bits: FlowMask,
    /// Whether it has bits beyond the first line of a key.
    long: bool,
    flows: u32,
}

/// The table.
#[derive(Debug)]
pub struct Megaflows {
    flows: Box<[Flow]>,
    /// The words of long keys beyond their first line, at the flow's place; untouched pages cost nothing.
    rests: Box<[[u64; REST]]>,
    index: HashTable<u32>,
    free: Vec<u32>,
    masks: Vec<Mask>,
    hand: usize,
    seed: Seed,
}

impl Megaflows {
    /// A table of at most `flows` flows (at least 64, at most 2^24).
    pub fn new(flows: usize, seed: Seed) -> Megaflows {
        let flows = flows.clamp(64, 1 << 24);
        let mut masks = Vec::with_capacity(MASKS_MAX);
        masks.push(Mask { bits: exact(), long: true, flows: 0 });
        Megaflows {
            flows: vec![Flow::default(); flows].into_boxed_slice(),
            rests: vec![[0; REST]; flows].into_boxed_slice(),
            // Twice the room, so that removing and inserting never makes it rearrange itself into more.
            index: HashTable::with_capacity(flows * 2),
            free: (0..flows as u32).rev().collect(),
            masks,
            hand: 0,
            seed,
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.flows.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many masks are in use.
    pub fn masks(&self) -> usize {
        self.masks.iter().filter(|mask| mask.flows > 0).count()
    }

    /// Brings a flow near.
    #[inline]
    pub fn prefetch(&self, flow: FlowId) {
        prefetch(&self.flows[flow.0 as usize].key);
        prefetch(&self.flows[flow.0 as usize].answer);
    }

    /// Whether a frame with this key belongs to the flow.
    #[inline]
    pub fn fits(&self, flow: FlowId, key: &FlowKey) -> bool {
        let have = &self.flows[flow.0 as usize];
        have.taken && self.equal(flow.0, usize::from(have.mask), key)
    }

    #[inline]
    fn equal(&self, flow: u32, mask: usize, key: &FlowKey) -> bool {
        let (have, mask) = (&self.flows[flow as usize], &self.masks[mask]);
        let mut differing = 0;
        for ((have, bits), key) in have.key.iter().zip(mask.bits.short()).zip(key.short()) {
            differing |= have ^ key & bits;
        }
        if mask.long {
            let rest = &self.rests[flow as usize];
            for ((have, bits), key) in rest.iter().zip(mask.bits.rest()).zip(key.rest()) {
                differing |= have ^ key & bits;
            }
        }
        differing == 0
    }

    /// The flow that a frame with this key belongs to.
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        self.masks.iter().enumerate().filter(|(_, mask)| mask.flows > 0).find_map(|(at, mask)| {
            let hash = masked_hash(key, &mask.bits, mask.long, at, &self.seed);
            let same =
                |flow: &u32| usize::from(self.flows[*flow as usize].mask) == at && self.equal(*flow, at, key);
            self.index.find(hash, same).map(|flow| FlowId(*flow))
        })
    }

    /// What was answered.
    #[inline]
    pub fn answer(&self, flow: FlowId) -> &Answer {
        &self.flows[flow.0 as usize].answer
    }

    /// The flow was used.
    #[inline]
    pub fn touch(&mut self, flow: FlowId, now_ms: u32) {
        self.flows[flow.0 as usize].used_ms = now_ms;
    }

    /// The answer is as good in this generation.
    pub fn renew(&mut self, flow: FlowId, generation: u64) {
        self.flows[flow.0 as usize].answer.generation = generation;
    }

    /// The bits that a flow is known by.
    #[inline]
    pub fn mask(&self, flow: FlowId) -> &FlowMask {
        &self.masks[usize::from(self.flows[flow.0 as usize].mask)].bits
    }

    /// Remembers an answer for every frame that agrees with `key` in `mask`. `now_ms` is the turn's time in milliseconds.
    pub fn insert(&mut self, key: &FlowKey, mask: &FlowMask, answer: Answer, now_ms: u32) -> FlowId {
        let at = self.mask_for(mask);
        let Mask { bits, long, .. } = &self.masks[at];
        let hash = masked_hash(key, bits, *long, at, &self.seed);
        let same =
            |flow: &u32| usize::from(self.flows[*flow as usize].mask) == at && self.equal(*flow, at, key);
        if let Some(flow) = self.index.find(hash, same).copied() {
            let have = &mut self.flows[flow as usize];
            (have.answer, have.used_ms) = (answer, now_ms);
            return FlowId(flow);
        }
        let flow = self.free.pop().unwrap_or_else(|| self.evict(now_ms));
        let Mask { bits, long, .. } = &self.masks[at];
        let masked = |words: &[u64], bits: &[u64], to: &mut [u64]| {
            to.iter_mut().zip(words.iter().zip(bits)).for_each(|(to, (word, bits))| *to = word & bits);
        };
        let have = &mut self.flows[flow as usize];
        masked(key.short(), bits.short(), &mut have.key);
        if *long {
            masked(key.rest(), bits.rest(), &mut self.rests[flow as usize]);
        }
        (have.answer, have.used_ms, have.mask, have.taken) = (answer, now_ms, at as u16, true);
        self.masks[at].flows += 1;
        let Megaflows { flows, rests, masks, index, seed, .. } = self;
        index.insert_unique(hash, flow, |flow| hash_of(*flow, flows, rests, masks, seed));
        FlowId(flow)
    }

    /// Forgets a flow.
    pub fn remove(&mut self, flow: FlowId) {
        if self.flows[flow.0 as usize].taken {
            self.unlink(flow.0);
            self.free.push(flow.0);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.index.clear();
        self.free.clear();
        self.free.extend((0..self.flows.len() as u32).rev());
        self.flows.iter_mut().for_each(|flow| flow.taken = false);
        self.masks.truncate(1);
        self.masks[EXACT].flows = 0;
    }

    fn unlink(&mut self, flow: u32) {
        let hash = hash_of(flow, &self.flows, &self.rests, &self.masks, &self.seed);
        if let Ok(entry) = self.index.find_entry(hash, |have| *have == flow) {
            entry.remove();
        }
        let have = &mut self.flows[flow as usize];
        have.taken = false;
        self.masks[usize::from(have.mask)].flows -= 1;
    }

    /// Gives up the flow unused for longest among the next few.
    fn evict(&mut self, now_ms: u32) -> u32 {
        let size = self.flows.len();
        let candidates = (0..CANDIDATES).map(|i| (self.hand + i) % size);
        let idle = |flow: usize| now_ms.wrapping_sub(self.flows[flow].used_ms);
        let victim = candidates.max_by_key(|flow| idle(*flow)).unwrap_or(0);
        self.hand = (self.hand + CANDIDATES) % size;
        self.unlink(victim as u32);
        victim as u32
    }

    /// The place of a mask; that of the exact one when there is no room for another.
    fn mask_for(&mut self, wanted: &FlowMask) -> usize {
        let same = |mask: &Mask| mask.bits.short() == wanted.short() && mask.bits.rest() == wanted.rest();
        if let Some(at) = self.masks.iter().position(same) {
            return at;
        }
        let mask = Mask { bits: wanted.clone(), long: wanted.is_long(), flows: 0 };
        if self.masks.len() < MASKS_MAX {
            self.masks.push(mask);
            return self.masks.len() - 1;
        }
        match self.masks.iter().skip(1).position(|mask| mask.flows == 0) {
            Some(at) => {
                self.masks[at + 1] = mask;
                at + 1
            }
            None => EXACT,
        }
    }
}

/// Every bit of a frame's key.
fn exact() -> FlowMask {
    let mut mask = FlowMask::default();
    mask.words_mut()[..PACKET_WORDS].fill(u64::MAX);
    mask
}

fn hash_of(flow: u32, flows: &[Flow], rests: &[[u64; REST]], masks: &[Mask], seed: &Seed) -> u64 {
    let at = usize::from(flows[flow as usize].mask);
    let mut key = FlowKey::default();
    key.words_mut()[..SHORT_WORDS].copy_from_slice(&flows[flow as usize].key);
    if masks[at].long {
        key.words_mut()[SHORT_WORDS..PACKET_WORDS].copy_from_slice(&rests[flow as usize]);
    }
    masked_hash(&key, &masks[at].bits, masks[at].long, at, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;

    fn key(source: u128, port: u128) -> FlowKey {
        let mut key = FlowKey::default();
        key.set(Field::NwSrc, source);
        key.set(Field::TpSrc, port);
        key
    }

    fn sources() -> FlowMask {
        key(Field::NwSrc.max(), 0)
    }

    fn answer(program: u32) -> Answer {
        Answer { generation: 1, program, ..Answer::default() }
    }

    fn program(flows: &Megaflows, key: &FlowKey) -> Option<u32> {
        flows.find(key).map(|flow| flows.answer(flow).program)
    }

    #[test]
    fn a_flow_takes_every_frame_that_agrees_in_its_mask() {
        let mut flows = Megaflows::new(64, Seed::new(1));
        flows.insert(&key(7, 1000), &sources(), answer(5), 0);
        assert_eq!(program(&flows, &key(7, 2000)), Some(5));
        assert_eq!(program(&flows, &key(8, 1000)), None);
    }

    #[test]
    fn flows_of_long_keys_are_told_apart_by_their_rest() {
        let mut flows = Megaflows::new(64, Seed::new(1));
        let (mut a, mut b, mut mask) = (key(1, 1), key(1, 1), sources());
        a.set(Field::Ipv6Dst, 1);
        b.set(Field::Ipv6Dst, 2);
        mask.set(Field::Ipv6Dst, u128::MAX);
        flows.insert(&a, &mask, answer(1), 0);
        flows.insert(&b, &mask, answer(2), 0);
        assert_eq!((program(&flows, &a), program(&flows, &b)), (Some(1), Some(2)));
    }

    #[test]
    fn masks_are_bounded_and_answers_stay_right_beyond() {
        let mut flows = Megaflows::new(1024, Seed::new(1));
        for n in 0..200u32 {
            let mut mask = sources();
            mask.set(Field::TunId, u128::from(n));
            flows.insert(&key(n.into(), 1), &mask, answer(n), 0);
        }
        assert!(flows.masks() <= MASKS_MAX);
        for n in 0..200u32 {
            assert_eq!(program(&flows, &key(n.into(), 1)), Some(n));
        }
    }

    #[test]
    fn a_full_table_gives_up_the_unused_and_never_grows() {
        let mut flows = Megaflows::new(64, Seed::new(1));
        let capacity = flows.index.capacity();
        for n in 0..10_000u32 {
            flows.insert(&key(n.into(), 0), &sources(), answer(n), n);
            assert_eq!(program(&flows, &key(n.into(), 0)), Some(n));
        }
        assert_eq!((flows.len(), flows.index.len(), flows.index.capacity()), (64, 64, capacity));
    }

    #[test]
    fn a_removed_flow_is_gone_and_its_place_is_used_again() {
        let mut flows = Megaflows::new(64, Seed::new(1));
        let flow = flows.insert(&key(1, 0), &sources(), answer(1), 0);
        flows.remove(flow);
        flows.remove(flow);
        assert!(!flows.fits(flow, &key(1, 0)) && flows.find(&key(1, 0)).is_none());
        assert_eq!(flows.insert(&key(2, 0), &sources(), answer(2), 0), flow);
    }
}
