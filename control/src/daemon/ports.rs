//! The devices of a switch: found, claimed by an XDP program where that is possible, and shared out to the workers.

use super::buffers::{Buffers, exceeds_all, exceeds_one};
use super::worker::{Bound, Device};
use crate::attach::{Attachment, EndpointKey, Error as AttachError, Hook, Mode as XdpMode, Role as XdpRole};
use crate::config::{Config, Mode};
use crate::netlink::links::{self, Devices};
use anyhow::{Context, Result, bail};
use datapath::flow::OfPort;
use datapath::mem::LONG_MAX;
use datapath::port::PortId;
use datapath::worker::Role;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A device and what was made of it.
pub(super) struct PortState {
    pub(super) name: String,
    pub(super) device: String,
    pub(super) ifindex: u32,
    pub(super) role: Role,
    pub(super) queues: u32,
    /// A checksum may be left to the device.
    pub(super) software: bool,
    /// Largest IP packet that the device carries.
    pub(super) mtu: u32,
    /// The largest that it has carried since it was taken up: what workers have buffers for.
    pub(super) longest: u32,
    /// An MTU that workers could not have buffers for: nobody tries again until it is another.
    refused: Option<u32>,
    pub(super) attachment: Option<Attachment>,
    /// For its effect on the other end of a veth pair alone, see [`segment`].
    segmenter: Option<Attachment>,
    /// How frames come and go, for people.
    pub(super) mode: String,
    /// The device does not exist any more.
    pub(super) gone: bool,
}

impl PortState {
    /// The device does not exist any more; its program went with it.
    pub(super) fn lose(&mut self) {
        (self.attachment, self.segmenter) = (None, None);
        self.mode = "gone".to_string();
        self.gone = true;
    }

    /// Workers could not have buffers for its MTU: they have those that they had.
    pub(super) fn refuse_mtu(&mut self, longest: u32) {
        (self.longest, self.refused) = (longest, Some(self.mtu));
    }
}

/// All ports, uplinks first; a `PortId` is a place in this list. And the endpoints of ours on the uplinks.
pub(super) struct Ports {
    pub(super) list: Vec<PortState>,
    pub(super) endpoints: Vec<IpAddr>,
    /// What tunnels listen for.
    pub(super) listening: Listening,
}

/// What tunnels listen for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listening {
    /// UDP to these ports.
    pub(super) ports: Vec<u16>,
    /// GRE, NVGRE included.
    pub(super) gre: bool,
}

impl Listening {
    pub(super) fn of(config: &Config) -> Listening {
        let specs = config.tunnels.iter().map(|tunnel| &tunnel.spec);
        let (udp, gre): (Vec<_>, Vec<_>) = specs.partition(|spec| spec.kind.port().is_some());
        let mut ports: Vec<u16> = udp.iter().map(|spec| spec.dst_port).collect();
        ports.sort_unstable();
        ports.dedup();
        Listening { ports, gre: !gre.is_empty() }
    }

    /// What the XDP program shall look for at an endpoint of ours.
    fn at(&self, ip: IpAddr) -> impl Iterator<Item = EndpointKey> {
        let udp = self.ports.iter().map(move |port| EndpointKey::udp(ip, *port));
        udp.chain(self.gre.then(|| EndpointKey::gre(ip)))
    }
}

/// What one port asks for.
struct Wish<'a> {
    name: &'a str,
    device: &'a str,
    mode: Mode,
    role: Role,
}

impl Ports {
    /// Finds the devices and attaches the programs. No frame is claimed before sockets are bound.
    pub(super) async fn claim(config: &Config, workers: u32) -> Result<Ports> {
        let devices = Devices::read().await?;
        let mut endpoints = Vec::new();
        for uplink in &config.uplinks {
            let device = devices.named(&uplink.device).context("cannot use it as uplink")?;
            let here: Vec<IpAddr> = match &uplink.endpoints {
                Some(configured) => configured.clone(),
                None => device.endpoints().collect(),
            };
            if here.is_empty() {
                bail!(
                    "uplink {} has no address to end tunnels at: give it one (ip address add ADDRESS dev {0}), \
                     or say endpoints = [\"ADDRESS\"]",
                    uplink.device
                );
            }
            endpoints.extend(here);
        }
        let mut ports = Ports { list: Vec::new(), endpoints, listening: Listening::of(config) };
        for wish in wishes(config) {
            let device = devices
                .named(wish.device)
                .with_context(|| format!("cannot use it for port {}", wish.name))?;
            ports.list.push(claim(&wish, device, &ports.endpoint_keys(), workers)?);
        }
        Ok(ports)
    }

    /// Attaches to a device that came back; no frame is claimed before sockets are bound.
    pub(super) async fn reclaim(&mut self, index: usize, config: &Config, workers: u32) -> Result<()> {
        let Some(wish) = wishes(config).nth(index) else { return Ok(()) };
        let devices = Devices::read().await?;
        let device = devices.named(wish.device)?;
        self.list[index] = claim(&wish, device, &self.endpoint_keys(), workers)?;
        Ok(())
    }

