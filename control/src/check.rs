//! `adit check`: reads a configuration, its flows and its groups, and says everything that is wrong with them.
//!
//! Nothing is started and no device is touched.

use crate::config::{Draft, NO_FLOWS, Rules, read_rules};
use crate::text::Diagnostic;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// What a configuration that is fine contains, or what is wrong with it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file of the configuration.
    pub config: String,
    /// Whether there is nothing wrong.
    pub fine: bool,
    /// How many uplinks could be read.
    pub uplinks: usize,
    /// How many ports of guests could be read.
    pub ports: usize,
    /// How many tunnels could be read.
    pub tunnels: usize,
    /// How many flows there are; 0 when something is wrong with one of them, or with a group.
    pub flows: usize,
    /// How many groups there are; 0 likewise.
    pub groups: usize,
    /// Everything that is wrong: first with the configuration, then with the groups, then with the flows.
    pub faults: Vec<Diagnostic>,
    /// What is allowed and hardly meant.
    pub warnings: Vec<String>,
}

/// Checks a configuration, and the flows and groups that it names.
pub fn check(path: &Path) -> Report {
    let draft = Draft::read(path);
    let mut faults = draft.faults().to_vec();
    let config = draft.config();
    let (flows, groups) = (config.bridge.flows.as_deref(), config.bridge.groups.as_deref());
    let rules = read_rules(flows, groups, draft.names()).unwrap_or_else(|more| {
        faults.extend(more);
        Rules::default()
    });
    let no_flows = faults.is_empty() && rules.flows.is_empty();
    Report {
        warnings: no_flows.then(|| NO_FLOWS.to_string()).into_iter().collect(),
        config: path.display().to_string(),
        fine: faults.is_empty(),
        uplinks: config.uplinks.len(),
        ports: config.ports.len(),
        tunnels: config.tunnels.len(),
        flows: rules.flows.len(),
        groups: rules.groups.len(),
        faults,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        if !self.fine {
            return write!(f, "{}: {}", self.config, count(self.faults.len(), "fault"));
        }
        let Report { config, ports, tunnels, flows, groups, .. } = self;
        let (ports, tunnels) = (count(*ports, "port"), count(*tunnels, "tunnel"));
        let groups = match groups {
            0 => String::new(),
            groups => format!(", {}", count(*groups, "group")),
        };
        write!(f, "{config}: {ports}, {tunnels}, {}{groups}: fine", count(*flows, "flow"))
    }
}

/// A number and a noun that agrees with it.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
