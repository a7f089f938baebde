//! `adit monitor`: the frames that the controller is told of, as they come.

use crate::api::{Answer, Client, Request};
use crate::cli::SOCKET_DEFAULT;
use anyhow::Result;
use clap::ValueHint;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  adit flows add 'priority=0,actions=controller'
  adit monitor                          what no other flow takes
  adit monitor --json | jq -r 'select(.reason == \"no_match\").data'
  adit monitor --count 1                the next one, and end

Shows packet-ins as ovs-ofctl monitor does. Who is too slow loses some: adit show --json counts them (controller.lost).";

/// Show the frames that flows tell the controller of, until interrupted
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Where the switch answers
    #[arg(long, value_name = "PATH", default_value = SOCKET_DEFAULT, value_hint = ValueHint::FilePath)]
    pub socket: PathBuf,

    /// One JSON document a line
    #[arg(long)]
    pub json: bool,
}

/// Listens and prints.
///
/// # Errors
/// When no daemon answers, or it goes away.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut client = Client::connect(&args.socket)?.listening()?;
    let mut left = args.count.unwrap_or(u64::MAX);
    client.ask_until(&Request::Monitor, |answer| {
        if let Answer::PacketIn(packet) = answer {
            let mut out = io::stdout().lock();
            match args.json {
                true => writeln!(out, "{}", serde_json::to_string(&packet)?)?,
                false => write!(out, "{}", packet.lines())?,
            }
            out.flush()?;
            left -= 1;
        }
        Ok(left > 0)
    })?;
    Ok(ExitCode::SUCCESS)
}
