//! What of the lessons of frames ([`Lesson`]) control has taken up: the flow is there, and is what the lesson says. A part of the snapshot
//! like rules; control notes and strikes out, translation only looks.
//!
//! A frame that teaches what is known tells nobody. It is counted for the lesson, so that control sees when the flow was taught last
//! (`XC_LEARN` in `ofproto/ofproto-dpif-xlate-cache.c` of Open vSwitch does the same when it revalidates).

use super::rule::{Match, TableId};
use super::translate::Walk;
use super::{Changes, Observer, Pipeline};
use crate::action::learn::{Learn, Lesson, Teaching};
use crate::flow::Part;
use crate::flow::key::PACKET_WORDS;
use crate::stats::{Credit, DropReason};
use rpds::{HashTrieMapSync, HashTrieSetSync};
use std::sync::Arc;

/// Stands for lessons among the tables that a flow has asked; no table has this number.
const LESSONS: TableId = TableId(255);

/// Table, cookie and limit of rules that learn.
type Limit = (u8, u64, u32);

/// The lessons that are taken up.
#[derive(Clone, Debug, Default)]
pub(super) struct Lessons {
    known: HashTrieMapSync<Lesson, Credit>,
    /// The limits that are reached.
    full: HashTrieSetSync<Limit>,
}

impl Pipeline {
    /// From now on the lesson is known: no worker tells it any more. Returns where frames are counted that teach it.
    pub fn take_up(&mut self, lesson: &Lesson) -> Credit {
        if let Some(credit) = self.lesson(lesson) {
            return credit;
        }
        let credit = self.credit();
        self.lessons.known.insert_mut(lesson.clone(), credit);
        changed(lesson, &mut self.changes);
        credit
    }

    /// The lesson is not known any more: the flow is gone, or another. True if it was.
    pub fn strike_out(&mut self, lesson: &Lesson) -> bool {
        let Some(credit) = self.lesson(lesson) else { return false };
        self.lessons.known.remove_mut(lesson);
        changed(lesson, &mut self.changes);
        self.release(credit);
        true
    }

    /// Where frames are counted that teach what is known.
    pub fn lesson(&self, lesson: &Lesson) -> Option<Credit> {
        self.lessons.known.get(lesson).copied()
    }

    /// Whether a table has as many flows with a cookie as rules say that learn with this limit.
    pub fn set_full(&mut self, table: TableId, cookie: u64, limit: u32, full: bool) {
        let limit = (table.0, cookie, limit);
        if self.lessons.full.contains(&limit) == full {
            return;
        }
        match full {
            true => self.lessons.full.insert_mut(limit),
            false => drop(self.lessons.full.remove_mut(&limit)),
        }
        self.changes.rule(LESSONS, &Match::any());
    }

    fn has_room(&self, learn: &Learn) -> bool {
        learn.limit == 0 || !self.lessons.full.contains(&(learn.table, learn.cookie, learn.limit))
    }
}

/// Flows are touched whose frames say this. What only rules write is left open: that is not among what flows are known by.
fn changed(lesson: &Lesson, changes: &mut Changes) {
    let mut matching = Match::any();
    for (part, value) in lesson.learn.sources().zip(lesson.values) {
        if usize::from(part.field.slot().word) < PACKET_WORDS {
            matching.require(part.field, value << part.offset, part.mask());
        }
    }
    changes.rule(LESSONS, &matching);
}

impl<O: Observer> Walk<'_, O> {
    /// Does it.
    pub(super) fn learn_flow(&mut self, learn: &Arc<Learn>) -> Result<(), DropReason> {
        if !self.may_go_on() {
            return Ok(());
        }
        let (mut lesson, mut said) = (Lesson::new(learn.clone()), 0);
        for (at, part) in learn.sources().enumerate() {
            said |= u16::from(self.state.is_untouched(part)) << at;
            lesson.values[at] = self.state.read(part, self.out);
        }
        self.out.asked(LESSONS.0);
        let there = match self.pipeline.lesson(&lesson) {
            Some(credit) => {
                self.observer.remark(format_args!("known: the flow is there"));
                self.out.count(credit);
                true
            }
            None if self.pipeline.has_room(learn) => {
                self.observer.remark(format_args!("new: control is told what to add"));
                self.out.teach(Teaching::new(lesson, said));
                true
            }
            None => {
                self.observer.remark(format_args!("not added: its limit is reached"));
                false
            }
        };
        match learn.result {
            None => Ok(()),
            Some(Part { field, offset, .. }) => {
                self.state.assign(field, u128::from(there) << offset, 1 << offset, self.out)
            }
        }
    }

    /// A frame that ends its connection is counted for it, and control lowers the timeouts when it sees that.
    pub(super) fn fin_timeout(&mut self) {
        let Some(fins) = self.told_by.rule.and_then(|rule| self.pipeline.fins(rule)) else { return };
        if self.state.ends_connection(self.out) && self.may_go_on() {
            self.out.count(fins);
        }
    }
}

impl Pipeline {
    /// Where those frames of a rule are counted that end a TCP connection, if it heeds them ([`super::RuleAction::FinTimeout`]).
    pub fn fins(&self, rule: Credit) -> Option<Credit> {
        self.fins.get(&rule).copied()
    }

    /// A rule is counted there from now on, and heeds such frames or not.
    pub(super) fn heed_fins(&mut self, rule: Credit, heeds: bool) {
        match (self.fins(rule), heeds) {
            (None, true) => {
                let fins = self.credit();
                self.fins.insert_mut(rule, fins);
            }
            (Some(fins), false) => {
                self.fins.remove_mut(&rule);
                self.release(fins);
            }
            _ => {}
        }
    }
}
