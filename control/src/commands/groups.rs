//! `adit groups`: the groups of a running switch, shown and changed, in the syntax of ovs-ofctl(8).

use super::input::{self, Text};
use crate::api::{Answer, GroupCommand, Request};
use crate::cli::SOCKET_DEFAULT;
use anyhow::{Result, ensure};
use clap::ValueHint;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  adit groups dump
  adit groups dump --stats              what they have counted
  adit groups add group_id=1,type=select,bucket=output:1,bucket=output:2
  adit groups add --file groups.txt
  adit groups mod group_id=1,type=all,bucket=output:1
  adit groups insert-buckets group_id=1,command_bucket_id=last,bucket=bucket_id:7,output:3
  adit groups remove-buckets group_id=1,command_bucket_id=7
  adit groups del 1 2
  adit groups del --all

The text is that of ovs-ofctl(8); docs/flows.md tells where the commands differ from it.";

/// Show and change the groups of a running switch
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

/// What to do with groups.
#[derive(Clone, Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the arguments of each say what it does, and the help shows that")]
pub enum Verb {
    Dump(DumpArgs),
    Add(ChangeArgs),
    Mod(ModArgs),
    InsertBuckets(InsertArgs),
    RemoveBuckets(RemoveArgs),
    Del(DelArgs),
}

/// Show groups, one a line, by their numbers
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit groups dump > groups.txt
  adit groups dump --stats
  adit groups dump --json | jq '.[] | select(.ref_count == 0).group_id'")]
pub struct DumpArgs {
    /// What they have counted, in place of what they do
    #[arg(long)]
    pub stats: bool,

    /// Write names of ports in place of their numbers
    #[arg(long)]
    pub names: bool,

    /// Answer as JSON
    #[arg(long, conflicts_with = "stats")]
    pub json: bool,
}

/// Add groups that are not there yet
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit groups add group_id=1,type=all,bucket=output:1,bucket=output:2
  adit groups add --file groups.txt     all of them or none")]
pub struct ChangeArgs {
    /// Groups
    #[arg(value_name = "GROUP", required_unless_present = "file")]
    pub groups: Vec<String>,

    /// A file of groups, one a line; - is standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "groups", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

/// Change groups that are there
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit groups mod group_id=1,type=all,bucket=output:1
  adit groups mod --may-create --file groups.txt")]
pub struct ModArgs {
    /// The groups
    #[command(flatten)]
    pub change: ChangeArgs,

    /// Add those that are not there
    #[arg(long)]
    pub may_create: bool,
}

/// Put buckets into groups, whose other buckets stay as they are and go on counting
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit groups insert-buckets group_id=1,command_bucket_id=last,bucket=bucket_id:7,output:3
  adit groups insert-buckets group_id=1,command_bucket_id=7,bucket=bucket_id:8,output:4

command_bucket_id is first, last, or the number of the bucket behind which they go.")]
pub struct InsertArgs {
    /// A group and its new buckets
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Take buckets out of groups
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit groups remove-buckets group_id=1,command_bucket_id=first
  adit groups remove-buckets group_id=1                            all of them

command_bucket_id is first, last, all, or a bucket's number.")]
pub struct RemoveArgs {
    /// A group, and which of its buckets
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Delete groups, and the flows that lead to them
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit groups del 1 2
  adit groups del --all")]
pub struct DelArgs {
    /// Their numbers
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub groups: Vec<u32>,

    /// All groups
    #[arg(long, conflicts_with = "groups")]
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
        Verb::Add(args) => change(socket, GroupCommand::Add, args)?,
        Verb::Mod(args) if args.may_create => change(socket, GroupCommand::AddOrModify, &args.change)?,
        Verb::Mod(args) => change(socket, GroupCommand::Modify, &args.change)?,
        Verb::InsertBuckets(args) => buckets(socket, true, &args.change)?,
        Verb::RemoveBuckets(args) => buckets(socket, false, &args.change)?,
        Verb::Del(args) => {
            ensure!(args.all || !args.groups.is_empty(), "which groups? give their numbers, or --all");
            input::change(socket, &Request::DeleteGroups { groups: args.groups.clone() }, 0)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn change(socket: &Path, command: GroupCommand, args: &ChangeArgs) -> Result<()> {
    let Text { source, text } = input::read(&args.groups, args.file.as_ref())?;
    let lines = text.lines().count();
    input::change(socket, &Request::ChangeGroups { command, source, text }, lines).map(drop)
}

fn buckets(socket: &Path, insert: bool, args: &ChangeArgs) -> Result<()> {
    let Text { source, text } = input::read(&args.groups, args.file.as_ref())?;
    let lines = text.lines().count();
    input::change(socket, &Request::ChangeBuckets { insert, source, text }, lines).map(drop)
}

fn dump(socket: &Path, args: &DumpArgs) -> Result<()> {
    let rows = input::gather(socket, &Request::DumpGroups { names: args.names }, |answer| match answer {
        Answer::Groups(rows) => Some(rows),
        _ => None,
    })?;
    input::show(&rows, args.json, |row| row.line(args.stats))
}
