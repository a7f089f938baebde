//! `adit check`: reads a configuration, its flows, groups and meters, and says everything that is wrong with them.
//!
//! Nothing is started and no device is touched.

use crate::causes::in_one_line;
use crate::config::{Draft, NO_FLOWS, Rules, read_rules};
use crate::daemon;
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
    /// How many flows there are; 0 when something is wrong with one of them, a group or a meter.
    pub flows: usize,
    /// How many groups there are; 0 likewise.
    pub groups: usize,
    /// How many meters there are; 0 likewise.
    pub meters: usize,
    /// Everything that is wrong: first with the configuration, then with the meters, the groups, the flows.
    pub faults: Vec<Diagnostic>,
    /// What is allowed and hardly meant.
    pub warnings: Vec<String>,
}

/// Checks a configuration, and the flows and groups that it names.
pub fn check(path: &Path) -> Report {
    let draft = Draft::read(path);
    let mut faults = draft.faults().to_vec();
    let config = draft.config();
    let bridge = &config.bridge;
    let (flows, groups, meters) = (&bridge.flows, &bridge.groups, &bridge.meters);
    let rules = read_rules(flows.as_deref(), groups.as_deref(), meters.as_deref(), draft.names())
        .unwrap_or_else(|more| {
            faults.extend(more);
            Rules::default()
        });
    let rules = match config.tenant_flows() {
        Ok(flows) if faults.is_empty() => rules.behind(flows),
        Ok(_) => rules,
        Err(more) => {
            faults.extend(more);
            rules
        }
    };
    if faults.is_empty()
        && let Err(error) = rules.check()
    {
        faults.push(Diagnostic::whole(&path.display().to_string(), error.to_string()));
    }
    if let Some(ssl) = &config.openflow.ssl
        && let Err(error) = daemon::fits(ssl)
    {
        faults.push(Diagnostic::whole(&path.display().to_string(), in_one_line(&error)));
    }
    let no_flows = faults.is_empty() && rules.flows.is_empty();
    let no_flows = no_flows.then(|| NO_FLOWS.to_string());
    Report {
        warnings: no_flows.into_iter().chain(config.warnings()).collect(),
        config: path.display().to_string(),
        fine: faults.is_empty(),
        uplinks: config.uplinks.len(),
        ports: config.ports.len(),
        tunnels: config.tunnels.len(),
        flows: rules.flows.len(),
        groups: rules.groups.len(),
        meters: rules.meters.len(),
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
        let Report { config, ports, tunnels, flows, groups, meters, .. } = self;
        let (ports, tunnels) = (count(*ports, "port"), count(*tunnels, "tunnel"));
        let some = |number: usize, noun| match number {
            0 => String::new(),
            number => format!(", {}", count(number, noun)),
        };
        let (groups, meters) = (some(*groups, "group"), some(*meters, "meter"));
        write!(f, "{config}: {ports}, {tunnels}, {}{groups}{meters}: fine", count(*flows, "flow"))
    }
}

/// A number and a noun that agrees with it.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
