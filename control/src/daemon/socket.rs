//! The daemon's socket: whoever connects says what it wants in one line and gets one JSON document.
//!
//! A client costs one bounded buffer and at most a second; it is served where the rest of control runs, beside no packet.

use crate::status::Status;
use anyhow::{Context, Result, anyhow, bail};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{UnixListener, UnixStream};

/// The one request that there is.
const SHOW: &str = "show";
/// Longest request, in bytes.
const REQUEST_MAX: u64 = 256;
/// Longest answer that a client reads, in bytes.
const ANSWER_MAX: u64 = 64 << 20;
/// A client that is slower than this is cut off.
const PATIENCE: Duration = Duration::from_secs(1);

/// The listening end. Its file goes away with it.
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens at `path`, which only this user may connect to. A dead daemon's file is replaced, a live one's is not.
    pub(super) fn bind(path: &Path) -> Result<Listener> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("another adit answers on {}: stop it, or choose another --socket", path.display());
        }
        if let Some(what) = no_socket(path) {
            bail!("--socket {} is {what} already: choose another path", path.display());
        }
        if std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
            std::fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        let listener = listen(path).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => anyhow!(
                "cannot listen on {}: {error}: run as root, or choose with --socket a path in a directory that this user may write to",
                path.display()
            ),
            _ => anyhow!(error).context(format!("cannot listen on {}", path.display())),
        })?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot protect {}", path.display()))?;
        Ok(Listener { listener, path: path.to_path_buf() })
    }

    /// The next client. Cancel-safe.
    pub(super) async fn accept(&self) -> std::io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

/// Makes the directory too.
fn listen(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    UnixListener::bind(path)
}

/// What is at `path` if it is there and no socket.
fn no_socket(path: &Path) -> Option<&'static str> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    match kind {
        _ if kind.is_socket() => None,
        _ if kind.is_dir() => Some("a directory"),
        _ => Some("a file"),
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers one client.
pub(super) async fn serve(client: UnixStream, status: String) {
    let _ = tokio::time::timeout(PATIENCE, answer(client, status)).await;
}

async fn answer(mut client: UnixStream, status: String) -> std::io::Result<()> {
    let mut request = String::new();
    AsyncBufReader::new((&mut client).take(REQUEST_MAX)).read_line(&mut request).await?;
    let answer = match request.trim_end() {
        SHOW => status,
        other => format!("{{\"error\":\"unknown request {}\"}}", other.escape_default()),
    };
    client.write_all(answer.as_bytes()).await?;
    client.write_all(b"\n").await
}

/// Asks the daemon at `path` for its status.
///
/// # Errors
/// When nobody answers there, or not with a status.
pub fn ask(path: &Path) -> Result<Status> {
    let mut stream = std::os::unix::net::UnixStream::connect(path).map_err(|error| {
        let shown = path.display();
        match (error.kind(), no_socket(path)) {
            (ErrorKind::PermissionDenied, _) => {
                anyhow!("{shown} may not be asked: run as root or as the user that runs adit ({error})")
            }
            (_, Some(what)) => anyhow!("no adit answers on {shown}: it is {what}, no socket"),
            (_, None) => {
                anyhow!("no adit answers on {shown}: is it running (adit run), with this --socket? ({error})")
            }
        }
    })?;
    stream.set_read_timeout(Some(PATIENCE * 5))?;
    writeln!(stream, "{SHOW}").context("the daemon went away")?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_MAX)).read_line(&mut answer).context("the daemon did not answer")?;
    serde_json::from_str(&answer).context("the daemon's answer is not understood: is it of another version?")
}
