//! What translation found: the steps, and for which frames they hold.

use super::conjunction::Soft;
use crate::action::Action;
use crate::action::learn::Teaching;
use crate::action::punt::Punt;
use crate::action::report::{LEARNINGS_MAX, Learning, PUNTS_MAX, Reporter, TEACHINGS_MAX};
use crate::flow::{CREDITS_MAX, FlowMask};
use crate::stats::{Credit, DropReason};

/// Most steps that a frame may take: to some hundred ports, and what is done to it before. A rule that needs more is refused as a
/// whole rather than half done.
pub const ACTIONS_MAX: usize = 512;
// A frame is counted once for each lookup, group and bucket of its way; by the tunnel that it came by, and those that it goes into.
const _: () = assert!(super::translate::LOOKUPS_MAX as usize + ACTIONS_MAX < CREDITS_MAX);

/// What translation found. Reused from miss to miss, so that it allocates nothing.
#[derive(Clone, Debug)]
pub struct Translation {
    actions: Vec<Action>,
    /// What `Action::Learn` names by its place here.
    learnings: Vec<Learning>,
    /// What `Action::Punt` names by its place here.
    punts: Vec<Punt>,
    /// What `Action::Teach` names by its place here.
    teachings: Vec<Teaching>,
    overflow: bool,
    asks_length: bool,
    mask: FlowMask,
    tables: u64,
    rewritten: u64,
    credits: Vec<Credit>,
    /// How many of them are of tunnels that the frame goes into.
    sent: usize,
    /// Not part of the answer.
    pub(super) soft: Soft,
}

impl Default for Translation {
    fn default() -> Self {
        Translation {
            actions: Vec::with_capacity(ACTIONS_MAX),
            learnings: Vec::with_capacity(LEARNINGS_MAX),
            punts: Vec::with_capacity(PUNTS_MAX),
            teachings: Vec::with_capacity(TEACHINGS_MAX),
            overflow: false,
            asks_length: false,
            mask: FlowMask::default(),
            tables: 0,
            rewritten: 0,
            credits: Vec::with_capacity(CREDITS_MAX),
            sent: 0,
            soft: Soft::with_room(),
        }
    }
}

impl Translation {
    /// The steps. If none of them sends, the last counts why.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// What the steps that learn are about, by their numbers.
    pub fn learnings(&self) -> &[Learning] {
        &self.learnings
    }

    /// What the steps that tell the controller are about, by their numbers.
    pub fn punts(&self) -> &[Punt] {
        &self.punts
    }

    /// What the steps that teach control are about, by their numbers.
    pub fn teachings(&self) -> &[Teaching] {
        &self.teachings
    }

    /// Which bits of the key the answer depends on: every frame that agrees in them gets the same steps.
    pub fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// Whether the answer depends on the length of the frame, which the key did not say: then there is none, but for a key that
    /// says it ([`FlowKey::measure`](crate::flow::FlowKey::measure)).
    pub fn asks_length(&self) -> bool {
        self.asks_length
    }

    /// The tables that were asked, as bits; table n is bit n modulo 64.
    pub fn tables(&self) -> u64 {
        self.tables
    }

    /// The words of the key that rules changed on the way, as bits.
    pub fn rewritten(&self) -> u64 {
        self.rewritten
    }

    /// Where a frame is counted, in the order of its way: each rule that took it, each table where none did, each group and
    /// bucket. One that it came by twice is there twice.
    pub fn credits(&self) -> &[Credit] {
        &self.credits
    }

    pub(super) fn clear(&mut self) {
        self.actions.clear();
        self.learnings.clear();
        self.punts.clear();
        self.teachings.clear();
        self.overflow = false;
        self.asks_length = false;
        self.mask = FlowMask::default();
        self.tables = 0;
        self.rewritten = 0;
        self.credits.clear();
        self.sent = 0;
    }

    /// A frame is counted here. The walk is bounded, so that there is room.
    pub(super) fn count(&mut self, credit: Credit) {
        debug_assert!(self.credits.len() < CREDITS_MAX);
        self.credits.push(credit);
    }

    /// A frame is counted here by a tunnel that it goes into. Of more than a frame may take the first count.
    pub(super) fn count_sent(&mut self, credit: Credit) {
        if self.sent < ACTIONS_MAX {
            self.sent += 1;
            self.count(credit);
        }
    }

    /// The answer depends on these bits of the frame.
    #[inline]
    pub(super) fn depend(&mut self, word: usize, bits: u64) {
        self.mask.words_mut()[word] |= bits;
    }

    pub(super) fn ask_length(&mut self) {
        self.asks_length = true;
    }

