//! `adit flows`: the flows of a running switch, shown and changed, in the syntax of ovs-ofctl(8).

use super::input::{self, Text};
use crate::api::{Answer, Client, FlowCommand, FlowRow, Request, TableRow};
use crate::cli::SOCKET_DEFAULT;
use crate::text::{Features, FieldFeatures, features};
use anyhow::{Result, ensure};
use clap::ValueHint;
use std::cmp::Reverse;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  adit flows dump                       all flows, with what they have counted
  adit flows dump --names ip,nw_dst=10.0.0.0/8
  adit flows add in_port=vm1,ip,actions=output:vx0
  adit flows add --file flows.txt
  adit flows mod in_port=vm1,actions=drop
  adit flows del cookie=0x10/0xf0
  adit flows replace --file flows.txt
  adit flows tables
  adit flows features                   what can flows match and do?
  adit flows tlv-map dump               which Geneve options are fields

The text is that of ovs-ofctl(8); docs/flows.md tells where the commands differ from it.";

/// Show and change the flows of a running switch
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

/// What to do with flows.
#[derive(Clone, Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the arguments of each say what it does, and the help shows that")]
pub enum Verb {
    Dump(DumpArgs),
    Add(AddArgs),
    Mod(ModArgs),
    Del(DelArgs),
    Replace(ReplaceArgs),
    Tables(TablesArgs),
    Features(FeaturesArgs),
    TlvMap(super::tlv_map::Args),
}

/// Show flows, one a line, the highest priority first
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows dump
  adit flows dump table=1,tcp           flows within this match, in this table
  adit flows dump cookie=0x10/0xf0      flows with these bits in their cookie
  adit flows dump out_port=vx0 --names  flows that send there
  adit flows dump --sort packets | head
  adit flows dump --no-stats > flows.txt

What --no-stats writes can be given to `adit flows add` or `replace`, or to `adit run`. Counters are exact: the workers
write down all that they have counted before they are shown.")]
pub struct DumpArgs {
    /// Only flows within this match; table=, cookie=VALUE/MASK, out_port= and out_group= restrict further
    #[arg(value_name = "MATCH", default_value = "", hide_default_value = true)]
    pub matching: String,

    /// Only flows of this table
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=253))]
    pub table: Option<u8>,

    /// Without what they have counted and how long they have been there
    #[arg(long)]
    pub no_stats: bool,

    /// Write names of ports in place of their numbers
    #[arg(long)]
    pub names: bool,

    /// The order
    #[arg(long, value_name = "BY", value_enum, default_value_t = Order::Priority)]
    pub sort: Order,

    /// Answer as JSON
    #[arg(long, conflicts_with = "no_stats")]
    pub json: bool,
}

/// The order of a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// By table, then the highest priority first, then the oldest.
    #[default]
    Priority,
    /// The most frames first.
    Packets,
    /// The most bytes first.
    Bytes,
    /// The newest first.
    Age,
    /// The smallest cookie first.
    Cookie,
}

/// Add flows; one with the same table, priority and match gives way
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows add priority=100,in_port=vm1,actions=output:2
  adit flows add 'idle_timeout=60,send_flow_rem,tcp,actions=NORMAL'
  adit flows add check_overlap,ip,actions=drop
  adit flows add --file flows.txt       all of them or none
  generate | adit flows add --file -

A line of a file may begin with add, modify, modify_strict, delete or delete_strict; all lines are done in order
and together: no frame sees the half of them. A flow that takes another's place goes on with its counters, unless it
has reset_counts. When the command returns, every worker goes by the new flows.")]
pub struct AddArgs {
    /// Flows
    #[arg(value_name = "FLOW", required_unless_present = "file")]
    pub flows: Vec<String>,

    /// A file of flows, one a line; - is standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "flows", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

/// Change what flows do; they keep cookies, timeouts, flags and counters
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows mod in_port=vm1,actions=drop            all flows within the match
  adit flows mod --strict priority=5,ip,actions=2    the flow with just this match and priority
  adit flows mod cookie=0x10/0xf0,actions=drop       those with these bits in their cookie
  adit flows mod reset_counts,ip,actions=2           and count from zero

A flow without table= stands for table 0. That there is no such flow is no fault: nothing is added.")]
pub struct ModArgs {
    /// Flows
    #[arg(value_name = "FLOW", required_unless_present = "file")]
    pub flows: Vec<String>,

    /// A file of flows, one a line; - is standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "flows", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Only the flow with exactly this match and priority
    #[arg(long)]
    pub strict: bool,
}

/// Delete flows
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows del                        all flows of all tables
  adit flows del table=1
  adit flows del ip,nw_dst=10.0.0.0/8   all flows within the match, whatever their priority
  adit flows del --strict priority=5,ip
  adit flows del out_port=vm1           those that send there
  adit flows del cookie=7               those with this cookie")]
pub struct DelArgs {
    /// Which flows
    #[arg(value_name = "MATCH")]
    pub matches: Vec<String>,

