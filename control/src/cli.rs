//! The command line: what can be asked of `adit`, and handing it to whoever does it.
//!
//! A command that fails says why in one line, `adit: ...`, and exits with 1; one that was asked for in words that it does
//! not know exits with 2.

use crate::api::Refusal;
use crate::causes::in_one_line;
use crate::commands::{flows, groups, meters, monitor};
use crate::traffic::{generate, sink};
use crate::{check, daemon, demo, doctor, replay, show, trace};
use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Where a running switch answers questions.
pub const SOCKET_DEFAULT: &str = "/run/adit/adit.sock";

/// A tunnel dataplane for hypervisors: carries tenants' Ethernet frames, and leaves everything else to the kernel
#[derive(Clone, Debug, Parser)]
#[command(name = "adit", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  adit check /etc/adit/adit.toml        is the configuration fine?
  adit run --config /etc/adit/adit.toml run the switch
  adit show                             what is it doing?
  adit flows dump                       by which flows, and what have they counted?
  adit monitor                          which frames is the controller told of?
  adit trace in_port=vm1,ip             what would it do with this packet, and why?
  adit replay --flows flows.txt --port g1=in.pcap --out out/
                                        what would it do with these frames? (no root)
  adit demo                             build a network on this machine and see it work (needs root)
  adit sink eth1 / adit gen eth0        send numbered frames, and count what becomes of them (needs root)
  adit completions bash > /etc/bash_completion.d/adit

Each command explains itself: adit check --help";

/// The commands.
#[derive(Clone, Debug, Subcommand)]
#[expect(missing_docs, reason = "the arguments of each say what it does, and the help shows that")]
pub enum Command {
    Run(RunArgs),
    Check(CheckArgs),
    Replay(replay::Args),
    Trace(trace::Args),
    Show(ShowArgs),
    Flows(flows::Args),
    Groups(groups::Args),
    Meters(meters::Args),
    Monitor(monitor::Args),
    Doctor(doctor::Args),
    Demo(demo::Args),
    Gen(generate::Args),
    Sink(sink::Args),
    Completions(CompletionsArgs),
}

/// Run the switch until it is told to stop
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit run --config /etc/adit/adit.toml
  adit run --config lab.toml --socket /tmp/lab.sock

Needs root, or CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_PERFMON. Ends on SIGINT and SIGTERM; the devices are then the kernel's again.")]
pub struct RunArgs {
    /// The configuration (TOML); check it with `adit check`
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,

    /// Where to answer `adit show`, `adit flows` and the others
    #[arg(long, value_name = "PATH", default_value = SOCKET_DEFAULT, value_hint = ValueHint::AnyPath)]
    pub socket: PathBuf,
}

/// Read a configuration and its flows, and say everything that is wrong with them
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit check adit.toml
  adit check --config adit.toml         the same, as adit run has it
  adit check --json adit.toml | jq '.faults[].message'

Nothing is started and no device is touched. Exits with 0 when everything is fine, else with 1.")]
pub struct CheckArgs {
    /// The configuration (TOML)
    #[arg(value_name = "FILE", required_unless_present = "config", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// The configuration (TOML), as `adit run` has it
    #[arg(long, short, value_name = "FILE", conflicts_with = "file", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Ask a running switch what it does
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit show
  adit show --json | jq .
  adit show --perf                      what does a frame cost, stage by stage?

--perf asks twice, a second apart, and tells of the time in between: how busy workers are, how many frames their turns
have, how their flows are found, and the processor's cycles for each frame. What --json tells is counted since the start.")]
pub struct ShowArgs {
    /// Where the switch answers
    #[arg(long, value_name = "PATH", default_value = SOCKET_DEFAULT, value_hint = ValueHint::FilePath)]
    pub socket: PathBuf,

    /// Answer as JSON
    #[arg(long)]
    pub json: bool,

    /// Tell what a frame costs in the next second, stage by stage
    #[arg(long)]
    pub perf: bool,
}

/// Write a script that completes the command line in a shell
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit completions bash > /etc/bash_completion.d/adit
  adit completions zsh > ~/.zfunc/_adit
  adit completions fish > ~/.config/fish/completions/adit.fish")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Does what the command line of this process asks for.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // A refusal may show the place in a text.
            let _ = match error.downcast_ref::<Refusal>() {
                Some(refusal) => writeln!(io::stderr(), "adit: {refusal}"),
                None => writeln!(io::stderr(), "adit: {}", in_one_line(&error)),
            };
            ExitCode::FAILURE
        }
    }
}

/// Does what a command asks for.
///
/// # Errors
/// Why it could not be done.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(args) => daemon::run(&args.config, &args.socket),
        Command::Check(args) => run_check(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Show(args) if args.perf => show::run_perf(&args.socket, args.json),
        Command::Show(args) => show::run(&args.socket, args.json),
        Command::Flows(args) => flows::run(&args),
        Command::Groups(args) => groups::run(&args),
        Command::Meters(args) => meters::run(&args),
        Command::Monitor(args) => monitor::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Gen(args) => generate::run(&args),
        Command::Sink(args) => sink::run(&args),
        Command::Completions(args) => complete(&args),
    }
}

fn run_check(args: &CheckArgs) -> Result<ExitCode> {
    // One of the two is there: the command line is refused otherwise.
    let path = args.config.as_ref().or(args.file.as_ref()).context("no configuration is given")?;
    let report = check::check(path);
    if args.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else if report.fine {
        writeln!(io::stdout(), "{report}")?;
    } else {
        writeln!(io::stderr(), "{report}")?;
    }
    for warning in report.warnings.iter().filter(|_| !args.json) {
        writeln!(io::stderr(), "warning: {warning}")?;
    }
    Ok(if report.fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn complete(args: &CompletionsArgs) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "adit", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether whoever read our output has heard enough, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
