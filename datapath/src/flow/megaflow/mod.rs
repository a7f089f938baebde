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
//! **What a flow counts.** Its packets and bytes, for everybody whom its answer is due to ([`counts`]).
//!
//! **Threads.** One owner, the worker. Nothing is allocated after [`Megaflows::new`].
//!
//! **Memory.** 128 bytes a flow, 16 for its place in the index, 4 in the list of free places, and up to 32 for credits that
//! do not fit its line; 144 more if its key is long, and 64 more if it was known by Geneve options.

mod counts;
mod forget;
mod index;
mod lists;

pub use counts::IDLE_MS;
pub use lists::CREDITS_MAX;

use super::Field;
use super::hash::{Seed, kept_hash, masked_hash};
use super::key::{FlowKey, FlowMask, LONG_WORDS, Line, PACKET_WORDS, SHORT_WORDS};
use crate::mem::prefetch;
use crate::stats::{Credit, Ledger};
use index::Index;
use lists::Lists;

/// Most masks at a time, the two exact ones among them.
pub const MASKS_MAX: usize = 64;

const REST: usize = LONG_WORDS - SHORT_WORDS;
/// The words of a long key beyond its first line. In two halves, because the standard library takes zeroed pages from the kernel, without
/// touching them, for arrays of up to 16 only (`alloc/src/vec/is_zero.rs`).
type Rest = [[u64; REST / 2]; 2];
const _: () =
    assert!(size_of::<Rest>() == REST * 8 && REST / 2 <= 16, "no page is touched for a key that is not long");
/// The room for options of a key.
type Room = [u64; PACKET_WORDS - LONG_WORDS];
/// Every bit but the room for options: enough for keys that have none, since which there are is among the bits.
const EXACT: usize = 0;
/// Every bit.
const EXACT_WITH_OPTIONS: usize = 1;

/// A flow of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowId(pub(super) u32);

impl FlowId {
    /// No flow of any table.
    pub const NONE: FlowId = FlowId(u32::MAX);
}

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
    pub program: u16,
}

/// What a remembered flow is to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// Its own, and this is to be done.
    Program(u16),
    /// Its own, but it was answered before the last change.
    Older,
    /// That of others.
    Other,
}

/// Credits that a flow has room for in its line. If there are more, the last is the name of a list with the rest.
const INLINE: usize = 4;

/// No generation: of a place without a flow, so that whoever asks for an answer of this generation need not ask for the state.
const NEVER: u64 = u64::MAX;
/// State of a place without a flow. With one, it is one more than the number of credits in the line.
const FREE: u8 = 0;
/// State of a flow with a list.
const LINKED: u8 = u8::MAX;

/// First line: the masked key. Second line: what a hit reads and writes.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
struct Flow {
    key: Line,
    /// [`NEVER`] without a flow.
    generation: u64,
    /// Packets and bytes not flushed yet. Not side by side: adding to both at once, as a vector, takes longer than to each.
    packets: u64,
    tables: u64,
    bytes: u64,
    rewritten: u64,
    used_ms: u32,
    credits: [u32; INLINE],
    program: u16,
    mask: u8,
    state: u8,
}

const _: () = assert!(size_of::<Flow>() == 128, "a flow is two cache lines");
const _: () = assert!(MASKS_MAX <= 1 << u8::BITS);

impl Flow {
    /// There is no flow here from now on.
    fn free(&mut self) {
        (self.state, self.generation) = (FREE, NEVER);
    }

    fn set_answer(&mut self, answer: Answer) {
        let Answer { generation, tables, rewritten, program } = answer;
        (self.generation, self.tables, self.rewritten, self.program) =
            (generation, tables, rewritten, program);
    }

    /// Numbers of the credits that are in the line.
    fn inline(&self) -> &[u32] {
        match self.state {
            LINKED => &self.credits[..INLINE - 1],
            FREE => &[],
            state => &self.credits[..usize::from(state - 1)],
        }
    }

