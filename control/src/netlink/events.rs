//! The multicast socket: what the kernel reports of its own accord.
//!
//! Nothing is queued on our side. A reader that falls behind loses reports in the kernel's buffer, and learns of it
//! (`ENOBUFS`, netlink(7)): then [`Fact::Lost`] comes out.

use super::facts::Fact;
use super::message;
use rtnetlink::MulticastGroup as Group;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use std::future::poll_fn;
use std::io;

const GROUPS: [Group; 9] = [
    Group::Link,
    Group::Neigh,
    Group::Ipv4Ifaddr,
    Group::Ipv6Ifaddr,
    Group::Ipv4Route,
    Group::Ipv6Route,
    Group::Ipv4Rule,
    Group::Ipv6Rule,
    Group::Nexthop,
];
/// The kernel builds its messages in at most 32 KiB (`NLMSG_GOODSIZE` and `min_dump_alloc`, net/netlink/af_netlink.c).
const DATAGRAM: usize = 64 * 1024;
/// What the kernel may hold for us; it grants at most `net.core.rmem_max`.
const BACKLOG: libc::c_int = 1024 * 1024;

/// The socket.
pub(super) struct Events {
    socket: TokioSocket,
    datagram: Vec<u8>,
}

impl Events {
    /// Subscribes, in the network namespace of the calling thread.
    pub(super) fn open() -> io::Result<Events> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        let kernel_side = socket.socket_mut();
        kernel_side.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            kernel_side.add_membership(group as u32)?;
        }
        kernel_side.set_rx_buf_sz(BACKLOG)?;
        Ok(Events { socket, datagram: Vec::with_capacity(DATAGRAM) })
    }

    /// The next facts, perhaps none. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Vec<Fact>> {
        let Events { socket, datagram } = self;
        let received = poll_fn(|context| {
            datagram.clear();
            socket.poll_recv_from(context, datagram)
        });
        match received.await {
            // Only the kernel speaks from port 0.
            Ok(sender) if sender.port_number() == 0 => Ok(message::facts(datagram)),
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(vec![Fact::Lost]),
            Err(error) => Err(error),
        }
    }
}
