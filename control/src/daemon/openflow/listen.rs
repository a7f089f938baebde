//! Where peers come in: the management socket that `ovs-ofctl` looks for by the bridge's name, and others that were configured.

use super::peer::{Stream, Terms, converse};
use crate::daemon::calls::Call;
use crate::daemon::socket;
use crate::openflow::Version;
use crate::openflow::channel::Kind;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// How many peers there may be at a time that have come by themselves.
const PEERS_MAX: usize = 64;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Door {
    /// `punix:PATH`.
    Unix(PathBuf),
    /// `ptcp:PORT:ADDRESS`.
    Tcp(SocketAddr),
}

enum Listening {
    Unix(socket::Listener),
    Tcp(TcpListener),
}

/// Listens, as long as this lives.
pub(in super::super) struct Listeners {
    doors: Vec<(Door, Listening)>,
}

impl Listeners {
    /// Opens all doors, or none.
    pub(in super::super) async fn open(doors: Vec<Door>) -> Result<Listeners> {
        let mut open = Vec::new();
        for door in doors {
            let listening = match &door {
                Door::Unix(path) => Listening::Unix(socket::Listener::bind_for(path, "an OpenFlow socket")?),
                Door::Tcp(address) => {
                    let listener = TcpListener::bind(address).await;
                    Listening::Tcp(listener.with_context(|| format!("cannot listen on {address}"))?)
                }
            };
            open.push((door, listening));
        }
        Ok(Listeners { doors: open })
    }

    /// The management socket of a bridge, in the folder where `ovs-ofctl` looks for it (`OVS_RUNDIR`).
    pub(in super::super) fn management(rundir: &Path, bridge: &str) -> Door {
        Door::Unix(rundir.join(format!("{bridge}.mgmt")))
    }
}

/// Lets peers in, by a task for each door.
pub(in super::super) fn serve(
    listeners: Listeners,
    versions: &[Version],
    daemon: &mpsc::Sender<Call>,
) -> Vec<JoinHandle<()>> {
    let places = Arc::new(Semaphore::new(PEERS_MAX));
    let each = listeners.doors.into_iter().map(|(door, listening)| {
        let (versions, daemon, places) = (versions.to_vec(), daemon.clone(), places.clone());
        tokio::spawn(async move {
            loop {
                let Ok((stream, name)) = listening.accept(&door).await else {
                    // Out of descriptors: others have to go first.
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                };
                // One too many is turned away: its connection ends here.
                let Ok(place) = places.clone().try_acquire_owned() else { continue };
                let terms = Terms { kind: Kind::Service, versions: versions.clone(), probe_ms: 0, name };
                let daemon = daemon.clone();
                tokio::spawn(async move {
                    // Why it ended is the peer's affair: it came by itself.
                    let _ = converse(stream, terms, daemon, |_, _| {}).await;
                    drop(place);
                });
            }
        })
    });
    each.collect()
}

impl Listening {
    async fn accept(&self, door: &Door) -> std::io::Result<(Box<dyn Stream>, String)> {
        match (self, door) {
            (Listening::Unix(listener), Door::Unix(path)) => {
                Ok((Box::new(listener.accept().await?), format!("punix:{}", path.display())))
            }
            (Listening::Unix(listener), Door::Tcp(_)) => {
                Ok((Box::new(listener.accept().await?), "punix".into()))
            }
            (Listening::Tcp(listener), _) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), format!("ptcp:{from}")))
            }
        }
    }
}
