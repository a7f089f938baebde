//! What the running switch and the kernel say of devices and ways.

use crate::api::Client;
use crate::compile::Bridge;
use crate::config::{Config, Rules};
use crate::lab::{Ping, Stop};
use crate::netlink::links::Devices;
use crate::netlink::{Remote, Uplink, Watcher};
use crate::ofproto::Ofproto;
use anyhow::{Context, Result};
use datapath::flow::Seed;
use datapath::port::PortId;
use datapath::tunnel::{Reach, Underlay};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// How long the kernel may take to find a next hop.
const RESOLVING: Duration = Duration::from_secs(1);

/// All that conclusions are drawn from.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Whether a switch answered: then what it has learned is known.
    pub(super) running: bool,
    /// MTUs of devices by name.
    pub(super) devices: BTreeMap<String, u32>,
    /// The ways to remote ends.
    pub(super) ways: BTreeMap<IpAddr, Way>,
}

/// A way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The uplink that leads there.
    pub(super) device: Option<String>,
    /// Its MTU as the kernel knows it; none when there is no way.
    pub(super) mtu: Option<u16>,
    /// The same as routers have told, and for how many seconds more that is believed.
    pub(super) learned: Option<(u16, u64)>,
    /// How it is reached, or why not, for people.
    pub(super) explanation: String,
}

/// Asks for them.
pub(super) fn gather(config: &Config, rules: Rules, socket: &Path) -> Result<Facts> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start an event loop")?;
    let status = Client::connect(socket).and_then(|mut client| client.status()).ok();
    runtime.block_on(async {
        let devices = Devices::read().await?;
        let devices = devices.iter().map(|device| (device.name.clone(), device.mtu)).collect();
        // The running switch keeps its neighbours resolved; a second one would give them up when it ends.
        let ways = match &status {
            Some(status) => status.underlay.iter().filter_map(of_switch).collect(),
            None => of_kernel(config, rules).await?,
        };
        Ok(Facts { running: status.is_some(), devices, ways })
    })
}

fn of_switch(remote: &crate::status::RemoteStatus) -> Option<(IpAddr, Way)> {
    let way = Way {
        device: remote.device.clone(),
        mtu: remote.mtu,
        learned: remote.learned_mtu.zip(remote.learned_s),
        explanation: remote.explanation.clone(),
    };
    Some((remote.remote_ip.parse().ok()?, way))
}

async fn of_kernel(config: &Config, rules: Rules) -> Result<BTreeMap<IpAddr, Way>> {
    let bridge = Bridge { tunnels: config.tunnel_specs(), ..Bridge::default() };
    let mut switch = Ofproto::new(bridge.base(Underlay::default(), Seed::new(0))?);
    rules.install(&mut switch, 0)?;
    let of_flows = switch.remotes().map(|remote| (remote, None));
    let remotes = bridge.remotes().into_iter().chain(of_flows);
    let remotes = remotes.map(|(addr, local)| Remote { addr, local });
    let uplinks: Vec<Uplink> = config
        .uplinks
        .iter()
        .zip(0..)
        .map(|(uplink, id)| Uplink { device: uplink.device.clone(), port: PortId(id) })
        .collect();
    let mut watcher = Watcher::start(&uplinks, remotes).await?;
    let waiting = async {
        while watcher.current().iter().any(|(_, reach)| *reach == Reach::NoNeighbour) {
            watcher.next().await?;
        }
        anyhow::Ok(())
    };
    if let Ok(waited) = tokio::time::timeout(RESOLVING, waiting).await {
        waited?;
    }
    let way = |(remote, reach): (&IpAddr, &Reach)| {
        let explanation = watcher.explain(*remote);
        let way = match reach {
            Reach::Via(path) => Way {
                device: uplinks
                    .iter()
                    .find(|uplink| uplink.port == path.uplink)
                    .map(|uplink| uplink.device.clone()),
                mtu: Some(path.mtu),
                learned: None,
                explanation,
            },
            Reach::NoRoute | Reach::NoNeighbour => Way { explanation, ..Way::default() },
        };
        (*remote, way)
    };
    let ways = watcher.current().iter().map(way).collect();
    watcher.close().await;
    Ok(ways)
}

/// Whether a packet of that length gets to the remote end, and one as long back. By the kernel's own ping: an uplink leaves that to
/// it.
pub(super) fn probe(remote: IpAddr, len: u16) -> Result<bool> {
    let patience = Duration::from_millis(500);
    let ping = Ping { count: 3, packet: len.into(), whole: true, patience, ..Ping::new(remote) };
    Ok(!ping.run_here(&Stop::default())?.times.is_empty())
}
