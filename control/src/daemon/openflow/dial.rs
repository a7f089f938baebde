//! Going to controllers, again and again, with longer and longer pauses where nobody is: 1 s, 2 s, and so on up to what is configured
//! (`lib/rconn.c` of Open vSwitch).

use super::peer::{Terms, converse};
use super::tls::Tls;
use super::wire::{Stream, Tap};
use crate::causes::in_one_line;
use crate::config::{Controller, Target};
use crate::daemon::calls::Call;
use crate::openflow::Version;
use crate::openflow::channel::Kind;
use anyhow::{Context, Result, bail};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// The first pause.
const BACKOFF: Duration = Duration::from_secs(1);
/// How long an attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// How it stands with a controller.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Progress {
    /// Since when it is connected, and by which version.
    pub(in super::super) connected: Option<(Instant, Version)>,
    /// Why the last connection, or attempt at one, ended.
    pub(in super::super) error: Option<String>,
}

/// The same, from whichever task.
pub(in super::super) type Watched = Arc<Mutex<Progress>>;

/// Goes to a controller for as long as the switch runs.
pub(in super::super) async fn keep(
    controller: Controller,
    versions: Vec<Version>,
    tls: Option<Tls>,
    daemon: mpsc::Sender<Call>,
    tap: Tap,
    watched: Watched,
) {
    let name = controller.target.to_string();
    let longest = Duration::from_millis(controller.max_backoff_ms);
    let mut pause = BACKOFF;
    loop {
        let terms = Terms {
            kind: Kind::Controller,
            versions: versions.clone(),
            probe_ms: controller.inactivity_probe_ms,
            name: name.clone(),
            tap: Some(tap.clone()),
        };
        let mut was_there = false;
        let ended = match timeout(CONNECTING, connect(&controller.target, tls.as_ref())).await {
            Err(_) => Err(anyhow::anyhow!("does not answer")),
            Ok(Err(error)) => Err(error),
            Ok(Ok(stream)) => {
                let joined = |_, version| {
                    was_there = true;
                    note(&watched, |progress| progress.connected = Some((Instant::now(), version)));
                    eprintln!("adit: {name}: connected");
                };
                converse(stream, terms, daemon.clone(), joined).await
            }
        };
        let error = ended.map_or_else(|error| in_one_line(&error), |()| "hung up".to_string());
        let news = note(&watched, |progress| {
            progress.connected = None;
            progress.error.replace(error.clone()).as_ref() != Some(&error)
        });
        // The same is not said twice in a row.
        if news || was_there {
            eprintln!("adit: {name}: {error}; trying again");
        }
        if was_there {
            pause = BACKOFF;
        }
        sleep(pause.min(longest)).await;
        pause = (pause * 2).min(longest);
    }
}

fn note<T>(watched: &Watched, change: impl FnOnce(&mut Progress) -> T) -> T {
    change(&mut watched.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn connect(target: &Target, tls: Option<&Tls>) -> Result<Box<dyn Stream>> {
    Ok(match target {
        Target::Tcp(host, port) => Box::new(tcp(host, *port).await?),
        Target::Ssl(host, port) => {
            let stream = tcp(host, *port).await?;
            tls.context("there is no section [ssl]")?.connect(stream, host).await?
        }
        Target::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            Box::new(stream.with_context(|| format!("cannot connect to {}", path.display()))?)
        }
        Target::Ptcp(_) | Target::Pssl(_) | Target::Punix(_) => bail!("nobody is there: it comes by itself"),
    })
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
