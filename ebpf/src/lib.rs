//! The contract between the XDP program and its loader.
//!
//! The program decides one thing about a frame: ours or the kernel's. This half of the package says by which names and
//! bytes the two sides understand each other, and carries the built program as [`OBJECT`], so that nobody needs a BPF
//! toolchain to build adit. It has no dependency, no `std` and no unsafe code.
//!
//! The program is in `main.rs`; `scripts/build-ebpf` builds it and compares it with the committed object. [`traffic`] is the
//! contract with another program, which makes traffic for `adit gen`.

#![no_std]

pub mod traffic;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The program for an uplink: claims tunnel packets addressed to one of the [`ENDPOINTS`], passes all else.
pub const UPLINK: &str = "adit_uplink";

/// The program for a guest's port: claims every frame.
pub const GUEST: &str = "adit_guest";

/// XSKMAP: receive queue -> the AF_XDP socket that takes the claimed frames of this queue.
pub const XSKS: &str = "XSKS";

/// Hash map: [`EndpointKey`] -> one byte that nobody reads. To be in the map is to be ours.
pub const ENDPOINTS: &str = "ENDPOINTS";

/// Per-CPU array of `u64`: one counter for each [`Verdict`].
pub const VERDICTS: &str = "VERDICTS";

/// The receive queues that a device may have; frames of later queues stay with the kernel.
pub const QUEUES_MAX: u32 = 256;

/// The endpoints that an uplink may have: addresses times UDP ports, so a few in practice.
pub const ENDPOINTS_MAX: u32 = 1024;

/// IP protocol number of UDP, which carries VXLAN and Geneve.
pub const UDP: u8 = 17;

/// IP protocol number of GRE, which carries NVGRE too.
pub const GRE: u8 = 47;

/// A place where tunnels end: packets to this address, by this protocol, are ours.
///
/// The program builds the same bytes from a packet's outer headers and looks them up, so the bytes are the meaning:
/// every one is written, none is padding.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointKey {
    /// The outer destination address as on the wire; an IPv4 address fills the first four bytes, zeros the rest.
    addr: [u8; 16],
    /// The UDP destination port as on the wire; zero for GRE.
    port: [u8; 2],
    /// [`UDP`] or [`GRE`].
    proto: u8,
    /// 4 or 6. An IPv6 packet to an address that begins like ours in IPv4 is not for us.
    version: u8,
}

/// The bytes of an [`EndpointKey`], the key size of the map [`ENDPOINTS`].
pub const ENDPOINT_KEY_LEN: usize = 20;

const _: () = assert!(size_of::<EndpointKey>() == ENDPOINT_KEY_LEN);
const _: () = assert!(align_of::<EndpointKey>() == 1);

impl EndpointKey {
    /// VXLAN or Geneve: UDP to `addr` and `port`.
    pub const fn udp(addr: IpAddr, port: u16) -> EndpointKey {
        EndpointKey::new(addr, UDP, port.to_be_bytes())
    }

    /// GRE or NVGRE that carries Ethernet frames, to `addr`.
    pub const fn gre(addr: IpAddr) -> EndpointKey {
        EndpointKey::new(addr, GRE, [0; 2])
    }

    const fn new(addr: IpAddr, proto: u8, port: [u8; 2]) -> EndpointKey {
        match addr {
            IpAddr::V4(addr) => EndpointKey::v4(addr.octets(), proto, port),
            IpAddr::V6(addr) => EndpointKey::v6(addr.octets(), proto, port),
        }
    }

    /// From the fields of an IPv4 packet, as on the wire.
    #[inline(always)]
    pub const fn v4([a, b, c, d]: [u8; 4], proto: u8, port: [u8; 2]) -> EndpointKey {
        let addr = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        EndpointKey { addr, port, proto, version: 4 }
    }

    /// From the fields of an IPv6 packet, as on the wire.
    #[inline(always)]
    pub const fn v6(addr: [u8; 16], proto: u8, port: [u8; 2]) -> EndpointKey {
        EndpointKey { addr, port, proto, version: 6 }
    }

    /// The key as the map holds it.
    pub fn to_bytes(self) -> [u8; ENDPOINT_KEY_LEN] {
        let mut bytes = [0; ENDPOINT_KEY_LEN];
        bytes[..16].copy_from_slice(&self.addr);
        bytes[16..18].copy_from_slice(&self.port);
        bytes[18] = self.proto;
        bytes[19] = self.version;
        bytes
    }

    /// The address that tunnel packets are sent to.
    pub fn addr(&self) -> IpAddr {
        let [a, b, c, d, ..] = self.addr;
        match self.version {
            4 => Ipv4Addr::new(a, b, c, d).into(),
            _ => Ipv6Addr::from(self.addr).into(),
        }
    }

    /// The UDP port; none for GRE.
    pub fn port(&self) -> Option<u16> {
        (self.proto == UDP).then(|| u16::from_be_bytes(self.port))
    }
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port() {
            Some(port) => write!(f, "udp {} port {port}", self.addr()),
            None => write!(f, "gre {}", self.addr()),
        }
    }
}

impl fmt::Debug for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointKey({self})")
    }
}

/// What the program did with a frame; the number is the place in [`VERDICTS`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ours, and handed to the AF_XDP socket of its queue.
    Claimed = 0,
    /// Ours, but no socket listens on its queue: the kernel got it. A number that grows while adit runs means that a
    /// queue was left out.
    Unbound = 1,
    /// Not ours: the kernel got it, untouched.
    Passed = 2,
}

impl Verdict {
    /// All of them, in the order of [`VERDICTS`].
    pub const ALL: [Verdict; 3] = [Verdict::Claimed, Verdict::Unbound, Verdict::Passed];
}

/// The built program: a BPF ELF object, aligned for parsers that read it in place.
#[cfg(not(target_arch = "bpf"))]
pub static OBJECT: &[u8] = &OBJECT_ALIGNED.0;

#[cfg(not(target_arch = "bpf"))]
static OBJECT_ALIGNED: Aligned<{ include_bytes!("../obj/adit.bpf.o").len() }> =
    Aligned(*include_bytes!("../obj/adit.bpf.o"));

#[cfg(not(target_arch = "bpf"))]
#[repr(align(64))]
struct Aligned<const N: usize>([u8; N]);

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_key_holds_the_bytes_of_the_wire() {
        let v4 = EndpointKey::udp(Ipv4Addr::new(192, 0, 2, 1).into(), 4789);
        assert_eq!(v4.to_bytes(), *b"\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\x12\xb5\x11\x04");
        let v6 = EndpointKey::gre(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into());
        assert_eq!(v6.to_bytes(), *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\x2f\x06");
    }

    #[test]
    fn a_key_reads_like_what_it_means() {
        let udp = EndpointKey::udp(Ipv4Addr::new(192, 0, 2, 1).into(), 4789);
        assert_eq!(udp.to_string(), "udp 192.0.2.1 port 4789");
        let gre = EndpointKey::gre(Ipv6Addr::LOCALHOST.into());
        assert_eq!(gre.to_string(), "gre ::1");
    }

    #[test]
    fn the_object_is_an_aligned_elf_file() {
        assert!(OBJECT.starts_with(b"\x7fELF"));
        assert_eq!(OBJECT.as_ptr().align_offset(64), 0);
    }

    #[test]
    fn verdicts_are_numbered_in_order() {
        for (place, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict as usize, place);
        }
    }
}
