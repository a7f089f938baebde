//! Rules as OpenFlow means them: a match, a priority, and what to do.
//!
//! These are the words that flow text and controllers are compiled into. They are checked when they are made (control does
//! that); translation relies on it and still never panics.

use super::spread::{Bundle, Multipath};
use crate::action::learn::Learn;
use crate::action::meter::MeterId;
use crate::action::punt::Reason;
use crate::action::queue::QueueId;
use crate::flow::{Field, FlowKey, FlowMask, OfPort};
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

pub use crate::flow::Part;

/// The words that matter and which bits of them, in order.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Cells(Box<[(u8, u64)]>);

impl Cells {
    /// The words of a mask that are not zero. Masks come often in a row: that of the last match is used again.
    fn of(mask: &FlowMask) -> Arc<Cells> {
        thread_local!(static LAST: RefCell<Arc<Cells>> = RefCell::default());
        let words = (0..).zip(mask.words().iter().copied());
        let cells = words.filter(|(_, bits)| *bits != 0);
        LAST.with_borrow_mut(|last| {
            if !last.iter().copied().eq(cells.clone()) {
                *last = Arc::new(Cells(cells.collect()));
            }
            last.clone()
        })
    }
}

impl std::ops::Deref for Cells {
    type Target = [(u8, u64)];

    fn deref(&self) -> &[(u8, u64)] {
        &self.0
    }
}

/// So many values lie in the match itself: the addresses of Ethernet, and the conversation of IPv4, are no more.
const FEW: usize = 3;

/// What words must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Values {
    /// So many of these; the others are zero.
    Few(u8, [u64; FEW]),
    Many(Box<[u64]>),
}

impl Values {
    fn collect(len: usize, values: impl Iterator<Item = u64>) -> Values {
        if len > FEW {
            return Values::Many(values.collect());
        }
        let mut few = [0; FEW];
        few.iter_mut().zip(values).for_each(|(place, value)| *place = value);
        Values::Few(len as u8, few)
    }

    #[inline]
    fn all(&self) -> &[u64] {
        match self {
            Values::Few(len, few) => few.get(..usize::from(*len)).unwrap_or(few),
            Values::Many(many) => many,
        }
    }

    #[inline]
    fn all_mut(&mut self) -> &mut [u64] {
        match self {
            Values::Few(len, few) => &mut few[..usize::from(*len).min(FEW)],
            Values::Many(many) => many,
        }
    }
}

/// A match: conditions on bits of a key. Kept as the words that have any, in order: a rule looks at few. Which bits those are is shared by
/// all rules of a table that look at the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    cells: Arc<Cells>,
    values: Values,
}

impl Default for Match {
    fn default() -> Match {
        static NONE: LazyLock<Arc<Cells>> = LazyLock::new(Arc::default);
        Match { cells: NONE.clone(), values: Values::Few(0, [0; FEW]) }
    }
}

impl Match {
    /// A match that every frame fits.
    pub fn any() -> Match {
        Match::default()
    }

    /// Adds a condition: the bits of `field` under `mask` equal those of `value`.
    pub fn with(mut self, field: Field, value: u128, mask: u128) -> Match {
        self.require(field, value, mask);
        self
    }

    /// Adds a condition: `field` equals `value`.
    pub fn exact(self, field: Field, value: u128) -> Match {
        self.with(field, value, field.max())
    }

    /// Adds a condition in place. See [`Match::with`].
    pub fn require(&mut self, field: Field, value: u128, mask: u128) {
        let (mut key, mut all) = (self.key(), self.mask());
        key.set_masked(field, value & mask, mask);
        all.set_masked(field, mask, mask);
        *self = Match::of(&key, &all);
    }

    /// The match of every key that agrees with `key` in the bits of `mask`.
    pub fn of(key: &FlowKey, mask: &FlowMask) -> Match {
        let cells = Cells::of(mask);
        let values = cells.iter().map(|(word, bits)| key.words()[usize::from(*word)] & bits);
        let values = Values::collect(cells.len(), values);
        Match { cells, values }
    }

