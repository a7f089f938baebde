//! Writing down what a translation does.

use crate::text::{PortNames, format_actions, format_rule};
use datapath::pipeline::{Clause, Match, MeterId, Observer, Rule, RuleAction, TableId};
use datapath::stats::DropReason;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A line of the walk.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Step {
    /// How deep it is nested.
    pub depth: usize,
    /// What happened: `table`, `action`, `action set`, `remark`, `drop`, or what is nested.
    pub what: String,
    /// The table that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u8>,
    /// The rule, the action or the reason.
    pub text: String,
}

/// The observer.
pub(super) struct Walk<'a> {
    names: &'a dyn PortNames,
    depth: usize,
    pub(super) steps: Vec<Step>,
    /// The table that was asked last, and its answer.
    last: Option<String>,
    /// What was found out before the table that is asked has answered.
    before: Vec<String>,
    /// Where ways ended.
    failed: Vec<(DropReason, String)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(names: &'a dyn PortNames) -> Walk<'a> {
        Walk { names, depth: 0, steps: Vec::new(), last: None, before: Vec::new(), failed: Vec::new() }
    }

    /// The table and the rule at which a frame died of a reason: the last that was asked, if nothing failed.
    pub(super) fn place_of(&self, reason: DropReason) -> Option<String> {
        let failed = self.failed.iter().find(|(why, _)| *why == reason);
        failed.map(|(_, place)| place.clone()).or_else(|| self.last.clone())
    }

    fn note(&mut self, what: &str, table: Option<u8>, text: String) {
        self.steps.push(Step { depth: self.depth, what: what.into(), table, text });
    }
}

impl Observer for Walk<'_> {
    fn table(&mut self, table: TableId, rule: Option<&Rule>) {
        let text = match rule {
            Some(rule) => format_rule(rule, self.names),
            None => "no rule matches".into(),
        };
        self.last = Some(format!("table {}: {text}", table.0));
        self.note("table", Some(table.0), text);
        for remark in std::mem::take(&mut self.before) {
            self.note("remark", None, remark);
        }
    }

    fn clauses(&mut self, rule: &Rule) {
        self.before.push(format!("part of a conjunction: {}", format_rule(rule, self.names)));
    }

    fn conjunction(&mut self, clauses: &[Clause], fulfilled: bool) {
        let Some(Clause { id, of, .. }) = clauses.first().copied() else { return };
        let there: Vec<String> = clauses.iter().map(|clause| clause.number.to_string()).collect();
        let there = there.join(", ");
        self.before.push(match fulfilled {
            true => format!("conjunction {id}: all {of} clauses match, so conj_id={id} is looked for"),
            false if clauses.len() == usize::from(of) => {
                format!("conjunction {id}: all {of} clauses match, but by fewer rules than clauses")
            }
            false => format!("conjunction {id}: of {of} clauses only {there} match"),
        });
    }

    fn meter(&mut self, meter: MeterId) {
        self.note("action", None, format!("meter:{}", meter.0));
    }

    fn action(&mut self, action: &RuleAction) {
        let text = format_actions(std::slice::from_ref(action), &Match::any(), self.names);
        self.note("action", None, text);
    }

    fn enter(&mut self, what: &str) {
        self.note(what, None, String::new());
        self.depth += 1;
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn remark(&mut self, what: fmt::Arguments<'_>) {
        self.note("remark", None, what.to_string());
    }

    fn fails(&mut self, reason: DropReason) {
        self.failed.push((reason, self.last.clone().unwrap_or_default()));
        self.note("drop", None, format!("{}: {}", reason.name(), reason.sentence()));
    }
}
