//! Who watches a translation. Tracing is translating with somebody who writes down, never a second implementation.

use super::MeterId;
use super::rule::{Clause, Rule, RuleAction, TableId};
use crate::stats::DropReason;
use std::fmt;

/// Is told of every step of a walk, in order. Does nothing unless told otherwise.
pub trait Observer {
    /// A table was asked, and this rule decides; none does.
    fn table(&mut self, table: TableId, rule: Option<&Rule>) {
        let _ = (table, rule);
    }

    /// A rule fits that stands for clauses of conjunctions and decides nothing by itself. Said before the answer of its table.
    fn clauses(&mut self, rule: &Rule) {
        let _ = rule;
    }

    /// Of a conjunction these clauses are there: all that it needs, or not.
    fn conjunction(&mut self, clauses: &[Clause], fulfilled: bool) {
        let _ = (clauses, fulfilled);
    }

    /// The frame is held against this meter now.
    fn meter(&mut self, meter: MeterId) {
        let _ = meter;
    }

    /// This action is done now.
    fn action(&mut self, action: &RuleAction) {
        let _ = action;
    }

    /// The action set is done now.
    fn action_set(&mut self) {}

    /// What comes now is nested: a resubmit, a bucket, a clone. `leave` ends it.
    fn enter(&mut self, what: &str) {
        let _ = what;
    }

    /// The end of what was entered last.
    fn leave(&mut self) {}

    /// Something was found out on the way that no rule says.
    fn remark(&mut self, what: fmt::Arguments<'_>) {
        let _ = what;
    }

    /// A way that the frame cannot take.
    fn fails(&mut self, reason: DropReason) {
        let _ = reason;
    }
}

/// Nobody watches.
impl Observer for () {}