    /// Which of the values of [`Match::valued`] a word of a key is, if it matters.
    pub fn cell(&self, word: usize) -> Option<usize> {
        self.cells.iter().position(|(of, _)| usize::from(*of) == word)
    }

    /// A match of the same bits with other values: `change` is given those of its words, in order. Bits that do not matter it need not heed.
    #[inline]
    pub fn valued(&self, change: impl FnOnce(&mut [u64])) -> Match {
        let mut other = self.clone();
        let values = other.values.all_mut();
        change(values);
        values.iter_mut().zip(self.cells.iter()).for_each(|(value, (_, bits))| *value &= bits);
        other
    }

    /// The words that matter, which bits of them, and what they must be.
    #[inline]
    fn conditions(&self) -> impl Iterator<Item = (usize, u64, u64)> {
        self.cells.iter().zip(self.values()).map(|((word, bits), value)| (usize::from(*word), *bits, *value))
    }

    /// The values, zero where they do not matter.
    pub fn key(&self) -> FlowKey {
        let mut key = FlowKey::default();
        self.conditions().for_each(|(word, _, value)| key.words_mut()[word] = value);
        key
    }

    /// The bits that matter.
    pub fn mask(&self) -> FlowMask {
        let mut mask = FlowMask::default();
        self.conditions().for_each(|(word, bits, _)| mask.words_mut()[word] = bits);
        mask
    }

    /// The values of the words that matter, in order: with the mask, the whole match.
    #[inline]
    pub(super) fn values(&self) -> &[u64] {
        self.values.all()
    }

    /// The words that matter and which bits of them, in order.
    pub(super) fn cells(&self) -> &Arc<Cells> {
        &self.cells
    }

    /// Has the same bits as another match, and keeps them together with it.
    pub(super) fn share(&mut self, cells: &Arc<Cells>) {
        debug_assert_eq!(&self.cells, cells);
        self.cells = cells.clone();
    }

    /// Makes a key fit: the bits that matter are what they must be.
    pub fn impose(&self, key: &mut FlowKey) {
        for (word, bits, value) in self.conditions() {
            let word = &mut key.words_mut()[word];
            *word = *word & !bits | value;
        }
    }

    /// Whether a frame with this key fits.
    #[inline]
    pub fn fits(&self, key: &FlowKey) -> bool {
        self.conditions().all(|(word, bits, value)| key.words()[word] & bits == value)
    }

    /// Whether every frame that fits this match fits `wider` too: the test of a loose modify or delete (OpenFlow 1.3
    /// section 6.4).
    pub fn is_within(&self, wider: &Match) -> bool {
        wider.conditions().all(|(word, bits, value)| {
            let mut own = self.conditions();
            own.any(|(of, known, is)| of == word && known & bits == bits && is & bits == value)
        })
    }

    /// Whether some frame fits both.
    pub fn overlaps(&self, other: &Match) -> bool {
        other.conditions().all(|(word, bits, value)| {
            let mut own = self.conditions();
            own.all(|(of, known, is)| of != word || (is ^ value) & known & bits == 0)
        })
    }
}

/// Number of a flow table: 0 to 253. 254 and 255 mean something else in OpenFlow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u8);

/// Tables that a pipeline has.
pub const TABLES: usize = 254;

/// Number of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u32);

