//! `adit meters`: the meters of a running switch, shown and changed, in the syntax of ovs-ofctl(8).

use super::input::{self, Text};
use crate::api::{Answer, MeterCommand, Request};
use crate::cli::SOCKET_DEFAULT;
use anyhow::{Result, ensure};
use clap::ValueHint;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  adit meters dump
  adit meters dump --stats              what they have seen
  adit meters add 'meter=1 kbps bands=type=drop rate=10000'
  adit meters add --file meters.txt
  adit meters mod 'meter=1 kbps bands=type=drop rate=20000'
  adit meters del 1 2
  adit meters del --all

The text is that of ovs-ofctl(8); docs/flows.md tells where the commands differ from it.";

/// Show and change the meters of a running switch
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,

    /// Where the switch answers
    #[arg(long, global = true, value_name = "PATH", default_value = SOCKET_DEFAULT, value_hint = ValueHint::FilePath)]
    pub socket: PathBuf,
}

/// What to do with meters.
#[derive(Clone, Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the arguments of each say what it does, and the help shows that")]
pub enum Verb {
    Dump(DumpArgs),
    Add(ChangeArgs),
    /// Change meters that are there; what they have seen goes on
    Mod(ChangeArgs),
    Del(DelArgs),
}

/// Show meters, one a line, by their numbers
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit meters dump > meters.txt
  adit meters dump --stats
  adit meters dump --json | jq '.[] | select(.flow_count == 0).meter_id'")]
pub struct DumpArgs {
    /// What they have seen, in place of what they do
    #[arg(long)]
    pub stats: bool,

    /// Answer as JSON
    #[arg(long, conflicts_with = "stats")]
    pub json: bool,
}

/// Add meters that are not there yet
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit meters add 'meter=1 pktps burst bands=type=drop rate=1000 burst_size=100'
  adit meters add --file meters.txt     all of them or none")]
pub struct ChangeArgs {
    /// Meters
    #[arg(value_name = "METER", required_unless_present = "file")]
    pub meters: Vec<String>,

    /// A file of meters, one a line; - is standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "meters", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

/// Delete meters, and the flows that name them
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit meters del 1 2
  adit meters del --all")]
pub struct DelArgs {
    /// Their numbers
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub meters: Vec<u32>,

    /// All meters
    #[arg(long, conflicts_with = "meters")]
    pub all: bool,
}

/// Does what is asked.
///
/// # Errors
/// When no switch answers, or it refuses.
pub fn run(args: &Args) -> Result<ExitCode> {
    let socket = &args.socket;
    match &args.verb {
        Verb::Dump(args) => dump(socket, args)?,
        Verb::Add(args) => change(socket, MeterCommand::Add, args)?,
        Verb::Mod(args) => change(socket, MeterCommand::Modify, args)?,
        Verb::Del(args) => {
            ensure!(args.all || !args.meters.is_empty(), "which meters? give their numbers, or --all");
            input::change(socket, &Request::DeleteMeters { meters: args.meters.clone() }, 0)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn change(socket: &Path, command: MeterCommand, args: &ChangeArgs) -> Result<()> {
    let Text { source, text } = input::read(&args.meters, args.file.as_ref())?;
    let lines = text.lines().count();
    input::change(socket, &Request::ChangeMeters { command, source, text }, lines).map(drop)
}

fn dump(socket: &Path, args: &DumpArgs) -> Result<()> {
    let rows = input::gather(socket, &Request::DumpMeters, |answer| match answer {
        Answer::Meters(rows) => Some(rows),
        _ => None,
    })?;
    input::show(&rows, args.json, |row| row.line(args.stats))
}
