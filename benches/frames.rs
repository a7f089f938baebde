//! The frames of all benches: 64 bytes of Ethernet, IPv4 and UDP without checksum, and the same in VXLAN.
//!
//! A flow is its number: the UDP source port, and beyond 65,536 flows the destination port too.

use datapath::wire::MacAddr;
use etherparse::PacketBuilder;

/// The guest that sends.
pub const GUEST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
/// The guest that receives.
pub const OTHER_GUEST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 2]);
/// Our uplink.
pub const UPLINK_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// The host at the other end of the underlay.
pub const NEXT_HOP_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
/// Our tunnel endpoint.
pub const HERE: [u8; 4] = [192, 0, 2, 1];
/// The other tunnel endpoint.
pub const THERE: [u8; 4] = [192, 0, 2, 2];
/// The tenant.
pub const VNI: u32 = 100;
/// The tenant of that number among many has this key.
pub const FIRST_VNI: u32 = 1000;
/// Length of a guest's frame.
pub const LEN: usize = 64;
/// Length of the headers around it: Ethernet, IPv4, UDP, VXLAN.
pub const HEADERS: usize = 14 + 20 + 8 + 8;
/// Where the UDP ports of a guest's frame are.
pub const PORTS: usize = 14 + 20;

const UDP_HEADERS: usize = PORTS + 8;
const FIRST_DESTINATION_PORT: u16 = 9000;

/// A guest's frame of that flow.
pub fn plain(flow: u32) -> Vec<u8> {
    between(GUEST_MAC, OTHER_GUEST_MAC, flow)
}

/// The same, from and to guests of one of many tenants.
pub fn plain_of(tenant: u32, flow: u32) -> Vec<u8> {
    between(guest_mac(tenant), other_guest_mac(tenant), flow)
}

/// The guest of one of many tenants that sends.
pub fn guest_mac(tenant: u32) -> MacAddr {
    let [_, _, a, b] = tenant.to_be_bytes();
    MacAddr([2, 0, 1, 0, a, b])
}

/// The one that receives.
pub fn other_guest_mac(tenant: u32) -> MacAddr {
    let [_, _, a, b] = tenant.to_be_bytes();
    MacAddr([2, 0, 2, 0, a, b])
}

fn between(from: MacAddr, to: MacAddr, flow: u32) -> Vec<u8> {
    let payload = [0; LEN - UDP_HEADERS];
    let (source, destination) = ((flow & 0xffff) as u16, FIRST_DESTINATION_PORT + (flow >> 16) as u16);
    let mut frame = built(from, to, [10, 0, 0, 1], [10, 0, 0, 2], source, destination, &payload);
    frame[PORTS + 6..PORTS + 8].fill(0);
    frame
}

/// The same on its way to us in a tunnel.
pub fn tunnelled(flow: u32) -> Vec<u8> {
    with_headers(VNI, flow, &plain(flow))
}

/// The same of one of many tenants.
pub fn tunnelled_of(tenant: u32, flow: u32) -> Vec<u8> {
    with_headers(FIRST_VNI + tenant, flow, &plain_of(tenant, flow))
}

fn with_headers(vni: u32, flow: u32, frame: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = vni.to_be_bytes();
    let payload = [&[8, 0, 0, 0, a, b, c, 0], frame].concat();
    // The sender spreads its flows over these ports (RFC 7348 section 5).
    let entropy = 49152 + (flow & 0x3fff) as u16;
    let mut packet = built(NEXT_HOP_MAC, UPLINK_MAC, THERE, HERE, entropy, 4789, &payload);
    packet[PORTS + 6..PORTS + 8].fill(0);
    packet
}

fn built(
    from: MacAddr,
    to: MacAddr,
    source: [u8; 4],
    destination: [u8; 4],
    source_port: u16,
    destination_port: u16,
    payload: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(from.0, to.0)
        .ipv4(source, destination, 64)
        .udp(source_port, destination_port);
    let mut packet = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut packet, payload).expect("a vector takes every byte, and the lengths fit");
    packet
}