/// What a rule asks for, in OpenFlow's vocabulary and that of Open vSwitch's extensions: ports are bridge ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// Send to a bridge port. Sending to the port that the frame came in by does nothing (OpenFlow 1.3 section 4.5);
    /// `InPort` is the way back.
    Output(OfPort),
    /// Send to a bridge port no more than the first so many bytes of the frame: to `OFPP_IN_PORT` back to where it came from.
    OutputCut {
        /// The port.
        port: OfPort,
        /// How many bytes.
        max_len: u32,
    },
    /// Send to the port whose number a field holds.
    OutputReg(Part),
    /// Send back to where it came from.
    InPort,
    /// Send to every port but the one that it came in by.
    All,
    /// Send to every port but the one that it came in by and those that do not take part in flooding.
    Flood,
    /// Send to where the destination was seen, or to every port of its tenant and VLAN; learn where the source is.
    Normal,
    /// Tell the controller of the frame as it is now.
    Controller {
        /// How many of its bytes at the most.
        max_len: u16,
        /// Why. [`Reason::Action`] becomes what it is in the place where the action stands.
        reason: Reason,
        /// The number of the controllers that it is for.
        controller: u16,
        /// What the rule wants to be told.
        userdata: Arc<[u8]>,
    },
    /// Do what a group says.
    Group(GroupId),
    /// Set bits of a field: of the frame, of the tunnel metadata that a later output to a tunnel uses, or of a register.
    SetField {
        /// The field.
        field: Field,
        /// Its new value, right-aligned.
        value: u128,
        /// Which bits to set.
        mask: u128,
    },
    /// Copy bits from one field to another.
    Move {
        /// From.
        from: Part,
        /// To; of the same width.
        to: Part,
    },
    /// Add an 802.1Q or 802.1ad tag in front; its identifier and priority are those of the tag that was outermost, or zero.
    PushVlan {
        /// 0x8100 or 0x88a8.
        tpid: u16,
    },
    /// Take the outermost tag away.
    PopVlan,
    /// Count the time to live of IP down; a frame that has 1 or less goes no further.
    DecTtl,
    /// [`RuleAction::DecTtl`]; of a frame that goes no further the controllers with these numbers are told.
    DecTtlOrTell(Box<[u16]>),
    /// From here on, outputs to a port that has a queue of this number go through it; to any other port as without queues.
    SetQueue(QueueId),
    /// Outputs go through no queue again.
    PopQueue,
    /// Put an entry on the MPLS label stack, or begin one. Its label and traffic class are those of the entry that was outermost,
    /// or zero; its time to live is that of the header that was outermost.
    PushMpls {
        /// 0x8847 or 0x8848.
        ether_type: u16,
    },
    /// Take the outermost entry off the MPLS label stack.
    PopMpls {
        /// What follows: none of a VLAN tag, nor of a provider backbone.
        ether_type: u16,
    },
    /// Count the time to live of the outermost MPLS entry down; a frame that has 1 or less there goes no further.
    DecMplsTtl,
    /// Put the header of a provider backbone in front (IEEE 802.1ah), with the addresses that the frame has and the service of
    /// the header that was outermost, or zero.
    PushPbb,
    /// Take the header of a provider backbone off.
    PopPbb,
    /// Copy the time to live from the second header that has one (MPLS, IP) to the outermost.
    CopyTtlOut,
    /// Copy the time to live from the outermost header that has one to the second.
    CopyTtlIn,
    /// Look the frame up again, as if it had come in by `port`, in `table`; go on here afterwards.
    Resubmit {
        /// None: the port that it came in by.
        port: Option<OfPort>,
        /// None: the table of this rule.
        table: Option<TableId>,
    },
    /// Do these on a copy, and then what is in the action set: what they change is forgotten afterwards.
    Clone(Vec<RuleAction>),
    /// Not done: the rule is one of those that together find the rules for a conjunction (`conj_id` in ovs-fields(7)).
    Conjunction(Clause),
    /// Not done: bytes for whoever reads the rule.
    Note(Box<[u8]>),
    /// Put the value of part of a field away.
    Push(Part),
    /// Write what was put away last into part of a field, as much as there is room for; nothing when there is nothing.
    Pop(Part),
    /// Set a bit to whether the frame, as it is now, has more bytes than this (`check_pkt_larger` in ovs-actions(7)).
    CheckLarger {
        /// How many bytes, without FCS.
        len: u16,
        /// The bit.
        to: Part,
    },
    /// Set part of a field to the number of one of several links, by a hash of the frame.
    Multipath(Box<Multipath>),
    /// Send to one of several ports, by a hash of the frame, or set part of a field to its number.
    Bundle(Box<Bundle>),
    /// Have a flow added that is made of what the frame says.
    Learn(Arc<Learn>),
    /// A frame that ends its TCP connection (FIN or RST) lowers the timeouts of the rule that this stands in, in seconds; 0: not that
    /// one.
    FinTimeout {
        /// Without a frame.
        idle: u16,
        /// Since the rule was added.
        hard: u16,
    },
    /// The end of all actions, here, around a clone, and where this table was asked from; not of the action set. What is
    /// behind a bucket is still done.
    Exit,
}

