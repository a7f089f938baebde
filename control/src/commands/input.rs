//! What the commands share: texts that an operator gives, as arguments, in a file, or on standard input, and rows that a switch answers.

use crate::api::{Answer, Client, Done, Request};
use crate::config::{FLOWS_BYTES_MAX, read_text};
use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Lines from which on it is told that something is going on.
const MANY: usize = 10_000;

/// A text, and what it is called in faults.
pub(super) struct Text {
    pub(super) source: String,
    pub(super) text: String,
}

/// The text that arguments or a file give; `-` is standard input.
pub(super) fn read(lines: &[String], file: Option<&PathBuf>) -> Result<Text> {
    match file {
        None => Ok(Text { source: "argument".into(), text: lines.join("\n") }),
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            let input = io::stdin().lock().take(FLOWS_BYTES_MAX + 1);
            io::BufReader::new(input).read_to_string(&mut text).context("cannot read standard input")?;
            ensure!(
                text.len() as u64 <= FLOWS_BYTES_MAX,
                "standard input is longer than {FLOWS_BYTES_MAX} bytes"
            );
            Ok(Text { source: "stdin".into(), text })
        }
        Some(path) => {
            let text = read_text(path, FLOWS_BYTES_MAX).map_err(|fault| anyhow!("{fault}"))?;
            Ok(Text { source: path.display().to_string(), text })
        }
    }
}

/// Asks for a change. On a terminal, a long one is told of.
pub(super) fn change(socket: &Path, request: &Request, lines: usize) -> Result<Done> {
    let told = lines >= MANY && io::stderr().is_terminal();
    let start = Instant::now();
    let mut err = io::stderr();
    if told {
        let _ = write!(err, "{lines} lines ... ");
        let _ = err.flush();
    }
    let done = Client::connect(socket)?.ask(request, |_| Ok(()));
    if told {
        let _ = match &done {
            Ok(_) => writeln!(err, "done in {:.1} s", start.elapsed().as_secs_f64()),
            Err(_) => writeln!(err),
        };
    }
    done
}

/// All rows of the answers to a request; `rows` takes them out of one.
pub(super) fn gather<Row>(
    socket: &Path,
    request: &Request,
    rows: impl Fn(Answer) -> Option<Vec<Row>>,
) -> Result<Vec<Row>> {
    let mut all = Vec::new();
    Client::connect(socket)?.ask(request, |answer| {
        all.extend(rows(answer).into_iter().flatten());
        Ok(())
    })?;
    Ok(all)
}

/// Shows rows, a line each or as JSON.
pub(super) fn show<Row: Serialize>(rows: &[Row], json: bool, line: impl Fn(&Row) -> String) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(rows)?)?,
        false => rows.iter().try_for_each(|row| writeln!(out, "{}", line(row)))?,
    }
    Ok(out.flush()?)
}
