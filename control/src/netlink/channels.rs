//! Receive queues in use, by ethtool's generic netlink family (linux/ethtool_netlink.h, Linux 5.6).
//!
//! `IFLA_NUM_RX_QUEUES` tells what the driver allocated, which can be far more than what receives packets.

use rtnetlink::packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLM_F_REQUEST, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
    NlasIterator,
};
use rtnetlink::sys::protocols::NETLINK_GENERIC;
use rtnetlink::sys::{Socket, SocketAddr};
use std::io;

// linux/genetlink.h
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
// linux/ethtool_netlink.h
const ETHTOOL_MSG_CHANNELS_GET: u8 = 17;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
const ETHTOOL_A_CHANNELS_HEADER: u16 = 1;
const ETHTOOL_A_CHANNELS_RX_COUNT: u16 = 6;
const ETHTOOL_A_CHANNELS_COMBINED_COUNT: u16 = 9;

/// `struct nlmsghdr` and the `struct genlmsghdr` behind it.
const HEADERS: usize = 16 + 4;

/// A socket to ethtool.
pub(super) struct Channels {
    socket: Socket,
    family: u16,
}

impl Channels {
    /// Connects, in the network namespace of the calling thread.
    pub(super) fn open() -> io::Result<Channels> {
        let socket = socket()?;
        let family = family(&socket, b"ethtool\0")?;
        Ok(Channels { socket, family })
    }

    /// How many queues of this device receive packets; an error when its driver does not tell.
    pub(super) fn rx_queues(&self, index: u32) -> io::Result<u32> {
        let device = DefaultNla::new(ETHTOOL_A_HEADER_DEV_INDEX, index.to_ne_bytes().to_vec());
        let mut header = vec![0; device.buffer_len()];
        device.emit(&mut header);
        let header = DefaultNla::new(ETHTOOL_A_CHANNELS_HEADER | NLA_F_NESTED, header);
        let answer = ask(&self.socket, self.family, ETHTOOL_MSG_CHANNELS_GET, header)?;
        let count = |kind| attribute(&answer, kind).map_or(0, u32::from_ne_bytes);
        let queues =
            count(ETHTOOL_A_CHANNELS_RX_COUNT).saturating_add(count(ETHTOOL_A_CHANNELS_COMBINED_COUNT));
        if queues == 0 { Err(io::ErrorKind::Unsupported.into()) } else { Ok(queues) }
    }
}

/// A socket to families of generic netlink, in the network namespace of the calling thread.
pub(super) fn socket() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel has answered by the time that the request is sent: nothing is ever waited for.
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// The number of the family of this name, which ends with a zero.
pub(super) fn family(socket: &Socket, name: &[u8]) -> io::Result<u16> {
    let name = DefaultNla::new(CTRL_ATTR_FAMILY_NAME, name.to_vec());
    let answer = ask(socket, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, name)?;
    Ok(u16::from_ne_bytes(attribute(&answer, CTRL_ATTR_FAMILY_ID).ok_or(io::ErrorKind::InvalidData)?))
}

/// Sends a request with one attribute and returns the attributes of the answer.
pub(super) fn ask(socket: &Socket, family: u16, command: u8, attribute: DefaultNla) -> io::Result<Vec<u8>> {
    let length = HEADERS + attribute.buffer_len();
    let mut request = vec![0; length];
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(length).map_err(io::Error::other)?;
    header.message_type = family;
    header.flags = NLM_F_REQUEST;
    header.emit(&mut request);
    request[16] = command;
    request[17] = 1;
    attribute.emit(&mut request[HEADERS..]);
    socket.send(&request, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let message = NetlinkBuffer::new_checked(&answer[..]).map_err(io::Error::other)?;
    let payload = message.payload();
    if message.message_type() == NLMSG_ERROR {
        let errno = payload.first_chunk().copied().map_or(libc::EBADMSG, i32::from_ne_bytes);
        return Err(io::Error::from_raw_os_error(errno.saturating_neg()));
    }
    Ok(payload.get(4..).unwrap_or_default().to_vec())
}

/// The value of the first attribute of this kind, when it has this size.
pub(super) fn attribute<const SIZE: usize>(attributes: &[u8], kind: u16) -> Option<[u8; SIZE]> {
    let mut attributes = NlasIterator::new(attributes).map_while(Result::ok);
    attributes.find(|attribute| attribute.kind() == kind)?.value().try_into().ok()
}
