//! Asking a running switch.

use super::{ANSWER_BYTES_MAX, Answer, Done, Request};
use crate::daemon::no_socket;
use crate::status::Status;
use anyhow::{Context, Result, anyhow, bail};
use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The switch answers at once; a change of a hundred thousand flows takes it a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a running switch does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(
    /// Reasons, each a line, or more when it shows a place in a text.
    pub Vec<String>,
);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Refusal {}

/// A connection to a running switch.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect(path: &Path) -> Result<Client> {
        let stream = UnixStream::connect(path).map_err(|error| {
            let shown = path.display();
            match (error.kind(), no_socket(path)) {
                (ErrorKind::PermissionDenied, _) => {
                    anyhow!("{shown} may not be asked: run as root or as the user that runs adit ({error})")
                }
                (_, Some(what)) => anyhow!("no adit answers on {shown}: it is {what}, no socket"),
                (_, None) => {
                    anyhow!(
                        "no adit answers on {shown}: is it running (adit run), with this --socket? ({error})"
                    )
                }
            }
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// For answers that may take any time.
    ///
    /// # Errors
    /// When the connection cannot be set up so.
    pub fn listening(self) -> Result<Client> {
        self.stream.get_ref().set_read_timeout(None)?;
        Ok(self)
    }

    /// Asks, and hands on every answer with content.
    ///
    /// # Errors
    /// When the request is refused, or the connection fails, or `take` does.
    pub fn ask(&mut self, request: &Request, mut take: impl FnMut(Answer) -> Result<()>) -> Result<Done> {
        self.ask_until(request, |answer| take(answer).map(|()| true))
    }

    /// The same, until `take` says that it wants no more.
    ///
    /// # Errors
    /// As for [`Client::ask`].
    pub fn ask_until(
        &mut self,
        request: &Request,
        mut take: impl FnMut(Answer) -> Result<bool>,
    ) -> Result<Done> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        // A daemon that refuses a long request says why before it has read all of it.
        let sent = self.stream.get_mut().write_all(&line);
        loop {
            let answer = self.answer();
            match (answer, &sent) {
                (Ok(Answer::Done(done)), _) => return Ok(done),
                (Ok(Answer::Refused(reasons)), _) => return Err(Refusal(reasons).into()),
                (Ok(answer), _) => {
                    if !take(answer)? {
                        return Ok(Done::default());
                    }
                }
                (Err(_), Err(_)) => bail!("the daemon went away"),
                (Err(error), Ok(())) => return Err(error),
            }
        }
    }

    /// The status of the switch.
    ///
    /// # Errors
    /// As for [`Client::ask`].
    pub fn status(&mut self) -> Result<Status> {
        let mut found = None;
        self.ask(&Request::Show, |answer| {
            if let Answer::Status(status) = answer {
                found = Some(*status);
            }
            Ok(())
        })?;
        found.context("the daemon's answer has no status: is it of another version?")
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        let read = (&mut self.stream).take(ANSWER_BYTES_MAX as u64).read_line(&mut line);
        match read.context("the daemon did not answer")? {
            0 => bail!("the daemon did not answer: it has closed the connection"),
            _ => serde_json::from_str(&line)
                .context("the daemon's answer is not understood: is it of another version?"),
        }
    }
}
