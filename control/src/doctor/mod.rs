//! `adit doctor`: looks at the host that a configuration is for and says what will hurt.
//!
//! `doctor mtu` explains what packets of guests may measure: [`facts`] asks the running switch, or the kernel where none runs;
//! [`mtu`] concludes, purely.

mod facts;
mod mtu;

use crate::cli::SOCKET_DEFAULT;
use anyhow::{Result, bail};
use clap::ValueHint;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

pub use mtu::{Report, Tunnel};

/// Look for what will hurt
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit doctor mtu --config /etc/adit/adit.toml
  adit doctor mtu --config adit.toml --probe")]
pub struct Args {
    /// What to look at
    #[command(subcommand)]
    pub topic: Topic,
}

/// What can be looked at.
#[derive(Clone, Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the arguments of each say what it does, and the help shows that")]
pub enum Topic {
    Mtu(MtuArgs),
}

/// Say how long packets of guests may be on the way of each tunnel, and why
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit doctor mtu --config /etc/adit/adit.toml
  adit doctor mtu --config adit.toml --json | jq '.tunnels[].guest_mtu'

Asks the running switch what it has learned, and the kernel where none runs. Exits with 1 when a guest can send what does not fit.")]
pub struct MtuArgs {
    /// The configuration (TOML)
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,

    /// Where the switch answers
    #[arg(long, value_name = "PATH", default_value = SOCKET_DEFAULT, value_hint = ValueHint::FilePath)]
    pub socket: PathBuf,

    /// Ping the remote ends with packets as long as the way is said to carry, which nobody may fragment (needs root)
    #[arg(long)]
    pub probe: bool,

    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Looks, and says what it found.
///
/// # Errors
/// When the configuration is faulty or the kernel cannot be asked.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Topic::Mtu(args) = &args.topic;
    let loaded = crate::config::read(&args.config).and_then(|config| Ok((config.rules()?, config)));
    let (rules, config) = match loaded {
        Ok(loaded) => loaded,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            bail!("{} fault(s): see above", faults.len());
        }
    };
    let facts = facts::gather(&config, rules, &args.socket)?;
    let mut report = Report::new(&config, &facts);
    if args.probe {
        report.probe(facts::probe)?;
    }
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(if report.fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
