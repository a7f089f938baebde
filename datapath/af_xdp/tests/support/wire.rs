//! The far end of the cable: a packet socket, and the packets that are sent through it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// An ethertype for local experiments (IEEE 802), so that nothing else on the host minds the packets.
const EXPERIMENT: u16 = 0x88b5;

/// A packet socket on one device. Sees every packet that arrives there.
pub(crate) struct Wire(OwnedFd);

impl Wire {
    pub(crate) fn on(ifindex: u32) -> Self {
        let every = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: takes no memory.
        let fd =
            unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(every)) };
        assert!(fd >= 0, "packet socket: {}", io::Error::last_os_error());
        // SAFETY: the kernel has just made this descriptor.
        let wire = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let mut address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: every,
            sll_ifindex: ifindex as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let len = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the address is borrowed and the length is its own.
        let bound = unsafe { libc::bind(fd, ptr::from_mut(&mut address).cast(), len) };
        assert_eq!(bound, 0, "bind: {}", io::Error::last_os_error());
        wire.set(libc::SOL_SOCKET, libc::SO_RCVTIMEO, &libc::timeval { tv_sec: 2, tv_usec: 0 });
        wire.set(libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1i32);
        wire.set(libc::SOL_SOCKET, libc::SO_RCVBUF, &(8i32 << 20));
        wire
    }

    fn set<T>(&self, level: i32, option: i32, value: &T) {
        let len = size_of::<T>() as libc::socklen_t;
        // SAFETY: the value is borrowed and the length is its own.
        let set =
            unsafe { libc::setsockopt(self.0.as_raw_fd(), level, option, ptr::from_ref(value).cast(), len) };
        assert_eq!(set, 0, "socket option {option}: {}", io::Error::last_os_error());
    }

    pub(crate) fn send(&self, packet: &[u8]) {
        // SAFETY: the packet is borrowed and the length is its own.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), packet.as_ptr().cast(), packet.len(), 0) };
        assert_eq!(sent, packet.len() as isize, "send: {}", io::Error::last_os_error());
    }

    /// The next packet; nothing when none comes within two seconds.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 1 << 16];
        // SAFETY: the buffer is borrowed and the length is its own.
        let len = unsafe { libc::recv(self.0.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), 0) };
        packet.truncate(usize::try_from(len).ok()?);
        Some(packet)
    }
}

/// A packet of `len` bytes from the far end, different for each `number`.
pub(crate) fn packet(number: u32, len: usize) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    packet.extend(EXPERIMENT.to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.extend((packet.len()..len).map(|at| (at as u32).wrapping_mul(31).wrapping_add(number) as u8));
    packet
}

/// A UDP packet to the far end, from 192.0.2.1 port 5000 to 192.0.2.2 and `port`, with the sum of the pseudo header alone
/// in its checksum field: what a stack leaves for the device to finish. The sum starts at byte 34 and goes to 6 from there.
pub(crate) fn udp_with_partial_checksum(port: u16, payload: &[u8]) -> Vec<u8> {
    let udp_len = 8 + payload.len() as u16;
    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp_len).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    let header_sum = !sum(&ip);
    ip[10..12].copy_from_slice(&header_sum.to_be_bytes());
    let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    packet.extend(&ip);
    packet.extend(5000u16.to_be_bytes());
    packet.extend(port.to_be_bytes());
    packet.extend(udp_len.to_be_bytes());
    packet.extend(pseudo_header_sum(&ip, udp_len).to_be_bytes());
    packet.extend(payload);
    packet
}

/// Whether the UDP checksum of such a packet is complete.
pub(crate) fn udp_checksum_is_complete(packet: &[u8]) -> bool {
    let udp = &packet[34..];
    let total = u32::from(sum(udp)) + u32::from(pseudo_header_sum(&packet[14..34], udp.len() as u16));
    total == 0xffff || total == 2 * 0xffff
}

fn pseudo_header_sum(ip: &[u8], udp_len: u16) -> u16 {
    let mut pseudo = ip[12..20].to_vec();
    pseudo.extend([0, 17]);
    pseudo.extend(udp_len.to_be_bytes());
    sum(&pseudo)
}

/// The ones' complement sum of RFC 1071.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