    /// The list with the other credits.
    fn list(&self) -> Option<u32> {
        (self.state == LINKED).then_some(self.credits[INLINE - 1])
    }
}

#[derive(Clone, Debug)]
struct Mask {
    bits: FlowMask,
    /// Whether it has bits beyond the first line of a key.
    long: bool,
    /// Whether some of them are in the room for options.
    options: bool,
    flows: u32,
}

impl Mask {
    fn of(bits: FlowMask) -> Mask {
        Mask { long: bits.is_long(), options: bits.has_options(), bits, flows: 0 }
    }
}

/// The table.
#[derive(Debug)]
pub struct Megaflows {
    flows: Box<[Flow]>,
    /// The words of long keys beyond their first line, at the flow's place; untouched pages cost nothing.
    rests: Box<[Rest]>,
    /// The room for options of those whose mask has bits there, likewise.
    rooms: Box<[Room]>,
    index: Index,
    /// The mask of the flow that came last.
    latest: usize,
    free: Vec<u32>,
    masks: Vec<Mask>,
    /// All bits of the masks that have flows, or had some since they were looked over; and whether somebody was told.
    looked_at: FlowMask,
    told: bool,
    lists: Lists,
    hand: usize,
    /// Places from here on were not used since there was no flow.
    high: usize,
    /// The sweep has come so far.
    swept: usize,
    sweep_end: usize,
    now_ms: u64,
    seed: Seed,
}

impl Megaflows {
    /// A table of at most `flows` flows (at least 64, at most 2^24).
    pub fn new(flows: usize, seed: Seed) -> Megaflows {
        let flows = flows.clamp(64, 1 << 24);
        let mut masks = Vec::with_capacity(MASKS_MAX);
        masks.extend([LONG_WORDS, PACKET_WORDS].map(|words| Mask::of(exact(words))));
        Megaflows {
            flows: vec![Flow { generation: NEVER, ..Flow::default() }; flows].into_boxed_slice(),
            rests: vec![Rest::default(); flows].into_boxed_slice(),
            rooms: vec![Room::default(); flows].into_boxed_slice(),
            index: Index::new(flows),
            latest: EXACT,
            free: (0..flows as u32).rev().collect(),
            masks,
            looked_at: FlowMask::default(),
            told: true,
            lists: Lists::new(flows),
            hand: 0,
            high: 0,
            swept: 0,
            sweep_end: 0,
            now_ms: 0,
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

    /// Whether there is no such flow, or no longer.
    #[inline]
    pub fn is_free(&self, flow: FlowId) -> bool {
        self.flows.get(flow.0 as usize).is_none_or(|have| have.state == FREE)
    }

    /// Whether a frame with this key belongs to the flow.
    #[inline]
    pub fn fits(&self, flow: FlowId, key: &FlowKey) -> bool {
        let have = &self.flows[flow.0 as usize];
        have.state != FREE && self.equal(flow.0, usize::from(have.mask), key)
    }

    /// The flows, to be asked for one frame after another, under this generation.
    #[inline]
    pub fn known(&mut self, generation: u64) -> Known<'_> {
        let Megaflows { flows, masks, rests, rooms, now_ms, .. } = self;
        Known { flows, masks, rests, rooms, generation, now_ms: *now_ms }
    }

    #[inline]
    fn equal(&self, flow: u32, mask: usize, key: &FlowKey) -> bool {
        let (have, mask) = (&self.flows[flow as usize], &self.masks[mask]);
        key.differing(&mask.bits, &have.key) == 0
            && (!mask.long || equal_rest(&self.rests[flow as usize], &self.rooms[flow as usize], mask, key))
    }

    /// Brings near what [`Megaflows::find`] looks at first, if the frame is of a flow as the one that came last.
    #[inline]
    pub fn prefetch_place(&self, key: &FlowKey) {
        if let Some(Mask { bits, long, .. }) = self.masks.get(self.latest) {
            self.index.prefetch(masked_hash(key, bits, *long, self.latest, &self.seed));
        }
    }

    /// The flow that a frame with this key belongs to.
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        self.masks.iter().enumerate().filter(|(_, mask)| mask.flows > 0).find_map(|(at, mask)| {
            let hash = masked_hash(key, &mask.bits, mask.long, at, &self.seed);
            let same =
                |flow: u32| usize::from(self.flows[flow as usize].mask) == at && self.equal(flow, at, key);
            self.index.find(hash, same).map(FlowId)
        })
    }