    pub(super) fn asked(&mut self, table: u8) {
        self.tables |= 1 << (table % 64);
    }

    pub(super) fn rewrote_word(&mut self, word: usize) {
        self.rewritten |= 1 << word;
    }

    pub(super) fn rewrote(&mut self, word: usize, bits: u64) {
        self.rewritten |= u64::from(bits != 0) << word;
    }

    pub(super) fn learn(&mut self, learning: Learning) {
        let number = self.learnings.len();
        if number == LEARNINGS_MAX {
            return self.refuse();
        }
        self.learnings.push(learning);
        self.push(Action::Learn(number as u32));
    }

    pub(super) fn punt(&mut self, punt: Punt) {
        let number = self.punts.len();
        if number == PUNTS_MAX {
            return self.refuse();
        }
        self.punts.push(punt);
        self.push(Action::Punt(number as u32));
    }

    pub(super) fn teach(&mut self, teaching: Teaching) {
        let number = self.teachings.len();
        if number == TEACHINGS_MAX {
            return self.refuse();
        }
        self.teachings.push(teaching);
        self.push(Action::Teach(number as u32));
    }

    /// Has the steps name learnings and what is told by the numbers that the reporter has for them. False when one of them is not kept
    /// there.
    pub(crate) fn renumber(&mut self, report: &mut Reporter) -> bool {
        let mut all = true;
        for action in &mut self.actions {
            let (number, kept) = match action {
                Action::Learn(number) => {
                    let kept = report.keep(self.learnings[*number as usize]);
                    (number, kept)
                }
                Action::Punt(number) => {
                    let kept = report.keep_punt(self.punts[*number as usize].clone());
                    (number, kept)
                }
                Action::Teach(number) => {
                    let kept = report.keep_teaching(self.teachings[*number as usize].clone());
                    (number, kept)
                }
                _ => continue,
            };
            *number = kept.0;
            all &= kept.1;
        }
        all
    }

    /// [`Translation::renumber`] for a frame that control has sent: nothing of it is kept.
    pub(crate) fn renumber_once(&mut self, report: &mut Reporter) {
        for action in &mut self.actions {
            match action {
                Action::Learn(number) => *number = report.put_aside(self.learnings[*number as usize]),
                Action::Punt(number) => {
                    *number = report.put_punt_aside(self.punts[*number as usize].clone());
                }
                Action::Teach(number) => {
                    *number = report.put_teaching_aside(self.teachings[*number as usize].clone());
                }
                _ => {}
            }
        }
    }

    /// Lets go of what belongs to the rules.
    pub(crate) fn release(&mut self) {
        self.punts.clear();
        self.teachings.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.actions.len()
    }

    pub(super) fn push(&mut self, action: Action) {
        match self.actions.len() < ACTIONS_MAX {
            true => self.actions.push(action),
            false => self.overflow = true,
        }
    }

    /// The rules ask for more than a frame may have.
    pub(super) fn refuse(&mut self) {
        self.overflow = true;
    }

    /// Closes what was opened with an `Action::Clone` at `at`: it covers all steps since. Nothing sent in there: it goes.
    pub(super) fn close_clone(&mut self, at: usize) {
        let Some(opened) = self.actions.get(at) else { return };
        debug_assert!(matches!(opened, Action::Clone(_)));
        match self.actions[at + 1..].iter().rposition(counts) {
            None => self.actions.truncate(at),
            Some(last) => {
                self.actions.truncate(at + last + 2);
                self.actions[at] = Action::Clone(last as u16 + 1);
            }
        }
    }

    /// Ends the walk: nothing behind the last output matters, and a frame that goes nowhere has a reason.
    pub(super) fn finish(&mut self, otherwise: DropReason) {
        if self.overflow {
            self.actions.clear();
            self.actions.push(Action::Drop(DropReason::TooManyActions));
            return;
        }
        let end = self.actions.iter().rposition(counts).map_or(0, |last| last + 1);
        self.actions.truncate(end);
        if self.actions.iter().all(|action| !ends(action)) {
            self.push(Action::Drop(otherwise));
            if self.overflow {
                self.finish(otherwise);
            }
        }
    }
}

/// Whether a frame has gone somewhere with this step, or it is known why it has not.
fn ends(action: &Action) -> bool {
    action.sends() || matches!(action, Action::Drop(_))
}

/// Whether the step can be seen from outside, now or later: meters remember what went through, and control where it came from.
fn counts(action: &Action) -> bool {
    ends(action) || matches!(action, Action::Meter(_) | Action::Learn(_) | Action::Teach(_))
}
