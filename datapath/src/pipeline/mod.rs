//! What shall be done: rules in tables, as an immutable snapshot, and the function that translates a key into actions.

pub mod rule;

pub use rule::{Match, Rule, RuleAction};
