//! The XDP program: ours, or the kernel's?
//!
//! A frame of ours is redirected to the AF_XDP socket of its receive queue. Everything else, and everything that this
//! program does not understand, is passed to the kernel untouched. So is a frame of ours when no socket is bound to the
//! queue: if adit dies the host stays reachable.
//!
//! Ours is, on a guest's port, every frame; on an uplink, a tunnel packet addressed to one of our endpoints:
//!
//! - Ethernet without VLAN tag. A tagged packet belongs to the VLAN device above the uplink, which has its own
//!   addresses; whoever wants tunnels there names that device as the uplink. (Where the card takes tags off before the
//!   program runs, they cannot be seen here: `ethtool -K DEVICE rxvlan off` on a trunk.)
//! - IPv4 with or without options, but whole: a fragment goes to the kernel. IPv6 without extension headers.
//! - UDP to a known address and port, or GRE version 0 with an Ethernet frame inside (RFC 2784, RFC 2890, RFC 7637) to
//!   a known address.
//!
//! Lengths and checksums are not judged here: the worker drops what is broken, and counts why.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![expect(unsafe_code, reason = "a frame is read through pointers that the kernel's verifier follows")]

use aya_ebpf::bindings::xdp_action::{XDP_PASS, XDP_REDIRECT};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{HashMap, PerCpuArray, XskMap};
use aya_ebpf::programs::XdpContext;
use ebpf::{ENDPOINTS_MAX, EndpointKey, GRE, QUEUES_MAX, UDP, Verdict};

#[map]
static XSKS: XskMap = XskMap::with_max_entries(QUEUES_MAX, 0);

#[map]
static ENDPOINTS: HashMap<EndpointKey, u8> = HashMap::with_max_entries(ENDPOINTS_MAX, 0);

#[map]
static VERDICTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Verdict::ALL.len() as u32, 0);

/// The kernel asks for the licence, and lends some helpers to the GPL alone; none of them is needed here.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 18] = *b"MIT OR Apache-2.0\0";

/// Attached to an uplink.
#[xdp(frags)]
fn adit_uplink(ctx: XdpContext) -> u32 {
    match endpoint(&ctx) {
        Some(key) if ENDPOINTS.get_ptr(key).is_some() => claim(&ctx),
        _ => count(Verdict::Passed, XDP_PASS),
    }
}

/// Attached to a guest's port.
#[xdp(frags)]
fn adit_guest(ctx: XdpContext) -> u32 {
    claim(&ctx)
}

/// The kernel looks for a socket on this queue, and answers XDP_PASS when there is none.
#[inline(always)]
fn claim(ctx: &XdpContext) -> u32 {
    match XSKS.redirect(ctx.rx_queue_index(), XDP_PASS.into()) {
        Ok(_) => count(Verdict::Claimed, XDP_REDIRECT),
        Err(_) => count(Verdict::Unbound, XDP_PASS),
    }
}

#[inline(always)]
fn count(verdict: Verdict, action: u32) -> u32 {
    if let Some(counter) = VERDICTS.get_ptr_mut(verdict as u32) {
        // SAFETY: the map's slot of this CPU, which no other program shares while this one runs.
        unsafe { *counter += 1 };
    }
    action
}

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Transparent Ethernet Bridging: an Ethernet frame follows.
const ETHERTYPE_TEB: [u8; 2] = [0x65, 0x58];

/// The endpoint to which this frame is addressed, if it may be a tunnel packet at all.
#[inline(always)]
fn endpoint(ctx: &XdpContext) -> Option<EndpointKey> {
    match read(ctx, 12)? {
        ETHERTYPE_IPV4 => ipv4(ctx),
        ETHERTYPE_IPV6 => ipv6(ctx),
        _ => None,
    }
}

/// ```text
///  0      1      2             4             6             8      9             12            16
/// +------+------+-------------+-------------+-------------+------+------+------+-------------+-------------+
/// |Ver|HL| TOS  | Total length| Identific.  |Flags|Offset | TTL  |Proto |Checks| Source      | Destination |
/// +------+------+-------------+-------------+-------------+------+------+------+-------------+-------------+
/// ```
#[inline(always)]
fn ipv4(ctx: &XdpContext) -> Option<EndpointKey> {
    let header: [u8; IPV4_LEN] = read(ctx, ETHERNET_LEN)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let whole = header[6] & 0x3f == 0 && header[7] == 0; // neither "more fragments" nor an offset
    if header[0] >> 4 != 4 || header_len < IPV4_LEN || !whole {
        return None;
    }
    let [.., a, b, c, d] = header;
    let port = tunnel(ctx, header[9], ETHERNET_LEN + header_len)?;
    Some(EndpointKey::v4([a, b, c, d], header[9], port))
}

/// ```text
///  0                           4             6      7      8                    24
/// +---------------------------+-------------+------+------+--------------------+--------------------+
/// |Ver| Class |  Flow label   | Payload len | Next | Hops | Source             | Destination        |
/// +---------------------------+-------------+------+------+--------------------+--------------------+
/// ```
#[inline(always)]
fn ipv6(ctx: &XdpContext) -> Option<EndpointKey> {
    let [version, .., next, _hops]: [u8; 8] = read(ctx, ETHERNET_LEN)?;
    if version >> 4 != 6 {
        return None;
    }
    let addr = read(ctx, ETHERNET_LEN + 24)?;
    let port = tunnel(ctx, next, ETHERNET_LEN + IPV6_LEN)?;
    Some(EndpointKey::v6(addr, next, port))
}

/// The header that follows IP: the port of the endpoint, zero for GRE; none when it cannot be a tunnel of ours.
#[inline(always)]
fn tunnel(ctx: &XdpContext, proto: u8, offset: usize) -> Option<[u8; 2]> {
    match proto {
        UDP => {
            let [_, _, port @ .., _, _, _, _]: [u8; 8] = read(ctx, offset)?;
            Some(port)
        }
        GRE => {
            // Set bits 1, 4 or 5 announce the source routes of RFC 1701; the version is in the last three. Checksum,
            // key and sequence number (bits 0, 2, 3) are for the worker.
            let [flags, version, ethertype @ ..]: [u8; 4] = read(ctx, offset)?;
            let known = flags & 0x4c == 0 && version & 0x07 == 0 && ethertype == ETHERTYPE_TEB;
            known.then_some([0; 2])
        }
        _ => None,
    }
}

/// `N` bytes of the frame from `offset`, if it has them.
#[inline(always)]
fn read<const N: usize>(ctx: &XdpContext, offset: usize) -> Option<[u8; N]> {
    let at = ctx.data() + offset;
    if at + N > ctx.data_end() {
        return None;
    }
    // SAFETY: the kernel says where the frame begins and ends, the line above compares, and the verifier refuses the
    // program if that were not enough. An array of bytes needs no alignment.
    Some(unsafe { *(at as *const [u8; N]) })
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// For every other target there is nothing to run: the source is checked, not used.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