    /// The bits that some flow is known by, if they are others than when this was asked last.
    #[inline]
    pub fn newly_looked_at(&mut self) -> Option<&FlowMask> {
        if self.told {
            return None;
        }
        self.told = true;
        Some(&self.looked_at)
    }

    #[cold]
    fn look_at(&mut self, mask: usize) {
        let before = self.looked_at.clone();
        self.looked_at.unite(&self.masks[mask].bits);
        self.told &= self.looked_at == before;
    }

    /// Finds out which bits are still looked at.
    fn look_over(&mut self) {
        let before = std::mem::take(&mut self.looked_at);
        let used = self.masks.iter().filter(|mask| mask.flows > 0);
        used.for_each(|mask| self.looked_at.unite(&mask.bits));
        self.told &= self.looked_at == before;
    }

    /// What was answered.
    #[inline]
    pub fn answer(&self, flow: FlowId) -> Answer {
        let Flow { generation, tables, rewritten, program, .. } = self.flows[flow.0 as usize];
        Answer { generation, tables, rewritten, program }
    }

    /// The answer is as good in this generation.
    pub fn renew(&mut self, flow: FlowId, generation: u64) {
        self.flows[flow.0 as usize].generation = generation;
    }

    /// The bits that a flow is known by.
    #[inline]
    pub fn mask(&self, flow: FlowId) -> &FlowMask {
        &self.masks[usize::from(self.flows[flow.0 as usize].mask)].bits
    }

    /// Remembers an answer for every frame that agrees with `key` in `mask`, and for whom the frames count: at most
    /// [`CREDITS_MAX`]. Flows that go for it are flushed into the ledger.
    pub fn insert(
        &mut self,
        key: &FlowKey,
        mask: &FlowMask,
        answer: Answer,
        credits: &[Credit],
        ledger: &Ledger,
    ) -> FlowId {
        debug_assert!(credits.len() <= CREDITS_MAX);
        let at = self.mask_for(mask, key);
        let Mask { bits, long, .. } = &self.masks[at];
        let hash = masked_hash(key, bits, *long, at, &self.seed);
        let same = |flow: u32| usize::from(self.flows[flow as usize].mask) == at && self.equal(flow, at, key);
        if let Some(flow) = self.index.find(hash, same) {
            self.empty(flow, |credit, counted| ledger.add(credit, counted));
            self.make_room(credits.len(), ledger);
            self.flows[flow as usize].set_answer(answer);
            self.set_credits(flow, credits);
            return FlowId(flow);
        }
        self.make_room(credits.len(), ledger);
        if self.free.is_empty() {
            self.evict(ledger);
        }
        let flow = self.free.pop().expect("the places of flows that were given up are free");
        self.high = self.high.max(flow as usize + 1);
        let Mask { bits, long, options, .. } = &self.masks[at];
        let masked = |words: &[u64], bits: &[u64], to: &mut [u64]| {
            to.iter_mut().zip(words.iter().zip(bits)).for_each(|(to, (word, bits))| *to = word & bits);
        };
        let have = &mut self.flows[flow as usize];
        masked(key.short(), bits.short(), &mut have.key.0);
        if *long {
            masked(key.rest(), bits.rest(), self.rests[flow as usize].as_flattened_mut());
        }
        if *options {
            masked(key.options(), bits.options(), &mut self.rooms[flow as usize]);
        }
        have.set_answer(answer);
        (have.packets, have.bytes) = (0, 0);
        (have.used_ms, have.mask) = (self.now_ms as u32, at as u8);
        self.set_credits(flow, credits);
        if self.masks[at].flows == 0 {
            self.look_at(at);
        }
        self.masks[at].flows += 1;
        self.latest = at;
        self.index.insert(hash, flow);
        FlowId(flow)
    }

