//! The kernel's view of the network, read and followed over netlink.
//!
//! [`Watcher`] answers one question for every remote tunnel endpoint: by which uplink, from which address, to which
//! MAC address, with which MTU? The answers are the kernel's own (route lookup, links, neighbour table); when one of
//! them changes, a new [`Underlay`](datapath::tunnel::Underlay) comes out. This module never sends ARP or neighbour
//! solicitations and never guesses: a missing neighbour is a request to the kernel to resolve it.
//!
//! It also tells which of the devices that are followed by name exist, and with which addresses.
//!
//! [`links`] reads devices by name, for set-up and for error messages.
//!
//! **Namespaces and threads.** A netlink socket belongs to the network namespace of the thread that opens it, for
//! ever. [`Watcher::start`] and [`links::Devices::read`] open theirs before they wait for anything, on the thread that
//! polls them first: a thread that has called `setns` and then runs a current-thread runtime sees its own namespace.
//! No `/sys` or `/proc` file is read, since those show the namespace of whoever mounted them. No main thread is needed.
//!
//! ```text
//! events  one multicast socket: datagram -> facts            (message: bytes to facts)
//! kernel  one request socket: dumps, route lookups, resolution requests
//! state   facts and answers in, Underlay out; no socket, no clock
//! asking  which neighbours to have resolved, and how often
//! watch   the loop that joins them
//! links, channels   devices by name and their receive queues, for set-up
//! ways, features    where the default routes lead, what drivers do with XDP: for `adit gen`
//! ```

mod asking;
mod channels;
mod events;
mod facts;
mod features;
mod finding;
mod kernel;
pub mod links;
mod message;
mod state;
mod watch;
mod ways;

use datapath::port::PortId;
use datapath::wire::MacAddr;
use std::collections::BTreeSet;
use std::net::IpAddr;

pub use features::sends_redirected;
pub use watch::Watcher;
pub use ways::default_ways;

/// A device that carries tunnel packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Name of the device.
    pub device: String,
    /// What the datapath calls it.
    pub port: PortId,
}

/// What a device is at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Number that the kernel gave it. A device that is deleted and made again has another.
    pub index: u32,
    /// Administratively up.
    pub up: bool,
    /// Administratively up and able to carry packets.
    pub running: bool,
    /// Its Ethernet address.
    pub mac: Option<MacAddr>,
    /// Largest IP packet it carries.
    pub mtu: u32,
    /// Its addresses that can be tunnel endpoints: all but link-local and loopback ones.
    pub endpoints: BTreeSet<IpAddr>,
}

/// Whether a tunnel can end at this address of a device: not if it is a link-local or a loopback one.
fn can_be_endpoint(addr: IpAddr) -> bool {
    let link_local = match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    };
    !link_local && !addr.is_loopback()
}

/// A remote tunnel endpoint, and the address of ours that packets to it come from, if that is configured.
///
/// One answer is kept for each remote address; of several remotes with the same address the first counts. The local
/// address takes part in the route lookup, so that rules on the source address (`ip rule add from ...`) are respected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Remote {
    /// The endpoint.
    pub addr: IpAddr,
    /// Our end; the kernel chooses when there is none.
    pub local: Option<IpAddr>,
}

impl From<IpAddr> for Remote {
    fn from(addr: IpAddr) -> Remote {
        Remote { addr, local: None }
    }
}
