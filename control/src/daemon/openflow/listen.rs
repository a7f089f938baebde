//! Where peers come in: the management socket that `ovs-ofctl` looks for by the bridge's name, and doors for controllers that come by
//! themselves.

use super::greetings::Greetings;
use super::peer::{Terms, converse, overhear};
use super::places::Places;
use super::source::Source;
use super::tls::Tls;
use super::wire::{Stream, Tap};
use crate::config::{Config, Target};
use crate::daemon::calls::Call;
use crate::daemon::socket;
use crate::openflow::Version;
use crate::openflow::channel::Kind;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long TLS may take to begin.
const GREETING: Duration = Duration::from_secs(10);

enum Listening {
    Unix(socket::Listener),
    Tcp(TcpListener),
    Tls(TcpListener, Tls),
}

/// A door that is open.
struct Door {
    listening: Listening,
    name: String,
    /// Milliseconds of silence after which whoever came in is asked whether he is there; 0: never.
    probe_ms: u64,
    /// Whoever comes in here hears what others say, and is not listened to.
    snoops: bool,
}

/// All doors. They are open as long as this lives.
pub(in super::super) struct Listeners(Vec<Door>);

impl Listeners {
    /// Opens all doors, or none: the management socket of the bridge, in the folder where `ovs-ofctl` looks for it (`OVS_RUNDIR`), and those of
    /// controllers that come by themselves.
    pub(in super::super) async fn open(
        config: &Config,
        rundir: &Path,
        tls: Option<&Tls>,
    ) -> Result<Listeners> {
        let mut doors = Vec::new();
        for (ending, snoops) in [("mgmt", false), ("snoop", true)] {
            let path = rundir.join(format!("{}.{ending}", config.bridge.name));
            let listener = socket::Listener::bind_for(&path, "the OpenFlow socket")?;
            let name = format!("punix:{}", path.display());
            doors.push(Door { listening: Listening::Unix(listener), name, probe_ms: 0, snoops });
        }
        for controller in &config.openflow.controllers {
            let name = controller.target.to_string();
            let listen = async |address| {
                TcpListener::bind(address).await.with_context(|| format!("cannot listen as {name}"))
            };
            let listening = match &controller.target {
                Target::Punix(path) => Listening::Unix(socket::Listener::bind_for(path, &name)?),
                Target::Ptcp(address) => Listening::Tcp(listen(*address).await?),
                Target::Pssl(address) => {
                    let tls = tls.context("there is no section [ssl]")?.clone();
                    Listening::Tls(listen(*address).await?, tls)
                }
                Target::Tcp(..) | Target::Ssl(..) | Target::Unix(_) => continue,
            };
            let probe_ms = controller.inactivity_probe_ms;
            doors.push(Door { listening, name, probe_ms, snoops: false });
        }
        Ok(Listeners(doors))
    }

    /// Lets peers in, by a task for each door.
    pub(in super::super) fn serve(self, versions: &[Version], daemon: &mpsc::Sender<Call>, tap: &Tap) {
        for door in self.0 {
            // Each door has its own: whoever crowds one does not keep others out of another.
            tokio::spawn(door.serve(versions.to_vec(), daemon.clone(), tap.clone(), Places::default()));
        }
    }
}

/// Somebody at a door.
enum Caller {
    Ready(Box<dyn Stream>),
    /// TLS is beginning.
    Greeted(JoinHandle<Option<Box<dyn Stream>>>),
}

impl Door {
    async fn serve(self, versions: Vec<Version>, daemon: mpsc::Sender<Call>, tap: Tap, places: Places) {
        let mut greetings = Greetings::default();
        loop {
            let Ok((caller, from)) = self.accept().await else {
                // Out of descriptors: others have to go first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let source = from.map(|from| Source::of(from.ip()));
            if let (Caller::Greeted(greeting), Some(source)) = (&caller, source) {
                greetings.add(source, greeting.abort_handle());
            }
            let places = places.clone();
            let name = from.map_or(self.name.clone(), |from| format!("{} from {from}", self.name));
            let (probe_ms, versions, daemon) = (self.probe_ms, versions.clone(), daemon.clone());
            let snooped = self.snoops.then(|| tap.subscribe());
            tokio::spawn(async move {
                let stream = match caller {
                    Caller::Ready(stream) => Some(stream),
                    Caller::Greeted(greeting) => greeting.await.ok().flatten(),
                };
                let Some(stream) = stream else { return };
                // One too many is turned away: its connection ends here.
                let Some(place) = places.take(source) else { return };
                // Why it ended is the peer's affair: it came by itself.
                let _ = match snooped {
                    Some(said) => overhear(stream, &versions, said).await,
                    None => {
                        let terms = Terms { kind: Kind::Service, versions, probe_ms, name, tap: None };
                        converse(stream, terms, daemon, |_, _| {}).await
                    }
                };
                drop(place);
            });
        }
    }

    /// The next one, and where he comes from.
    async fn accept(&self) -> std::io::Result<(Caller, Option<SocketAddr>)> {
        match &self.listening {
            Listening::Unix(listener) => Ok((Caller::Ready(Box::new(listener.accept().await?)), None)),
            Listening::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Caller::Ready(Box::new(stream)), Some(from)))
            }
            Listening::Tls(listener, tls) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let tls = tls.clone();
                let greeting = async move { timeout(GREETING, tls.accept(stream)).await.ok()?.ok() };
                Ok((Caller::Greeted(tokio::spawn(greeting)), Some(from)))
            }
        }
    }
}
