//! Who else has an XDP program on a device? Asked of the kernel by netlink (IFLA_XDP, include/uapi/linux/if_link.h).

use std::fmt;
use std::io;

use aya::programs::loaded_programs;
use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};

use super::Hook;

/// A program on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Its number, as `bpftool prog show id` wants it.
    pub id: u32,
    /// Its name, where the kernel lets us read it.
    pub name: Option<String>,
    /// Where it runs.
    pub hook: Hook,
}

impl Occupant {
    /// The programs on a device of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel does not answer, or has no such device.
    pub fn on(ifindex: u32) -> io::Result<Vec<Occupant>> {
        let link = link(ifindex)?;
        let xdp = link.attributes.iter().filter_map(|attribute| match attribute {
            LinkAttribute::Xdp(xdp) => Some(xdp),
            _ => None,
        });
        let ids: Vec<(u32, Hook)> = xdp.flatten().filter_map(id_and_hook).collect();
        Ok(ids.into_iter().map(|(id, hook)| Occupant { id, name: name(id), hook }).collect())
    }
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}, id {}, {}", self.id, self.hook),
            None => write!(f, "id {}, {}", self.id, self.hook),
        }
    }
}

fn id_and_hook(attribute: &LinkXdp) -> Option<(u32, Hook)> {
    match attribute {
        LinkXdp::DrvProgId(id) => Some((*id, Hook::Native)),
        LinkXdp::SkbProgId(id) => Some((*id, Hook::Generic)),
        _ => None,
    }
}

fn name(id: u32) -> Option<String> {
    let program = loaded_programs().flatten().find(|program| program.id() == id)?;
    program.name_as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

fn link(ifindex: u32) -> io::Result<LinkMessage> {
    let mut wanted = LinkMessage::default();
    wanted.header.index = ifindex;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(RouteNetlinkMessage::GetLink(wanted)));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);

    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::deserialize(&answer).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Ok(link),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        other => Err(io::Error::other(format!("an unexpected answer by netlink: {other:?}"))),
    }
}
