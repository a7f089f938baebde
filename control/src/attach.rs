//! The XDP program on a device: loaded, attached, fed with sockets and endpoints, and gone when we are.
//!
//! An [`Attachment`] is a program of its own with maps of its own for one device. It hangs on a BPF link, a descriptor of
//! this process: dropping the attachment, or the death of the process by whatever means, takes the program off the
//! device. It never replaces a program of somebody else.
//!
//! All that concerns the device happens in the network namespace of the calling thread; the attachment itself can then
//! be used from everywhere.

mod error;
mod occupant;

pub use ebpf::EndpointKey;
pub use error::Error;
pub use occupant::Occupant;

use std::collections::HashSet;
use std::fmt;
use std::os::fd::AsFd;

use aya::maps::{HashMap, MapData, MapError, PerCpuArray, XskMap};
use aya::programs::links::FdLink;
use aya::programs::{ProgramError, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use ebpf::{ENDPOINT_KEY_LEN, ENDPOINTS, ENDPOINTS_MAX, GUEST, QUEUES_MAX, UPLINK, VERDICTS, Verdict, XSKS};
use nix::net::if_::if_nametoindex;

/// What the device is to us, and so what the program claims.
#[derive(Clone, Copy, Debug)]
pub enum Role<'a> {
    /// It carries tunnels and belongs to the host: tunnel packets to these endpoints are ours, all else the kernel's.
    Uplink {
        /// Where tunnels end here.
        endpoints: &'a [EndpointKey],
    },
    /// A guest is at its other end: every frame is ours.
    Guest,
}

/// Where the program shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// [`Hook::Native`] if the driver can, else [`Hook::Generic`].
    #[default]
    Auto,
    /// [`Hook::Native`] or not at all.
    Native,
    /// [`Hook::Generic`], even if the driver could do better.
    Generic,
}

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// In the driver, before the kernel makes a packet of the frame: fast.
    Native,
    /// In the network stack, on a packet already made: on every device, and slower.
    Generic,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hook::Native => "native",
            Hook::Generic => "generic",
        })
    }
}

/// What the program did with the frames so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Ours, and handed to a socket.
    pub claimed: u64,
    /// Ours, but there was no socket on the receive queue: the kernel got them.
    pub unbound: u64,
    /// Not ours: the kernel got them.
    pub passed: u64,
}

/// The XDP program on one device. Dropping it takes the program off.
pub struct Attachment {
    device: String,
    ifindex: u32,
    hook: Hook,
    native_refused: Option<Error>,
    endpoints: Option<HashSet<EndpointKey>>,
    // The link goes first: a program without its maps' owner would claim for nobody.
    _link: FdLink,
    xsk_map: XskMap<MapData>,
    endpoint_map: HashMap<MapData, [u8; ENDPOINT_KEY_LEN], u8>,
    verdict_map: PerCpuArray<MapData, u64>,
}

impl Attachment {
    /// Loads the program for `role` and attaches it to `device`. Frames go to the kernel until a socket is bound.
    ///
    /// # Errors
    /// When there is no such device, no permission, a program of somebody else, or a driver that refuses: each says
    /// what to do about it.
    pub fn attach(device: &str, role: Role<'_>, mode: Mode) -> Result<Attachment, Error> {
        let ifindex = if_nametoindex(device).map_err(|_| Error::NoDevice { device: device.into() })?;
        let mut ebpf = load(device, role)?;
        let xdp = program(&mut ebpf, role)?;
        xdp.load().map_err(|source| Error::load(device, source))?;
        let (link, hook, native_refused) = attach(xdp, device, ifindex, mode)?;
        let mut attachment = Attachment {
            device: device.into(),
            ifindex,
            hook,
            native_refused,
            endpoints: matches!(role, Role::Uplink { .. }).then(HashSet::new),
            _link: link,
            xsk_map: map(&mut ebpf, XSKS)?,
            endpoint_map: map(&mut ebpf, ENDPOINTS)?,
            verdict_map: map(&mut ebpf, VERDICTS)?,
        };
        if let Role::Uplink { endpoints } = role {
            attachment.set_endpoints(endpoints)?;
        }
        Ok(attachment)
    }

    /// Gives the frames that are ours on `queue` to an AF_XDP socket. The socket must be bound to this device and queue
    /// already: the kernel drops what it would have to give to another.
    ///
    /// # Errors
    /// When the queue is beyond [`QUEUES_MAX`], or the descriptor is no AF_XDP socket.
    pub fn bind(&mut self, queue: u32, socket: impl AsFd) -> Result<(), Error> {
        if queue >= QUEUES_MAX {
            return Err(Error::NoQueue { device: self.device.clone(), queue });
        }
        let socket = socket.as_fd();
        self.xsk_map.set(queue, socket, 0).map_err(|source| self.map_error("bind a socket", source))
    }

    /// Gives the frames on `queue` back to the kernel. Closing the socket does the same.
    ///
    /// # Errors
    /// When the queue is beyond [`QUEUES_MAX`].
    pub fn unbind(&mut self, queue: u32) -> Result<(), Error> {
        self.xsk_map.unset(queue).map_err(|source| self.map_error("unbind a socket", source))
    }

