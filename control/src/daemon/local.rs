//! The host's own port, LOCAL: a device of the bridge's name, by which the host itself is on the bridge.
//!
//! It is one end of a veth pair; the other end, [`Local::device_of`], is a port of the switch like a guest's, with all that such
//! ports can: XDP, several queues, checksums left to the device. Both are made when the switch starts and go with it. What
//! a switch that was killed has left behind is taken up by the next one.

use crate::netlink::links::Devices;
use anyhow::{Context, Result, bail};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute};
use rtnetlink::{Error, Handle, LinkUnspec, LinkVeth, new_connection};
use tokio::runtime::Builder;

/// The pair, for as long as this lives.
pub(super) struct Local {
    /// The host's end.
    device: String,
}

impl Local {
    /// The end that is the switch's, of the bridge of this name.
    pub(crate) fn device_of(bridge: &str) -> String {
        format!("{bridge}{}", crate::config::LOCAL_SUFFIX)
    }

    /// Makes the pair, both ends up; the switch's end with a receive queue for each worker.
    pub(super) async fn make(bridge: &str, workers: u32) -> Result<Local> {
        let (host, ours) = (bridge.to_string(), Local::device_of(bridge));
        let there = Devices::read().await?;
        let mark = mark_of(bridge);
        // Whether it is one that such a switch has made.
        let made = |name: &str| {
            let device = there.iter().find(|device| device.name == name)?;
            Some(device.kind.as_deref() == Some("veth") && device.alias.as_ref() == Some(&mark))
        };
        match (made(&host), made(&ours)) {
            (None, None) => make(&host, &ours, workers).await?,
            // Left behind by a switch that was killed.
            (Some(true), Some(true)) => {}
            (Some(_), _) => bail!(
                "[bridge] local = true makes a device {host}, and there is one already: choose another name"
            ),
            (None, Some(_)) => bail!(
                "[bridge] local = true makes a device {ours}, and there is one already: choose another name"
            ),
        }
        let local = Local { device: host.clone() };
        // The switch's end has no part in the host's network: no addresses, no neighbour discovery of its own. Kernels without
        // IPv6 have no such file.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{ours}/disable_ipv6"), "1");
        for name in [ours, host] {
            let mut up = LinkUnspec::new_with_name(&name).up().build();
            up.attributes.push(LinkAttribute::IfAlias(mark.clone()));
            ask(async move |handle| handle.link().set(up).execute().await)
                .await
                .with_context(|| format!("cannot bring {name} up"))?;
        }
        Ok(local)
    }
}

/// What is written on both ends, so that the next switch knows them and nobody else's device is taken for one of them.
fn mark_of(bridge: &str) -> String {
    format!("adit: local port of {bridge}")
}

async fn make(host: &str, ours: &str, workers: u32) -> Result<()> {
    let queues = |message: &mut Vec<LinkAttribute>| {
        message.extend([LinkAttribute::NumRxQueues(workers), LinkAttribute::NumTxQueues(workers)]);
    };
    let mut far = LinkUnspec::new_with_name(ours).build();
    queues(&mut far.attributes);
    let far = InfoData::Veth(InfoVeth::Peer(far));
    let mut near = LinkVeth::new(host, ours).set_info_data(far).build();
    queues(&mut near.attributes);
    ask(async move |handle| handle.link().add(near).execute().await)
        .await
        .with_context(|| format!("cannot make the device {host}"))
}

/// One request to the kernel.
async fn ask<F: AsyncFnOnce(Handle) -> Result<(), Error>>(request: F) -> Result<()> {
    let (connection, handle, _) = new_connection()?;
    let connection = tokio::spawn(connection);
    let answer = request(handle).await;
    connection.abort();
    Ok(answer?)
}

impl Drop for Local {
    /// One end takes the other with it. On a thread of its own: this one may be in the midst of other requests.
    fn drop(&mut self) {
        let name = self.device.clone();
        let remove = move || -> Result<()> {
            let index = nix::net::if_::if_nametoindex(name.as_str())?;
            let runtime = Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(ask(async move |handle| handle.link().del(index).execute().await))
        };
        if let Ok(Err(error)) = std::thread::spawn(remove).join() {
            eprintln!("adit: {} cannot be removed: {error}", self.device);
        }
    }
}