    /// A file of matches, one a line; - is standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "matches", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Only the flow with exactly this match and priority
    #[arg(long)]
    pub strict: bool,
}

/// Make the flows those of a file: add, change and delete what differs, and leave the others alone
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows replace --file flows.txt
  adit flows dump --no-stats > before; adit flows replace --file new; adit flows replace --file before")]
pub struct ReplaceArgs {
    /// A file of flows, one a line; - is standard input
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Show what tables have and did
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows tables
  adit flows tables --json | jq '.[].lookup'")]
pub struct TablesArgs {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Show what each table can do: fields that flows can match and set, instructions, actions
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows features
  adit flows features --json | jq -r '.fields[] | select(.settable) | .name'

All tables can do the same. No switch is asked: it depends on the version of this program alone.")]
pub struct FeaturesArgs {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Does what is asked.
///
/// # Errors
/// When no switch answers, or it refuses.
pub fn run(args: &Args) -> Result<ExitCode> {
    let socket = &args.socket;
    match &args.verb {
        Verb::Dump(args) => dump(socket, args)?,
        Verb::Add(args) => change(socket, FlowCommand::Add, input::read(&args.flows, args.file.as_ref())?)?,
        Verb::Mod(args) => {
            let command = if args.strict { FlowCommand::ModifyStrict } else { FlowCommand::Modify };
            change(socket, command, input::read(&args.flows, args.file.as_ref())?)?;
        }
        Verb::Del(args) => {
            let command = if args.strict { FlowCommand::DeleteStrict } else { FlowCommand::Delete };
            ensure!(
                !args.strict || args.file.is_some() || !args.matches.is_empty(),
                "--strict needs to know which flow: adit flows del --strict priority=N,MATCH"
            );
            let mut text = input::read(&args.matches, args.file.as_ref())?;
            if args.file.is_none() && text.text.trim().is_empty() {
                text.text = "delete".into();
            }
            change(socket, command, text)?;
        }
        Verb::Replace(args) => {
            let Text { source, text } = input::read(&[], Some(&args.file))?;
            let lines = text.lines().count();
            input::change(socket, &Request::ReplaceFlows { source, text }, lines)?;
        }
        Verb::Tables(args) => tables(socket, args.json)?,
        Verb::Features(args) => tell_features(args.json)?,
        Verb::TlvMap(args) => super::tlv_map::run(socket, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn change(socket: &Path, command: FlowCommand, text: Text) -> Result<()> {
    let Text { source, text } = text;
    let lines = text.lines().count();
    input::change(socket, &Request::ChangeFlows { command, source, text }, lines).map(drop)
}

fn dump(socket: &Path, args: &DumpArgs) -> Result<()> {
    let mut filter = args.matching.clone();
    if let Some(table) = args.table {
        filter = format!("table={table},{filter}");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut shown = Shown { json: args.json, stats: !args.no_stats, first: true };
    let mut rows = Vec::new();
    let streams = args.sort == Order::Priority;
    Client::connect(socket)?.ask(&Request::DumpFlows { filter, names: args.names }, |answer| {
        let Answer::Flows(more) = answer else { return Ok(()) };
        match streams {
            true => more.iter().try_for_each(|row| shown.row(&mut out, row)),
            false => {
                rows.extend(more);
                Ok(())
            }
        }
    })?;
    sort(&mut rows, args.sort);
    rows.iter().try_for_each(|row| shown.row(&mut out, row))?;
    shown.end(&mut out)
}

fn sort(rows: &mut [FlowRow], order: Order) {
    match order {
        Order::Priority => {}
        Order::Packets => rows.sort_by_key(|row| Reverse(row.n_packets)),
        Order::Bytes => rows.sort_by_key(|row| Reverse(row.n_bytes)),
        Order::Age => rows.sort_by_key(|row| row.duration_ms),
        Order::Cookie => rows.sort_by_key(|row| row.cookie),
    }
}

/// Rows as they come, as lines or as one JSON array.
struct Shown {
    json: bool,
    stats: bool,
    first: bool,
}

impl Shown {
    fn row(&mut self, out: &mut impl Write, row: &FlowRow) -> Result<()> {
        match self.json {
            true => {
                let comma = if self.first { "[\n" } else { ",\n" };
                write!(out, "{comma}{}", serde_json::to_string(row)?)?;
            }
            false => writeln!(out, "{}", row.line(self.stats))?,
        }
        self.first = false;
        Ok(())
    }

    fn end(&self, out: &mut impl Write) -> Result<()> {
        match (self.json, self.first) {
            (true, true) => writeln!(out, "[]")?,
            (true, false) => writeln!(out, "\n]")?,
            (false, _) => {}
        }
        Ok(out.flush()?)
    }
}

fn tables(socket: &Path, json: bool) -> Result<()> {
    let rows = input::gather(socket, &Request::DumpTables, |answer| match answer {
        Answer::Tables(rows) => Some(rows),
        _ => None,
    })?;
    input::show(&rows, json, |TableRow { table, active, max_entries, lookup, matched }| {
        format!(
            "table {table}: active={active}, lookup={lookup}, matched={matched}, max_entries={max_entries}"
        )
    })
}

fn tell_features(json: bool) -> Result<()> {
    let features = features();
    let mut out = io::stdout().lock();
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&features)?)?);
    }
    let Features { tables, max_entries, metadata, instructions, actions, fields } = features;
    writeln!(out, "tables: {tables}, of {max_entries} flows each; metadata: {metadata:#x}")?;
    writeln!(out, "instructions: {}", instructions.join(" "))?;
    writeln!(out, "actions: {}", actions.join(" "))?;
    writeln!(out, "{:16} {:>4}  match   set", "field", "bits")?;
    for FieldFeatures { name, bits, maskable, settable } in fields {
        let (mask, set) = (if maskable { "masked" } else { "exact" }, if settable { "yes" } else { "no" });
        writeln!(out, "{name:16} {bits:>4}  {mask:6}  {set}")?;
    }
    Ok(())
}
