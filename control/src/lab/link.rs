//! Links and addresses by netlink: each verb is one request to the kernel, in the namespace it is called on.
//!
//! A veth pair is born with both ends in their places, so that no end is ever seen in the wrong namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result};
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::neighbour::NeighbourState;
use rtnetlink::{Error, Handle, LinkBridge, LinkUnspec, LinkVeth, LinkVxlan, new_connection};
use tokio::runtime::Builder;

use super::Netns;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// One end of a cable: the device to be made and the namespace it is made in.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Where the end is.
    pub netns: &'a Netns,
    /// What it is called there.
    pub device: &'a str,
    /// Its Ethernet address; without one the kernel draws lots.
    pub mac: Option<Mac>,
}

/// A VXLAN device of the Linux kernel with one fixed remote.
#[derive(Clone, Copy, Debug)]
pub struct Vxlan<'a> {
    /// The tenant's 24-bit identifier.
    pub vni: u32,
    /// The device that carries the tunnel.
    pub underlay: &'a str,
    /// Our endpoint.
    pub local: Ipv4Addr,
    /// The endpoint on the other side.
    pub remote: Ipv4Addr,
    /// UDP destination port, 4789 by RFC 7348.
    pub port: u16,
    /// Largest inner IP packet.
    pub mtu: u32,
}

/// Lays a cable: a veth pair, both ends up, with this MTU.
///
/// # Errors
/// When the kernel refuses: a name in use, an MTU out of range, no `CAP_NET_ADMIN`.
pub fn veth(a: End<'_>, b: End<'_>, mtu: u32) -> Result<()> {
    let mut far = LinkUnspec::new_with_name(b.device).mtu(mtu).setns_by_fd(b.netns.as_fd().as_raw_fd());
    if let Some(mac) = b.mac {
        far = far.address(mac.to_vec());
    }
    let far = InfoData::Veth(InfoVeth::Peer(far.build()));
    let mut near = LinkVeth::new(a.device, b.device).set_info_data(far).mtu(mtu);
    if let Some(mac) = a.mac {
        near = near.address(mac.to_vec());
    }
    let near = near.build();
    a.netns.netlink(&format!("make the cable {} - {}", a.device, b.device), async move |handle| {
        handle.link().add(near).execute().await
    })?;
    // Not in the same breath: an end cannot come up before it knows the other.
    a.netns.up(a.device)?;
    b.netns.up(b.device)
}

/// The IPv6 link-local address that a device with this Ethernet address gives itself (RFC 4291, appendix A).
#[must_use]
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.map(u16::from);
    Ipv6Addr::new(0xfe80, 0, 0, 0, ((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f)
}

impl Netns {
    /// Brings a link up.
    ///
    /// # Errors
    /// When there is no such link or the kernel refuses; so for all verbs here.
    pub fn up(&self, device: &str) -> Result<()> {
        let link = LinkUnspec::new_with_name(device).up().build();
        self.netlink(&format!("bring {device} up"), async move |handle| {
            handle.link().set(link).execute().await
        })
    }

    /// Takes a link down.
    ///
    /// # Errors
    /// See [`Netns::up`].
    pub fn down(&self, device: &str) -> Result<()> {
        let link = LinkUnspec::new_with_name(device).down().build();
        self.netlink(&format!("take {device} down"), async move |handle| {
            handle.link().set(link).execute().await
        })
    }

    /// Sets the largest IP packet of a link.
    ///
    /// # Errors
    /// See [`Netns::up`].
    pub fn set_mtu(&self, device: &str, mtu: u32) -> Result<()> {
        let link = LinkUnspec::new_with_name(device).mtu(mtu).build();
        self.netlink(&format!("set the MTU of {device} to {mtu}"), async move |handle| {
            handle.link().set(link).execute().await
        })
    }

    /// The kernel's number of a device.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn index(&self, device: &str) -> Result<u32> {
        let index = self.run(|| if_nametoindex(device))?;
        index.with_context(|| format!("{}: no device {device}", self.name()))
    }

    /// Gives a device an address.
    ///
    /// # Errors
    /// See [`Netns::up`].
    pub fn addr(&self, device: &str, addr: IpAddr, prefix: u8) -> Result<()> {
        let index = self.index(device)?;
        self.netlink(&format!("give {device} the address {addr}/{prefix}"), async move |handle| {
            handle.address().add(index, addr, prefix).execute().await
        })
    }

    /// Says for good which Ethernet address a neighbour has.
    ///
    /// # Errors
    /// See [`Netns::up`].
    pub fn neighbour(&self, device: &str, addr: IpAddr, mac: Mac) -> Result<()> {
        let index = self.index(device)?;
        self.netlink(&format!("set the neighbour {addr} on {device}"), async move |handle| {
            let neighbours = handle.neighbours();
            let asked = neighbours.add(index, addr).link_layer_address(&mac).state(NeighbourState::Permanent);
            asked.replace().execute().await
        })
    }

    /// Makes a bridge of the Linux kernel, up, that no firewall looks into.
    ///
    /// # Errors
    /// See [`Netns::up`].
    pub fn bridge(&self, name: &str, mtu: u32) -> Result<()> {
        let link = LinkBridge::new(name).mtu(mtu).up().build();
        self.netlink(&format!("make the bridge {name}"), async move |handle| {
            handle.link().add(link).execute().await
        })
    }

    /// Makes a device a port of a bridge; a port of another bridge moves.
    ///
    /// # Errors
    /// See [`Netns::up`].
    pub fn enslave(&self, device: &str, bridge: &str) -> Result<()> {
        let link = LinkUnspec::new_with_name(device).controller(self.index(bridge)?).build();
        self.netlink(&format!("put {device} into the bridge {bridge}"), async move |handle| {
            handle.link().set(link).execute().await
        })
    }

    /// Makes a VXLAN device of the Linux kernel, up.
    ///
    /// # Errors
    /// See [`Netns::up`].
    pub fn vxlan(&self, name: &str, vxlan: &Vxlan<'_>) -> Result<()> {
        let underlay = self.index(vxlan.underlay)?;
        let link = LinkVxlan::new(name, vxlan.vni).dev(underlay).local(vxlan.local).remote(vxlan.remote);
        let link = link.port(vxlan.port).mtu(vxlan.mtu).up().build();
        self.netlink(&format!("make the VXLAN device {name}"), async move |handle| {
            handle.link().add(link).execute().await
        })
    }

    fn netlink<T, F>(&self, asked: &str, talk: F) -> Result<T>
    where
        T: Send,
        F: AsyncFnOnce(Handle) -> Result<T, Error> + Send,
    {
        let answer = self.run(|| {
            Builder::new_current_thread().enable_io().build()?.block_on(async {
                let (connection, handle, _) = new_connection()?;
                let connection = tokio::spawn(connection);
                let answer = talk(handle).await;
                connection.abort();
                anyhow::Ok(answer?)
            })
        })?;
        answer.with_context(|| format!("{}: cannot {asked}", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_come_from_the_ethernet_address() {
        let address: Ipv6Addr = "fe80::a00:27ff:fe4e:66a1".parse().unwrap();
        assert_eq!(link_local([0x08, 0x00, 0x27, 0x4e, 0x66, 0xa1]), address);
    }
}