    /// From now on tunnels end at these endpoints and no others. Endpoints that stay are ours all the while.
    ///
    /// # Errors
    /// When this is not an uplink, or the endpoints are more than [`ENDPOINTS_MAX`].
    pub fn set_endpoints(&mut self, endpoints: &[EndpointKey]) -> Result<(), Error> {
        let Some(present) = &self.endpoints else {
            return Err(Error::NotAnUplink { device: self.device.clone() });
        };
        let wanted: HashSet<EndpointKey> = endpoints.iter().copied().collect();
        if wanted.len() > ENDPOINTS_MAX as usize {
            return Err(Error::TooManyEndpoints { device: self.device.clone(), asked: wanted.len() });
        }
        for gone in present.difference(&wanted) {
            match self.endpoint_map.remove(&gone.to_bytes()) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(source) => return Err(self.map_error("remove an endpoint", source)),
            }
        }
        for endpoint in &wanted {
            let inserted = self.endpoint_map.insert(endpoint.to_bytes(), 1, 0);
            inserted.map_err(|source| self.map_error("add an endpoint", source))?;
        }
        self.endpoints = Some(wanted);
        Ok(())
    }

    /// The counters, summed over the CPUs.
    ///
    /// # Errors
    /// When the kernel does not let us read them.
    pub fn verdicts(&self) -> Result<Verdicts, Error> {
        let count = |verdict: Verdict| {
            let cpus = self.verdict_map.get(&(verdict as u32), 0);
            let cpus = cpus.map_err(|source| self.map_error("read the counters", source))?;
            Ok::<u64, Error>(cpus.iter().sum())
        };
        Ok(Verdicts {
            claimed: count(Verdict::Claimed)?,
            unbound: count(Verdict::Unbound)?,
            passed: count(Verdict::Passed)?,
        })
    }

    /// The device's name when it was attached to.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The device's number in its network namespace: what an AF_XDP socket is opened with.
    #[must_use]
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Where the program runs.
    #[must_use]
    pub fn hook(&self) -> Hook {
        self.hook
    }

    /// Why [`Mode::Auto`] had to take [`Hook::Generic`].
    #[must_use]
    pub fn native_refused(&self) -> Option<&Error> {
        self.native_refused.as_ref()
    }

    fn map_error(&self, asked: &'static str, source: MapError) -> Error {
        Error::Map { device: self.device.clone(), asked, source: source.into() }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("device", &self.device)
            .field("ifindex", &self.ifindex)
            .field("hook", &self.hook)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

/// The object in the kernel's hands, except for the programs: maps are made here.
fn load(device: &str, role: Role<'_>) -> Result<Ebpf, Error> {
    let mut loader = EbpfLoader::new();
    if matches!(role, Role::Guest) {
        loader.map_max_entries(ENDPOINTS, 1);
    }
    loader.load(ebpf::OBJECT).map_err(|source| Error::load(device, source))
}

fn program<'a>(ebpf: &'a mut Ebpf, role: Role<'_>) -> Result<&'a mut Xdp, Error> {
    let name = match role {
        Role::Uplink { .. } => UPLINK,
        Role::Guest => GUEST,
    };
    let program = ebpf.program_mut(name).ok_or(Error::Object { missing: name })?;
    program.try_into().map_err(|_: ProgramError| Error::Object { missing: name })
}

fn map<T: TryFrom<aya::maps::Map>>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, Error> {
    let map = ebpf.take_map(name).ok_or(Error::Object { missing: name })?;
    T::try_from(map).map_err(|_| Error::Object { missing: name })
}

/// The ladder: native, then generic. A refusal by the driver is a rung; every other error is the end.
fn attach(
    xdp: &mut Xdp,
    device: &str,
    ifindex: u32,
    mode: Mode,
) -> Result<(FdLink, Hook, Option<Error>), Error> {
    let mut on = |hook| attach_to_hook(xdp, device, ifindex, hook);
    match mode {
        Mode::Native => Ok((on(Hook::Native)?, Hook::Native, None)),
        Mode::Generic => Ok((on(Hook::Generic)?, Hook::Generic, None)),
        Mode::Auto => match on(Hook::Native) {
            Ok(link) => Ok((link, Hook::Native, None)),
            Err(refused @ Error::Refused { .. }) => Ok((on(Hook::Generic)?, Hook::Generic, Some(refused))),
            Err(error) => Err(error),
        },
    }
}

fn attach_to_hook(xdp: &mut Xdp, device: &str, ifindex: u32, hook: Hook) -> Result<FdLink, Error> {
    let mode = match hook {
        Hook::Native => XdpMode::Driver,
        Hook::Generic => XdpMode::Skb,
    };
    let link = xdp
        .attach_to_if_index(ifindex, mode)
        .and_then(|id| xdp.take_link(id))
        .map_err(|source| Error::attach(device, ifindex, hook, source))?;
    // aya tries netlink when the kernel finds a link invalid; a program attached so would outlive us.
    FdLink::try_from(link).map_err(|_| Error::NotALink { device: device.into() })
}
