//! Writing down what a translation does.

use crate::text::{PortNames, format_actions, format_rule};
use datapath::pipeline::{Clause, Match, MeterId, Observer, Pipeline, Rule, RuleAction, TableId};
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
    pipeline: &'a Pipeline,
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
    pub(super) fn new(pipeline: &'a Pipeline, names: &'a dyn PortNames) -> Walk<'a> {
        Walk {
            pipeline,
            names,
            depth: 0,
            steps: Vec::new(),
            last: None,
            before: Vec::new(),
            failed: Vec::new(),
        }
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
        let missing = (1..=of).filter(|number| clauses.iter().all(|clause| clause.number != *number));
        let missing: Vec<String> = missing.map(|number| format!("{number}/{of}")).collect();
        self.before.push(match (fulfilled, missing.len()) {
            (true, _) => format!(
                "conjunction {id} matches in all {of} clauses: the rule for conj_id={id} is looked for"
            ),
            (false, 0) => format!("conjunction {id} does not match: it needs as many rules as clauses"),
            (false, _) => format!("conjunction {id} does not match: no rule for {}", missing.join(", ")),
        });
    }

    fn meter(&mut self, meter: MeterId) {
        self.note("action", None, format!("meter:{}", meter.0));
        if let Some(bands) = super::report::bands(meter, self.pipeline) {
            self.note("remark", None, format!("the meter {bands}"));
        }
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
