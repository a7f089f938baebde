//! What the demo says: a line for each check as it is done, a sentence at the end; or one JSON object.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::network::{Network, TENANTS};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Prints a line. A reader who left, as `head` does, is no reason to stop checking: the exit code still tells.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(anstream::stdout(), $($what)*);
    }};
}
pub(super) use say;

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    Failed,
    Skipped,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    outcome: Outcome,
    detail: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    figures: BTreeMap<&'static str, f64>,
}

impl Finding {
    pub(super) fn new(good: bool, detail: impl Into<String>) -> Finding {
        let outcome = if good { Outcome::Ok } else { Outcome::Failed };
        Finding { outcome, detail: detail.into(), figures: BTreeMap::new() }
    }

    pub(super) fn skipped(detail: impl Into<String>) -> Finding {
        Finding { outcome: Outcome::Skipped, detail: detail.into(), figures: BTreeMap::new() }
    }

    /// Whether it did not fail.
    pub(super) fn good(&self) -> bool {
        self.outcome != Outcome::Failed
    }

    /// Adds a number for scripts.
    pub(super) fn figure(mut self, name: &'static str, value: f64) -> Finding {
        self.figures.insert(name, value);
        self
    }
}

#[derive(Debug, Serialize)]
struct Row {
    whose: String,
    check: String,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Debug, Serialize)]
struct Run {
    hypervisors: [&'static str; 2],
    checks: Vec<Row>,
}

/// Collects what was found and prints it.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    start: Instant,
    runs: Vec<Run>,
}

impl Report {
    pub(super) fn new(json: bool) -> Report {
        Report { json, start: Instant::now(), runs: Vec::new() }
    }

    /// Begins a run with its picture.
    pub(super) fn start(&mut self, network: &Network) {
        let names = network.plan.sides.map(|side| side.name());
        self.runs.push(Run { hypervisors: names, checks: Vec::new() });
        if self.json {
            return;
        }
        if self.runs.len() == 1 {
            say!(
                "\n{BOLD}adit demo{BOLD:#}: two hypervisors, two tenants with the same addresses, one VXLAN tunnel"
            );
        }
        say!("\n{}", picture(network));
    }

    /// One check is done.
    pub(super) fn row(&mut self, whose: &str, check: &str, finding: Finding) {
        if !self.json {
            let (style, word) = match finding.outcome {
                Outcome::Ok => (GOOD, "ok"),
                Outcome::Failed => (BAD, "FAILED"),
                Outcome::Skipped => (QUIET, "skipped"),
            };
            say!("  {style}{word:<8}{style:#}{whose:<7}{check:<42}{}", finding.detail);
        }
        if let Some(run) = self.runs.last_mut() {
            run.checks.push(Row { whose: whose.to_owned(), check: check.to_owned(), finding });
        }
    }

    /// Whether a check of this run failed so far.
    pub(super) fn any_failed(&self) -> bool {
        let rows = self.runs.last().into_iter().flat_map(|run| &run.checks);
        rows.into_iter().any(|row| row.finding.outcome == Outcome::Failed)
    }

    /// Something to know about a failure.
    pub(super) fn note(&self, text: &str) {
        if self.json {
            eprintln!("{text}");
        } else {
            say!("{QUIET}{text}{QUIET:#}");
        }
    }

    /// The sentence at the end, or the JSON.
    pub(super) fn finish(self) -> ExitCode {
        let outcomes = || self.runs.iter().flat_map(|run| &run.checks).map(|row| row.finding.outcome);
        let count = |outcome| outcomes().filter(|&other| other == outcome).count();
        let (good, failed, skipped) = (count(Outcome::Ok), count(Outcome::Failed), count(Outcome::Skipped));
        let seconds = self.start.elapsed().as_secs_f64();
        if self.json {
            let all = serde_json::json!({ "ok": failed == 0, "passed": good, "failed": failed, "skipped": skipped,
                "seconds": (seconds * 10.0).round() / 10.0, "runs": self.runs });
            say!("{all:#}");
        } else if failed == 0 {
            let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
            say!(
                "\n{GOOD}All {good} checks passed{GOOD:#}{skipped}, in {seconds:.1} s. Nothing is left behind.\n"
            );
        } else {
            let all = good + failed;
            say!("\n{BAD}{failed} of {all} checks failed{BAD:#}, in {seconds:.1} s.\n");
        }
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Who is connected to whom; the middle is 34 letters wide.
fn picture(network: &Network) -> String {
    let [one, two] = network.plan.sides.map(|side| side.name());
    let (guests, underlay) = (network.plan.guest_mtu, format!("MTU {}", network.plan.underlay_mtu));
    let names = format!("  {:<15}{:>15}  ", "hv1", "hv2");
    let line = format!("{:═^width$}", " VXLAN ", width = 28 - one.len() - two.len());
    let addresses = format!("  {:<10}{underlay:^10}{:>10}  ", "192.0.2.1", "192.0.2.2");
    let [red, blue] = TENANTS.each_ref().map(|tenant| {
        let name = format!("{:<4}", tenant.name);
        (format!("{name} guest-1 10.0.0.1"), format!("{name} guest-2 10.0.0.2   VNI {}", tenant.vni))
    });
    let gap = "";
    format!(
        "  {} ─┐{names}┌─ {}\n  {gap:23}├─ {BOLD}{one}{BOLD:#} {line} {BOLD}{two}{BOLD:#} ─┤{gap:26}MTU {guests}\n  {} ─┘{addresses}└─ {}\n",
        red.0, red.1, blue.0, blue.1
    )
}
