//! The daemon's socket, as a file: only its user may connect, and a live daemon's is not taken over.

use anyhow::{Context, Result, anyhow, bail};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep_until};

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_secs(1);

/// The listening end. Its file goes away with it.
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// When to try again after a failure.
    again: Option<Instant>,
    /// That it fails was told.
    told: bool,
}

impl Listener {
    /// Listens at `path`, which only this user may connect to. A dead daemon's file is replaced, a live one's is not.
    pub(super) fn bind(path: &Path) -> Result<Listener> {
        Listener::bind_for(path, "--socket")
    }

    /// The same; `what` is what asks for it.
    pub(super) fn bind_for(path: &Path, what: &str) -> Result<Listener> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("another adit answers on {}: stop it, or choose another path ({what})", path.display());
        }
        if let Some(there) = no_socket(path) {
            bail!("{what} {} is {there} already: choose another path", path.display());
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
        Ok(Listener { listener, path: path.to_path_buf(), again: None, told: false })
    }

    /// The next client. Cancel-safe.
    ///
    /// # Errors
    /// When there can be none, as without file descriptors; whoever tries again at once is told so at once.
    pub(super) async fn accept(&self) -> std::io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    /// The next client. Cancel-safe. When there can be none, it is tried again at intervals.
    pub(super) async fn next(&mut self) -> UnixStream {
        loop {
            if let Some(again) = self.again {
                sleep_until(again).await;
                self.again = None;
            }
            match self.accept().await {
                Ok(client) => {
                    self.told = false;
                    return client;
                }
                Err(error) => {
                    self.again = Some(Instant::now() + PAUSE);
                    if !std::mem::replace(&mut self.told, true) {
                        eprintln!("adit: nobody can be answered on {}: {error}", self.path.display());
                    }
                }
            }
        }
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
pub(crate) fn no_socket(path: &Path) -> Option<&'static str> {
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