    /// From now on tunnels end at these addresses and no others.
    pub(super) fn set_endpoints(&mut self, endpoints: Vec<IpAddr>) -> Result<()> {
        self.endpoints = endpoints;
        self.tell_programs()
    }

    /// From now on this is what tunnels listen for.
    ///
    /// # Errors
    /// When the programs have no room for it; it is what it was then.
    pub(super) fn listen(&mut self, listening: Listening) -> Result<()> {
        let before = std::mem::replace(&mut self.listening, listening);
        let told = self.tell_programs();
        if told.is_err() {
            self.listening = before;
            let _ = self.tell_programs();
        }
        told
    }

    fn tell_programs(&mut self) -> Result<()> {
        let keys = self.endpoint_keys();
        for port in self.list.iter_mut().filter(|port| port.role == Role::Uplink) {
            if let Some(attachment) = &mut port.attachment {
                attachment.set_endpoints(&keys)?;
            }
        }
        Ok(())
    }

    /// What the XDP program shall look for: every endpoint of ours with all that tunnels listen for.
    fn endpoint_keys(&self) -> Vec<EndpointKey> {
        self.endpoints.iter().flat_map(|ip| self.listening.at(*ip)).collect()
    }

    /// The smallest buffers that take the longest frame of every device.
    pub(super) fn buffers(&self) -> Buffers {
        Buffers::of(self.list.iter().map(|port| port.longest).max().unwrap_or(0))
    }

    /// Takes the MTU of a device for what it is now. True when its frames may be longer than workers have been made for, and
    /// that was not tried in vain.
    pub(super) fn set_mtu(&mut self, index: usize, mtu: u32) -> bool {
        let before = self.buffers();
        let Some(port) = self.list.get_mut(index) else { return false };
        if port.refused.is_some_and(|refused| refused == mtu) {
            return false;
        }
        port.refused = None;
        let (was, longest) = (port.longest, port.longest.max(mtu));
        (port.mtu, port.longest) = (mtu, longest);
        exceeds_one(was) != exceeds_one(longest) || before != self.buffers()
    }

    /// Says which devices carry longer packets than there are buffers for.
    pub(super) fn warn_of_length(&self) {
        for PortState { device, longest, .. } in &self.list {
            if exceeds_all(*longest) {
                eprintln!(
                    "adit: {device} has an MTU of {longest}: frames longer than {LONG_MAX} bytes are dropped and counted as \
                     frame_too_long"
                );
            }
        }
    }

    /// What worker `index` of `workers` serves.
    pub(super) fn share(&self, index: u32, workers: u32) -> Vec<Device> {
        let of = |port: &PortState| Device {
            name: port.device.clone(),
            ifindex: port.ifindex,
            role: port.role,
            software: port.software,
            in_several: exceeds_one(port.longest),
            queues: match &port.attachment {
                _ if port.gone => Some(Vec::new()),
                Some(_) => Some((0..port.queues).filter(|q| q % workers == index).collect()),
                None => None,
            },
            listening: self.listening.clone(),
        };
        self.list.iter().map(of).collect()
    }

    /// Leads the frames of the queues to the workers' sockets.
    pub(super) fn bind(&mut self, bound: &[Bound]) -> Result<()> {
        for Bound { port, queue, socket, mode } in bound {
            let port = &mut self.list[usize::from(port.0)];
            let Some(attachment) = &mut port.attachment else { continue };
            attachment.bind(*queue, socket)?;
            let copies = match mode {
                af_xdp::Mode::ZeroCopy => "zero-copy",
                af_xdp::Mode::Copy => "copy",
            };
            port.mode = format!("{}/{copies}", attachment.hook());
        }
        Ok(())
    }

    /// Where the kernel would answer tunnel packets because nobody listens: on uplinks without XDP it sees them too.
    pub(super) fn exposed(&self) -> BTreeSet<EndpointKey> {
        let sees = |port: &PortState| port.role == Role::Uplink && port.attachment.is_none() && !port.gone;
        if !self.list.iter().any(sees) {
            return BTreeSet::new();
        }
        self.endpoint_keys().into_iter().collect()
    }

    /// The guests' numbers.
    pub(super) fn guests(&self) -> Vec<(OfPort, PortId)> {
        let guest = |(port, id): (&PortState, u16)| match port.role {
            Role::Guest(ofport) => Some((ofport, PortId(id))),
            Role::Uplink => None,
        };
        self.list.iter().zip(0..).filter_map(guest).collect()
    }
}

fn wishes(config: &Config) -> impl Iterator<Item = Wish<'_>> {
    let uplinks = config.uplinks.iter().map(|uplink| Wish {
        name: &uplink.device,
        device: &uplink.device,
        mode: uplink.mode,
        role: Role::Uplink,
    });
    let guests = config.ports.iter().map(|port| Wish {
        name: &port.name,
        device: &port.device,
        mode: port.mode,
        role: Role::Guest(port.ofport),
    });
    uplinks.chain(guests)
}

