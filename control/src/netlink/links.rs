//! Devices by name: what set-up has to know of them, and errors that say what there is instead.

use super::can_be_endpoint;
use super::channels::Channels;
use super::kernel::Kernel;
use super::message;
use anyhow::{Context, bail};
use datapath::wire::MacAddr;
use rtnetlink::packet_route::link::{LinkAttribute, LinkInfo, LinkLayerType, LinkMessage};
use std::net::IpAddr;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Number that the kernel gave it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address; absent for other link layers.
    pub mac: Option<MacAddr>,
    /// Largest IP packet it carries.
    pub mtu: u32,
    /// What kind of software device it is: `veth`, `bond`, `vlan`...; absent for hardware.
    pub kind: Option<String>,
    /// What somebody has written on it (`ip link set ... alias`).
    pub alias: Option<String>,
    /// It carries Ethernet frames: no loopback device and no point-to-point one.
    pub ethernet: bool,
    /// Administratively up.
    pub up: bool,
    /// Administratively up and able to carry packets.
    pub running: bool,
    /// Receive queues in use, as far as the driver tells (`ethtool -l`); else those that it allocated.
    pub rx_queues: u32,
    /// Its addresses, in the kernel's order, which puts primary addresses first.
    pub addresses: Vec<IpAddr>,
}

impl Device {
    /// Whether the kernel itself is at the other side of it, so that a checksum may be left open: what is sent into it is received by
    /// a network stack or a program on this machine, which knows that.
    #[must_use]
    pub fn is_software(&self) -> bool {
        matches!(self.kind.as_deref(), Some("veth" | "tun"))
    }

    /// The addresses that can be tunnel endpoints: all but link-local and loopback ones.
    pub fn endpoints(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied().filter(|addr| can_be_endpoint(*addr))
    }
}

/// All devices of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    devices: Vec<Device>,
}

impl Devices {
    /// Reads them, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When netlink cannot be used.
    pub async fn read() -> anyhow::Result<Devices> {
        let (kernel, channels) = (Kernel::open()?, Channels::open());
        let mut devices = Devices::read_from(&kernel).await?;
        // Not every kernel has ethtool's family, and not every driver tells.
        let Ok(channels) = channels else { return Ok(devices) };
        for device in &mut devices.devices {
            device.rx_queues = channels.rx_queues(device.index).unwrap_or(device.rx_queues);
        }
        Ok(devices)
    }

    /// The same by a connection that there is, without asking drivers for their queues.
    pub(super) async fn read_from(kernel: &Kernel) -> anyhow::Result<Devices> {
        let mut devices: Vec<Device> = kernel.links().await?.iter().filter_map(device).collect();
        for address in kernel.addresses().await? {
            let of = devices.iter_mut().find(|device| device.index == address.header.index);
            if let (Some(device), Some(addr)) = (of, message::address(&address)) {
                device.addresses.push(addr);
            }
        }
        Ok(Devices { devices })
    }

    /// The device of this name.
    ///
    /// # Errors
    /// When there is none; the error names those that there are.
    pub fn named(&self, name: &str) -> anyhow::Result<&Device> {
        if let Some(device) = self.iter().find(|device| device.name == name) {
            return Ok(device);
        }
        let names: Vec<&str> = self.iter().map(|device| device.name.as_str()).collect();
        bail!("device {name} does not exist; devices here: {}", names.join(", "))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter()
    }
}

/// How many packets the device with this number says to have sent.
///
/// # Errors
/// When netlink cannot be used, or there is no such device.
pub async fn sent_packets(index: u32) -> anyhow::Result<u64> {
    let links = Kernel::open()?.links().await?;
    let sent = links.iter().filter(|link| link.header.index == index).flat_map(|link| &link.attributes);
    let mut sent = sent.filter_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(stats.tx_packets),
        _ => None,
    });
    sent.next().with_context(|| format!("no counters of device {index}"))
}

fn device(message: &LinkMessage) -> Option<Device> {
    let link = message::link(message)?;
    let (mut kind, mut alias, mut rx_queues) = (None, None, 1);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::LinkInfo(infos) => {
                kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::IfAlias(text) => alias = Some(text.clone()),
            LinkAttribute::NumRxQueues(queues) => rx_queues = *queues,
            _ => {}
        }
    }
    let running = link.up && link.running;
    Some(Device {
        index: link.index,
        name: link.name,
        mac: link.mac,
        mtu: link.mtu,
        kind,
        alias,
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        up: link.up,
        running,
        rx_queues,
        addresses: Vec::new(),
    })
}
