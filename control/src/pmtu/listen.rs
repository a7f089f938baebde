//! Raw sockets that hear of packets that did not fit. A filter in the kernel leaves everything else out.

use super::report::Report;
use anyhow::{Context, Result};
use datapath::wire::icmp;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io;
use std::os::fd::OwnedFd;
use tokio::net::UdpSocket;

/// Only headers are of interest; more is quoted by some.
const MESSAGE: usize = 2048;
/// What the kernel may hold for us: a flood of messages is lost there.
const BACKLOG: usize = 64 * 1024;

/// The sockets. Whoever waits for datagrams and takes them need not know that they are no UDP.
#[derive(Debug)]
pub struct Listener {
    ipv4: UdpSocket,
    ipv6: UdpSocket,
}

impl Listener {
    /// Listens in the network namespace of the calling thread, on a runtime with I/O enabled.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn open() -> Result<Listener> {
        let open = |domain, protocol, filter: &[SockFilter]| -> io::Result<UdpSocket> {
            let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
            socket.attach_filter(filter)?;
            socket.set_recv_buffer_size(BACKLOG)?;
            UdpSocket::from_std(OwnedFd::from(socket).into())
        };
        let opened = || {
            Ok(Listener {
                ipv4: open(Domain::IPV4, Protocol::ICMPV4, &fragmentation_needed())?,
                ipv6: open(Domain::IPV6, Protocol::ICMPV6, &packet_too_big())?,
            })
        };
        let opened: io::Result<Listener> = opened();
        opened.context("cannot listen for ICMP of the underlay (it needs CAP_NET_RAW)")
    }

    /// The next report. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When a socket fails.
    pub async fn next(&mut self) -> io::Result<Report> {
        loop {
            let report = tokio::select! {
                message = receive(&self.ipv4) => Report::from_ipv4(&message?),
                message = receive(&self.ipv6) => Report::from_icmpv6(&message?),
            };
            if let Some(report) = report {
                return Ok(report);
            }
        }
    }
}

async fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut message = vec![0; MESSAGE];
    let len = socket.recv(&mut message).await?;
    message.truncate(len);
    Ok(message)
}

/// Type and code behind the IPv4 header, which a raw socket hands out too.
fn fragmentation_needed() -> [SockFilter; 5] {
    let wanted = u16::from_be_bytes([icmp::v4::DESTINATION_UNREACHABLE, icmp::v4::FRAGMENTATION_NEEDED]);
    [
        // X = length of the header; A = the two bytes behind it.
        filter(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0, 0),
        filter(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 0, 0),
        filter(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, wanted.into()),
        filter(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        filter(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ]
}

/// The type, the first byte.
fn packet_too_big() -> [SockFilter; 4] {
    [
        filter(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 0),
        filter(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, icmp::v6::PACKET_TOO_BIG.into()),
        filter(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        filter(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ]
}

/// An instruction of classic BPF: how many to skip if so and if not, operand.
fn filter(code: u32, yes: u8, no: u8, operand: u32) -> SockFilter {
    SockFilter::new(code as u16, yes, no, operand)
}