fn claim(wish: &Wish<'_>, device: &links::Device, keys: &[EndpointKey], workers: u32) -> Result<PortState> {
    if !device.ethernet {
        bail!("{} carries no Ethernet frames: it can be neither a port nor an uplink", device.name);
    }
    match (device.up, device.running) {
        (false, _) => {
            eprintln!("adit: {0} is down: no frames until it is up (ip link set dev {0} up)", device.name)
        }
        (true, false) => eprintln!("adit: {} has no carrier: no frames until it has", device.name),
        (true, true) => {}
    }
    let role = match wish.role {
        Role::Uplink => XdpRole::Uplink { endpoints: keys },
        Role::Guest(_) => XdpRole::Guest,
    };
    let attachment = match wish.mode {
        Mode::Packet => None,
        Mode::Auto if !has_xdp_sockets() => {
            eprintln!(
                "adit: {}: using AF_PACKET, which is slower: this kernel has no AF_XDP sockets",
                wish.device
            );
            None
        }
        Mode::Native => Some(Attachment::attach(wish.device, role, XdpMode::Native)?),
        Mode::Generic => Some(Attachment::attach(wish.device, role, XdpMode::Generic)?),
        Mode::Auto => match Attachment::attach(wish.device, role, XdpMode::Auto) {
            Ok(attachment) => Some(attachment),
            Err(error @ AttachError::Refused { .. }) => {
                eprintln!("adit: {}: using AF_PACKET, which is slower: {error}", wish.device);
                None
            }
            Err(error) => return Err(error.into()),
        },
    };
    if let Some(attachment) = &attachment
        && let (Hook::Generic, Some(why)) = (attachment.hook(), attachment.native_refused())
    {
        eprintln!("adit: {}: using generic XDP, which is slower: {why}", wish.device);
    }
    if attachment.as_ref().is_some_and(|attachment| attachment.hook() == Hook::Generic) && is_veth(device) {
        eprintln!(
            "adit: {}: generic XDP on a veth leaves segmentation offload on at its other end, and frames longer than \
             a buffer are lost (rx missed, frame_too_long): use another mode, or `ethtool -K DEVICE tso off gso off` at the other end",
            wish.device
        );
    }
    let segmenter = if attachment.is_none() { segment(device) } else { None };
    let queues = if attachment.is_some() { device.rx_queues.max(1) } else { 1 };
    if queues < workers || attachment.is_none() && workers > 1 {
        bail!(
            "{} workers were asked for ([worker] cores), and {} has {queues} receive queue(s): each worker needs one; \
             ask for fewer workers, or give the device more queues (ethtool -L {1} combined {0})",
            workers,
            wish.device
        );
    }
    Ok(PortState {
        name: wish.name.to_string(),
        device: wish.device.to_string(),
        ifindex: device.index,
        role: wish.role,
        queues,
        software: device.is_software(),
        mtu: device.mtu,
        longest: device.mtu,
        refused: None,
        mode: "packet".to_string(),
        attachment,
        segmenter,
        gone: false,
    })
}

/// Whether the kernel was built with `CONFIG_XDP_SOCKETS`. Every other error is for whoever opens one to tell.
fn has_xdp_sockets() -> bool {
    let made = Socket::new(Domain::from(libc::AF_XDP), Type::RAW, None);
    !made.is_err_and(|error| error.raw_os_error() == Some(libc::EAFNOSUPPORT))
}

fn is_veth(device: &links::Device) -> bool {
    device.kind.as_deref() == Some("veth")
}

/// Has the other end of a veth pair cut its packets up itself, for as long as what comes back lives.
///
/// A native XDP program here, whatever it does, takes segmentation offload from the other end, in whatever namespace that
/// is (`veth_fix_features` in drivers/net/veth.c). Without it TCP comes to an AF_PACKET socket in super-packets of up to
/// 64 KiB. This program has no sockets to hand frames to, so each goes on to the kernel, and to AF_PACKET there.
fn segment(device: &links::Device) -> Option<Attachment> {
    // A refusal leaves things as they are: frames that are too long are counted.
    is_veth(device).then(|| Attachment::attach(&device.name, XdpRole::Guest, XdpMode::Native).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uplink() -> PortState {
        PortState {
            name: "e".to_string(),
            device: "e".to_string(),
            ifindex: 1,
            role: Role::Uplink,
            queues: 1,
            software: false,
            mtu: 1500,
            longest: 1500,
            refused: None,
            attachment: None,
            segmenter: None,
            mode: "packet".to_string(),
            gone: false,
        }
    }

    #[test]
    fn an_mtu_that_was_refused_is_not_tried_again_until_it_is_another() {
        let mut ports =
            Ports { list: vec![uplink()], endpoints: Vec::new(), listening: Listening::default() };
        assert!(ports.set_mtu(0, 9000));
        ports.list[0].refuse_mtu(1500);
        assert!(!ports.set_mtu(0, 9000) && !ports.set_mtu(0, 9000));
        assert_eq!((ports.list[0].mtu, ports.list[0].longest), (9000, 1500));
        assert!(ports.set_mtu(0, 8000), "another");
        ports.list[0].refuse_mtu(1500);
        assert!(!ports.set_mtu(0, 1500), "there is room for that");
        assert!(ports.set_mtu(0, 8000), "it was another meanwhile");
    }
}