    /// The place of a mask; that of an exact one when there is no room for another.
    fn mask_for(&mut self, wanted: &FlowMask, key: &FlowKey) -> usize {
        let same = |mask: &Mask| mask.bits.words()[..PACKET_WORDS] == wanted.words()[..PACKET_WORDS];
        // The exact ones, which are asked for least, come last.
        if let Some(at) = self.masks.iter().rposition(same) {
            return at;
        }
        let mask = Mask::of(wanted.clone());
        if self.masks.len() < MASKS_MAX {
            self.masks.push(mask);
            return self.masks.len() - 1;
        }
        let others = EXACT_WITH_OPTIONS + 1;
        match self.masks.iter().skip(others).position(|mask| mask.flows == 0) {
            Some(at) => {
                self.masks[at + others] = mask;
                at + others
            }
            None if key.get(Field::OptionPresence) == 0 => EXACT,
            None => EXACT_WITH_OPTIONS,
        }
    }
}

/// The flows of a table, and what time it is.
#[derive(Debug)]
pub struct Known<'a> {
    flows: &'a mut [Flow],
    masks: &'a [Mask],
    rests: &'a [Rest],
    rooms: &'a [Room],
    generation: u64,
    now_ms: u64,
}

impl Known<'_> {
    /// Brings a flow near.
    #[inline(always)]
    pub fn prefetch(&self, flow: FlowId) {
        if let Some(flow) = self.flows.get(flow.0 as usize) {
            prefetch(&flow.key);
            prefetch(&flow.generation);
        }
    }

    /// A frame with this key came, so many bytes long, and the flow is what is remembered of the key. If it is the frame's, and its
    /// answer is of this generation, the frame is counted.
    #[inline(always)]
    pub fn hit(&mut self, flow: FlowId, key: &FlowKey, bytes: u16) -> Hit {
        let at = flow.0 as usize;
        let Some(have) = self.flows.get_mut(at) else { return Hit::Other };
        let Some(mask) = self.masks.get(usize::from(have.mask)) else { return Hit::Other };
        if key.differing(&mask.bits, &have.key) != 0 {
            return Hit::Other;
        }
        if mask.long && !equal_rest(&self.rests[at], &self.rooms[at], mask, key) {
            return Hit::Other;
        }
        if have.generation != self.generation {
            return if have.state == FREE { Hit::Other } else { Hit::Older };
        }
        have.count(bytes, self.now_ms);
        Hit::Program(have.program)
    }
}

/// The part beyond the first line. Not inlined, so that the part before is.
#[inline(never)]
fn equal_rest(rest: &Rest, room: &Room, mask: &Mask, key: &FlowKey) -> bool {
    let equal = |have: &[u64], bits: &[u64], key: &[u64]| {
        have.iter().zip(bits).zip(key).fold(0, |differing, ((have, bits), key)| differing | have ^ key & bits)
            == 0
    };
    equal(rest.as_flattened(), mask.bits.rest(), key.rest())
        && (!mask.options || equal(room, mask.bits.options(), key.options()))
}

/// Every bit of the first words of a key.
fn exact(words: usize) -> FlowMask {
    let mut mask = FlowMask::default();
    mask.words_mut()[..words].fill(u64::MAX);
    mask
}

fn hash_of(
    flow: u32,
    flows: &[Flow],
    (rests, rooms): (&[Rest], &[Room]),
    masks: &[Mask],
    seed: &Seed,
) -> u64 {
    let (at, flow) = (usize::from(flows[flow as usize].mask), flow as usize);
    let rest = masks[at].long.then(|| rests[flow].as_flattened());
    let room = masks[at].options.then(|| &rooms[flow][..]);
    kept_hash(&flows[flow].key.0, rest.into_iter().chain(room), at, seed)
}

#[cfg(test)]
mod tests;
