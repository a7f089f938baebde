//! Keeps the kernel from answering tunnel packets that adit takes.
//!
//! On an uplink without XDP the kernel sees the tunnel packets as well, finds nobody who listens at their port or for their
//! protocol, and tells the sender so by ICMP. Here somebody listens: UDP sockets, and raw ones for GRE, whose filter lets
//! nothing in, so that they hold no memory.

use super::filter;
use crate::attach::EndpointKey;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;

/// The sockets, while adit runs.
#[derive(Debug, Default)]
pub(super) struct Silence {
    sockets: BTreeMap<EndpointKey, Option<Socket>>,
}

impl Silence {
    /// From now on keeps these silent and no others. Says on standard error which it cannot.
    pub(super) fn keep(&mut self, wanted: BTreeSet<EndpointKey>) {
        self.sockets.retain(|endpoint, _| wanted.contains(endpoint));
        for endpoint in wanted {
            self.sockets.entry(endpoint).or_insert_with(|| match listen(endpoint) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    eprintln!("adit: {endpoint}: cannot listen there ({error}): the kernel, or whoever does, sees tunnel packets too");
                    None
                }
            });
        }
    }
}

/// An address need not be there yet.
fn listen(endpoint: EndpointKey) -> io::Result<Socket> {
    let addr = SocketAddr::new(endpoint.addr(), endpoint.port().unwrap_or(0));
    let (kind, protocol) = match endpoint.port() {
        Some(_) => (Type::DGRAM, None),
        None => (Type::RAW, Some(Protocol::from(libc::IPPROTO_GRE))),
    };
    let socket = Socket::new(Domain::for_address(addr), kind.cloexec(), protocol)?;
    match addr {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        }
    }
    socket.attach_filter(&filter::nothing())?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    #[test]
    fn a_sender_hears_nothing_instead_of_a_refusal() {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        sender.connect(free).unwrap();
        let hears = || {
            sender.send(b"a tunnel packet").unwrap();
            sender.recv(&mut [0; 16]).unwrap_err().kind()
        };
        assert_eq!(hears(), io::ErrorKind::ConnectionRefused);
        let mut silence = Silence::default();
        silence.keep([EndpointKey::udp(free.ip(), free.port())].into());
        assert_eq!(hears(), io::ErrorKind::WouldBlock);
        silence.keep(BTreeSet::new());
        assert_eq!(hears(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn addresses_that_are_not_there_and_ports_in_use_are_no_obstacle() {
        let user = UdpSocket::bind("127.0.0.1:0").unwrap();
        let used = user.local_addr().unwrap();
        let mut silence = Silence::default();
        let wanted: [SocketAddr; 2] = ["192.0.2.1:4789".parse().unwrap(), used];
        silence.keep(wanted.map(|addr| EndpointKey::udp(addr.ip(), addr.port())).into());
        assert_eq!(silence.sockets.values().filter(|socket| socket.is_some()).count(), 1);
    }
}