impl RuleAction {
    /// The part of a field that it writes something into which depends on the frame.
    pub fn writes(&self) -> Option<Part> {
        match self {
            RuleAction::Move { to, .. } | RuleAction::CheckLarger { to, .. } | RuleAction::Pop(to) => {
                Some(*to)
            }
            RuleAction::Multipath(multipath) => Some(multipath.to),
            RuleAction::Bundle(bundle) => bundle.to,
            _ => None,
        }
    }
}

/// The part of a rule in a conjunction: frames that fit a rule of each clause fit the conjunction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clause {
    /// Number of the conjunction.
    pub id: u32,
    /// How many clauses there are: 2 to 64.
    pub of: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

/// What a rule does with its frames (OpenFlow 1.3 section 5.9), in the order in which it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instructions {
    /// Hold the frame against this meter first.
    pub meter: Option<MeterId>,
    /// Do these now.
    pub apply: Vec<RuleAction>,
    /// Empty the action set.
    pub clear: bool,
    /// Put these into the action set, one of a kind, done at the end of the pipeline.
    pub write: Vec<RuleAction>,
    /// Set bits of the metadata: value and mask.
    pub metadata: Option<(u64, u64)>,
    /// Go on in this table.
    pub goto: Option<TableId>,
}

impl Instructions {
    /// Only things to do now.
    pub fn apply(actions: Vec<RuleAction>) -> Instructions {
        Instructions { apply: actions, ..Instructions::default() }
    }
}

/// A rule of a flow table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Higher wins; among equals the older.
    pub priority: u16,
    /// The controller's own mark.
    pub cookie: u64,
    /// Which frames.
    pub matching: Match,
    /// What is done with them. Nothing that sends is a drop. Rules that do the same may share it.
    pub instructions: Arc<Instructions>,
}

impl Rule {
    /// A rule without mark.
    pub fn new(priority: u16, matching: Match, instructions: impl Into<Arc<Instructions>>) -> Rule {
        Rule { priority, cookie: 0, matching, instructions: instructions.into() }
    }

    /// A rule that does `actions`.
    pub fn acting(priority: u16, matching: Match, actions: Vec<RuleAction>) -> Rule {
        Rule::new(priority, matching, Instructions::apply(actions))
    }

    /// The clauses that this rule stands for. A rule with any decides about no frame by itself.
    pub fn clauses(&self) -> impl Iterator<Item = Clause> {
        self.instructions.apply.iter().filter_map(|action| match action {
            RuleAction::Conjunction(clause) => Some(*clause),
            _ => None,
        })
    }

    /// Whether the ends of TCP connections lower its timeouts.
    pub(super) fn heeds_fins(&self) -> bool {
        fn any(actions: &[RuleAction]) -> bool {
            actions.iter().any(|action| match action {
                RuleAction::FinTimeout { .. } => true,
                RuleAction::Clone(actions) => any(actions),
                _ => false,
            })
        }
        any(&self.instructions.apply)
    }

    /// Whether this is the rule for frames that no other takes (OpenFlow 1.3 section 5.4).
    pub fn is_table_miss(&self) -> bool {
        self.priority == 0 && self.matching == Match::any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_condition_looks_only_at_its_bits() {
        let net = Match::any().exact(Field::EthType, 0x0800).with(Field::NwDst, 0x0a00_0000, 0xff00_0000);
        let mut key = FlowKey::default();
        key.set(Field::EthType, 0x0800);
        key.set(Field::NwDst, 0x0a01_0203);
        assert!(net.fits(&key));
        key.set(Field::NwDst, 0x0b01_0203);
        assert!(!net.fits(&key));
    }

    #[test]
    fn values_outside_the_mask_are_forgotten() {
        let a = Match::any().with(Field::NwDst, 0x0a00_0001, 0xff00_0000);
        let b = Match::any().with(Field::NwDst, 0x0a00_0002, 0xff00_0000);
        assert_eq!(a, b);
    }
}
