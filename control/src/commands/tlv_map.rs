//! `adit flows tlv-map`: which Geneve options are the fields `tun_metadata0` to `tun_metadata63`, shown and changed in the words of ovs-ofctl(8).

use super::input;
use crate::api::{Answer, Request, TlvRow};
use anyhow::{Result, ensure};
use std::path::Path;

/// Show and change which Geneve options are fields
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  adit flows tlv-map dump
  adit flows tlv-map add '{class=0x102,type=0x80,len=4}->tun_metadata0'
  adit flows tlv-map del tun_metadata0
  adit flows tlv-map del --all

A field that a flow or a group uses stays mapped.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with the map.
#[derive(Clone, Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the arguments of each say what it does, and the help shows that")]
pub enum Verb {
    Dump(DumpArgs),
    Add(AddArgs),
    Del(DelArgs),
}

/// Show which options are fields, one a line
#[derive(Clone, Debug, clap::Args)]
pub struct DumpArgs {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Map options to fields: all of these or none
#[derive(Clone, Debug, clap::Args)]
pub struct AddArgs {
    /// Options and their fields: {class=C,type=T,len=L}->tun_metadataN
    #[arg(value_name = "MAP", required = true)]
    pub maps: Vec<String>,
}

/// Map nothing to fields any more
#[derive(Clone, Debug, clap::Args)]
pub struct DelArgs {
    /// The fields: tun_metadataN, with or without the option in front of them
    #[arg(value_name = "FIELD", required_unless_present = "all")]
    pub fields: Vec<String>,

    /// All of them
    #[arg(long, conflicts_with = "fields")]
    pub all: bool,
}

/// Does what is asked.
///
/// # Errors
/// When no switch answers, or it refuses.
pub(super) fn run(socket: &Path, args: &Args) -> Result<()> {
    match &args.verb {
        Verb::Dump(args) => {
            let rows = input::gather(socket, &Request::DumpTlvMap, |answer| match answer {
                Answer::TlvMap(rows) => Some(rows),
                _ => None,
            })?;
            input::show(&rows, args.json, TlvRow::line)
        }
        Verb::Add(args) => change(socket, true, &args.maps),
        Verb::Del(args) => {
            ensure!(args.all || !args.fields.is_empty(), "which fields? name them, or --all");
            change(socket, false, &args.fields)
        }
    }
}

fn change(socket: &Path, add: bool, maps: &[String]) -> Result<()> {
    input::change(socket, &Request::ChangeTlvMap { add, maps: maps.to_vec() }, 0).map(drop)
}
