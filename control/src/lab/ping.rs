//! ICMP and ICMPv6 echo (RFC 792, RFC 4443) from inside a namespace, with every byte of the answer compared.

use std::io::{ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendmsg, setsockopt,
    socket,
};
use nix::{setsockopt_impl, sockopt_impl};

use super::stop::SLICE;
use super::{Netns, Stop};

sockopt_impl!(Discover4, SetOnly, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::c_int);
sockopt_impl!(Discover6, SetOnly, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::c_int);

/// ICMP header: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Ping {
    /// Who is asked.
    pub to: IpAddr,
    /// The number of the device, for IPv6 link-local addresses; else 0.
    pub scope: u32,
    /// How many times.
    pub count: u16,
    /// Size of the IP packet, headers included: the number that an MTU is about.
    pub packet: usize,
    /// Whether routers are forbidden to fragment; else the sender may fragment too.
    pub whole: bool,
    /// What the payload repeats.
    pub fill: Vec<u8>,
    /// How long to wait for each answer.
    pub patience: Duration,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Pong {
    /// Requests sent.
    pub sent: u16,
    /// How long each answer took.
    pub times: Vec<Duration>,
    /// Answers whose payload differed from the question.
    pub altered: u16,
    /// Why the kernel refused to send, if it did; `EMSGSIZE` is a packet larger than the device's MTU.
    pub refused: Option<Errno>,
}

impl Ping {
    /// Five small packets, with a second of patience for each.
    #[must_use]
    pub fn new(to: IpAddr) -> Ping {
        let fill = b"adit ".to_vec();
        Ping { to, scope: 0, count: 5, packet: 84, whole: false, fill, patience: Duration::from_secs(1) }
    }

    /// Asks from inside `netns`, one at a time.
    ///
    /// # Errors
    /// When the socket cannot be made, or the work was stopped. Silence is no error.
    pub fn run(&self, netns: &Netns, stop: &Stop) -> Result<Pong> {
        let socket =
            netns.run(|| self.socket())?.with_context(|| format!("{}: cannot ping", netns.name()))?;
        self.ask(&socket, stop)
    }

    /// The same from where the caller is.
    ///
    /// # Errors
    /// As for [`Ping::run`].
    pub fn run_here(&self, stop: &Stop) -> Result<Pong> {
        self.ask(&self.socket().context("cannot ping (it needs CAP_NET_RAW)")?, stop)
    }

    fn ask(&self, socket: &OwnedFd, stop: &Stop) -> Result<Pong> {
        let id = (std::process::id() as u16) ^ (socket.as_raw_fd() as u16);
        let mut pong = Pong::default();
        for number in 0..self.count {
            stop.check()?;
            let question = self.question(id, number);
            let start = Instant::now();
            match sendmsg(
                socket.as_raw_fd(),
                &[IoSlice::new(&question)],
                &[],
                MsgFlags::empty(),
                Some(&self.address()),
            ) {
                Ok(_) => pong.sent += 1,
                Err(errno) => {
                    pong.refused = Some(errno);
                    continue;
                }
            }
            match self.answer(socket, &question, start + self.patience, stop)? {
                Answer::Same => pong.times.push(start.elapsed()),
                Answer::Altered => pong.altered += 1,
                Answer::Silence => {}
            }
        }
        Ok(pong)
    }

    fn socket(&self) -> Result<OwnedFd> {
        let discover = if self.whole { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
        if self.to.is_ipv4() {
            let socket =
                socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)?;
            setsockopt(&socket, Discover4, &discover)?;
            Ok(socket)
        } else {
            let socket =
                socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6)?;
            setsockopt(&socket, Discover6, &discover)?;
            Ok(socket)
        }
    }

    fn address(&self) -> SockaddrStorage {
        match self.to {
            IpAddr::V4(to) => SockaddrStorage::from(SocketAddr::V4(SocketAddrV4::new(to, 0))),
            IpAddr::V6(to) => SockaddrStorage::from(SocketAddr::V6(SocketAddrV6::new(to, 0, 0, self.scope))),
        }
    }

    /// An echo request. ICMPv6 is left without checksum: the kernel fills it in.
    fn question(&self, id: u16, number: u16) -> Vec<u8> {
        let (kind, ip) = if self.to.is_ipv4() { (8, 20) } else { (128, 40) };
        let payload = self.packet.saturating_sub(ip + HEADER);
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(id.to_be_bytes());
        bytes.extend(number.to_be_bytes());
        bytes.extend(self.fill.iter().cycle().take(payload));
        if self.to.is_ipv4() {
            let sum = checksum(&bytes).to_be_bytes();
            bytes[2..4].copy_from_slice(&sum);
        }
        bytes
    }

    fn answer(&self, socket: &OwnedFd, question: &[u8], end: Instant, stop: &Stop) -> Result<Answer> {
        let mut bytes = vec![0; 1 << 16];
        loop {
            stop.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Answer::Silence);
            }
            let wait = PollTimeout::try_from(left.min(SLICE)).unwrap_or(PollTimeout::ZERO);
            if poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], wait)? == 0 {
                continue;
            }
            let len = match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(len) => len,
                Err(errno) if std::io::Error::from(errno).kind() == ErrorKind::WouldBlock => continue,
                Err(errno) => return Err(errno.into()),
            };
            if let Some(answer) = self.judge(&bytes[..len], question) {
                return Ok(answer);
            }
        }
    }

    /// Whether these bytes answer the question; `None` for what has nothing to do with it.
    fn judge(&self, bytes: &[u8], question: &[u8]) -> Option<Answer> {
        let (kind, icmp) = if self.to.is_ipv4() {
            // A raw IPv4 socket hands out the IP header too.
            let header = usize::from(bytes.first()? & 0x0f) * 4;
            (0, bytes.get(header..)?)
        } else {
            (129, bytes)
        };
        if *icmp.first()? != kind || icmp.get(4..HEADER)? != &question[4..HEADER] {
            return None;
        }
        if icmp[HEADER..] == question[HEADER..] { Some(Answer::Same) } else { Some(Answer::Altered) }
    }
}

impl Pong {
    /// Whether every question was sent and answered, unaltered.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.sent > 0 && self.refused.is_none() && self.times.len() == usize::from(self.sent)
    }

    /// The answer in the middle.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }
}

enum Answer {
    Same,
    Altered,
    Silence,
}

/// The Internet checksum (RFC 1071): 0 over bytes that hold their own checksum.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ping() -> Ping {
        Ping { packet: 33, ..Ping::new(Ipv4Addr::new(10, 0, 0, 2).into()) }
    }

    #[test]
    fn a_question_has_the_size_that_was_asked_and_a_valid_checksum() {
        let question = ping().question(7, 9);
        assert_eq!(question.len(), 13);
        assert_eq!(checksum(&question), 0);
    }

    #[test]
    fn only_the_answer_to_the_question_counts_and_a_changed_byte_shows() {
        let ping = ping();
        let question = ping.question(7, 9);
        let mut reply = vec![0; 20];
        reply[0] = 0x45;
        reply.extend(&question);
        assert!(ping.judge(&reply, &question).is_none(), "an echo request is no reply");
        reply[20] = 0;
        assert!(matches!(ping.judge(&reply, &question), Some(Answer::Same)));
        assert!(ping.judge(&reply, &ping.question(7, 10)).is_none(), "another number");
        *reply.last_mut().unwrap() ^= 1;
        assert!(matches!(ping.judge(&reply, &question), Some(Answer::Altered)));
        for len in 0..28 {
            assert!(ping.judge(&reply[..len], &question).is_none(), "cut to {len}");
        }
    }
}
