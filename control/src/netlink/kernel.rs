//! The request socket: reading everything, looking routes up, having neighbours resolved.

use super::Remote;
use super::facts::{Fact, Neighbour, NextHop, Refusal, Route};
use super::message;
use anyhow::{Context, anyhow};
use futures_util::{Stream, StreamExt, TryStreamExt};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage,
};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Error, Handle};
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The kernel answers within microseconds; an answer that does not parse never arrives.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket, and the task that serves it.
pub(super) struct Kernel {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kernel {
    /// Connects, in the network namespace of the calling thread.
    pub(super) fn open() -> anyhow::Result<Kernel> {
        let (connection, handle, _) = rtnetlink::new_connection().context("cannot open a netlink socket")?;
        Ok(Kernel { handle, task: tokio::spawn(connection) })
    }

    /// Every link, address and neighbour, in this order.
    pub(super) async fn everything(&self) -> anyhow::Result<Vec<Fact>> {
        let (links, addresses) = (self.links().await?, self.addresses().await?);
        let neighbours = all("neighbours", self.handle.neighbours().get().execute()).await?;
        let links = links.iter().filter_map(message::link).map(Fact::Link);
        let addresses =
            addresses.iter().filter_map(|m| message::address(m).map(|addr| Fact::Addr(m.header.index, addr)));
        let neighbours = neighbours.iter().filter_map(message::neighbour);
        Ok(links.chain(addresses).chain(neighbours.map(|(hop, entry)| Fact::Neighbour(hop, entry))).collect())
    }

    /// Every device.
    pub(super) async fn links(&self) -> anyhow::Result<Vec<LinkMessage>> {
        all("devices", self.handle.link().get().execute()).await
    }

    /// Every address of this host.
    pub(super) async fn addresses(&self) -> anyhow::Result<Vec<AddressMessage>> {
        all("addresses", self.handle.address().get().execute()).await
    }

    /// Every route of both families.
    pub(super) async fn routes(&self) -> anyhow::Result<Vec<RouteMessage>> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut dump = RouteMessage::default();
            dump.header.address_family = family;
            routes.extend(all("routes", self.handle.route().get(dump).execute()).await?);
        }
        Ok(routes)
    }

    /// The route that the kernel would choose.
    pub(super) async fn route(&self, remote: Remote) -> anyhow::Result<Result<Route, Refusal>> {
        let mut lookup = RouteMessage::default();
        let (family, length) = family(remote.addr);
        lookup.header.address_family = family;
        lookup.header.destination_prefix_length = length;
        lookup.attributes.push(RouteAttribute::Destination(remote.addr.into()));
        if let Some(local) = remote.local.filter(|local| local.is_ipv4() == remote.addr.is_ipv4()) {
            lookup.header.source_prefix_length = length;
            lookup.attributes.push(RouteAttribute::Source(local.into()));
        }
        let mut answers = Box::pin(self.handle.route().get(lookup).execute());
        match in_time(answers.next()).await? {
            Some(Ok(answer)) => Ok(message::route(&answer)),
            Some(Err(Error::NetlinkError(error))) => {
                Ok(Err(Refusal::Errno(error.raw_code().saturating_abs())))
            }
            Some(Err(error)) => {
                Err(error).with_context(|| format!("cannot look up the route to {}", remote.addr))
            }
            None => Err(anyhow!("no answer to the lookup of the route to {}", remote.addr)),
        }
    }

    /// Has the kernel resolve a neighbour and keep it resolved, where it can (`NTF_EXT_MANAGED`, Linux 5.16); elsewhere
    /// it resolves once (`NTF_USE`). `known` is the entry as far as we know.
    ///
    /// An entry that appears meanwhile is left alone: the request would take its permanence away (`__neigh_update` in
    /// net/core/neighbour.c).
    pub(super) async fn resolve(&mut self, hop: NextHop, known: Option<Neighbour>) -> Result<(), String> {
        let mut entry = neighbour(hop, known);
        entry.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        let exclusive = if known.is_none() { NLM_F_EXCL } else { 0 };
        match self.change(entry, NLM_F_CREATE | exclusive).await {
            Err(libc::EEXIST) | Ok(()) => Ok(()),
            Err(errno) => Err(std::io::Error::from_raw_os_error(errno).to_string()),
        }
    }

    /// Lets a neighbour age like any other again. It does not matter if it is gone.
    pub(super) async fn release(&mut self, hop: NextHop, known: Neighbour) {
        self.change(neighbour(hop, Some(known)), 0).await.ok();
    }

    /// Sends a neighbour entry, waits for the kernel's word; the error is an errno.
    async fn change(&mut self, entry: NeighbourMessage, flags: u16) -> Result<(), i32> {
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(entry));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut answers = self.handle.request(request).map_err(|_| libc::EPIPE)?;
        match in_time(answers.next()).await.map_err(|_| libc::ETIMEDOUT)? {
            Some(NetlinkMessage { payload: NetlinkPayload::Error(error), .. }) if error.code.is_some() => {
                Err(error.raw_code().saturating_abs())
            }
            _ => Ok(()),
        }
    }
}

/// An entry as it is sent. Flags of others stay, since what is not repeated is cleared.
fn neighbour((index, addr): NextHop, known: Option<Neighbour>) -> NeighbourMessage {
    let mut entry = NeighbourMessage::default();
    entry.header.family = family(addr).0;
    entry.header.ifindex = index;
    entry.header.flags = NeighbourFlags::Use;
    if known.is_some_and(|known| known.learned) {
        entry.header.flags |= NeighbourFlags::ExtLearned;
    }
    entry.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(addr)));
    entry
}

fn family(addr: IpAddr) -> (AddressFamily, u8) {
    match addr {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    }
}

/// Collects a dump.
async fn all<T>(what: &str, dump: impl Stream<Item = Result<T, Error>>) -> anyhow::Result<Vec<T>> {
    in_time(dump.try_collect())
        .await?
        .with_context(|| format!("cannot read the {what} of this host over netlink"))
}

/// Waits, but not for ever.
async fn in_time<T>(answer: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, answer).await.map_err(|_| anyhow!("the kernel does not answer on netlink"))
}
