//! What a driver can do with XDP, by the generic netlink family `netdev` (Documentation/netlink/specs/netdev.yaml, Linux 6.3).

use super::channels::{ask, attribute, family, socket};
use rtnetlink::packet_core::DefaultNla;
use std::io;

// linux/netdev.h
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_XDP_ACT_NDO_XMIT: u64 = 1 << 2;

/// Whether the device with this number sends frames that XDP programs redirect to it, at this moment: a veth does so only while
/// its other end has an XDP program or GRO. In the network namespace of the calling thread.
///
/// # Errors
/// When the kernel does not tell.
pub fn sends_redirected(index: u32) -> io::Result<bool> {
    let socket = socket()?;
    let family = family(&socket, b"netdev\0")?;
    let device = DefaultNla::new(NETDEV_A_DEV_IFINDEX, index.to_ne_bytes().to_vec());
    let answer = ask(&socket, family, NETDEV_CMD_DEV_GET, device)?;
    let features = attribute(&answer, NETDEV_A_DEV_XDP_FEATURES).map(u64::from_ne_bytes);
    Ok(features.ok_or(io::ErrorKind::InvalidData)? & NETDEV_XDP_ACT_NDO_XMIT != 0)
}
