//! What can go wrong between us, the kernel and a device, and what to do about it.

use std::error::Error as StdError;
use std::io;

use aya::programs::ProgramError;
use ebpf::{ENDPOINTS_MAX, QUEUES_MAX};
use nix::errno::Errno;

use super::{Hook, Occupant};

/// Why a device has no program, or its program no socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is unknown here.
    #[error("{device}: no such device in this network namespace (`ip link` lists them)")]
    NoDevice {
        /// The device asked for.
        device: String,
    },

    /// The kernel lets only the privileged do this.
    #[error(
        "{device}: attaching an XDP program needs root, or the capabilities CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON"
    )]
    NotPermitted {
        /// The device asked for.
        device: String,
        /// What the kernel said.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// A device has room for one program, and somebody else's is there.
    #[error("{device}: another XDP program is attached{}", occupied(device, occupants))]
    Occupied {
        /// The device asked for.
        device: String,
        /// Whose program it is, as far as the kernel tells.
        occupants: Vec<Occupant>,
    },

    /// The driver does not take the program.
    #[error("{device}: {hook} XDP is refused: {}", refusal(*hook, *errno))]
    Refused {
        /// The device asked for.
        device: String,
        /// Where the program should have run.
        hook: Hook,
        /// What the kernel said, as a number.
        errno: Errno,
        /// What the kernel said, in full.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// The program is attached in a way that does not end with the process.
    #[error(
        "{device}: the kernel attached the XDP program without a BPF link, so it would outlive adit: \
         take it off with `ip link set dev {device} xdp off`; adit needs Linux 5.18 or later"
    )]
    NotALink {
        /// The device asked for.
        device: String,
    },

    /// The kernel does not take the program or its maps.
    #[error(
        "{device}: the kernel does not load the XDP program: adit needs Linux 5.18 or later, and CAP_PERFMON (for \
         headers of variable length) where it does not run as root"
    )]
    Load {
        /// The device asked for.
        device: String,
        /// What the kernel said, with the verifier's words.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// The object and this loader were not built from the same sources.
    #[error("the XDP object has no {missing} as this loader knows it: build it with scripts/build-ebpf")]
    Object {
        /// The program or map.
        missing: &'static str,
    },

    /// The queue has no place in the map of sockets.
    #[error(
        "{device}: queue {queue} is beyond the first {QUEUES_MAX}: `ethtool -L {device} combined N` makes it fewer"
    )]
    NoQueue {
        /// The device.
        device: String,
        /// The receive queue asked for.
        queue: u32,
    },

    /// Endpoints belong to uplinks.
    #[error("{device}: a guest's port has no tunnel endpoints")]
    NotAnUplink {
        /// The device.
        device: String,
    },

    /// The map of endpoints is too small.
    #[error(
        "{device}: {asked} tunnel endpoints, and there is room for {ENDPOINTS_MAX}: configure fewer addresses"
    )]
    TooManyEndpoints {
        /// The device.
        device: String,
        /// How many there would be.
        asked: usize,
    },

    /// The kernel does not take a change.
    #[error("{device}: cannot {asked}")]
    Map {
        /// The device.
        device: String,
        /// What was asked of the kernel.
        asked: &'static str,
        /// What it said.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// An error of loading.
    pub(super) fn load(device: &str, source: impl StdError + Send + Sync + 'static) -> Error {
        let (device, errno) = (device.to_owned(), errno(&source));
        let source = Box::new(source);
        match errno {
            Some(Errno::EPERM) => Error::NotPermitted { device, source },
            _ => Error::Load { device, source },
        }
    }

    /// An error of attaching.
    pub(super) fn attach(device: &str, ifindex: u32, hook: Hook, source: ProgramError) -> Error {
        let (device, errno) = (device.to_owned(), errno(&source).unwrap_or(Errno::UnknownErrno));
        let source = Box::new(source);
        match errno {
            Errno::EPERM => Error::NotPermitted { device, source },
            Errno::ENODEV => Error::NoDevice { device },
            Errno::EBUSY | Errno::EEXIST => {
                Error::Occupied { device, occupants: Occupant::on(ifindex).unwrap_or_default() }
            }
            _ => Error::Refused { device, hook, errno, source },
        }
    }
}

/// The kernel's error number at the bottom of an error.
fn errno(error: &(dyn StdError + 'static)) -> Option<Errno> {
    let mut errors = std::iter::successors(Some(error), |&error| error.source());
    let number = errors.find_map(|error| error.downcast_ref::<io::Error>()?.raw_os_error())?;
    Some(Errno::from_raw(number))
}

fn occupied(device: &str, occupants: &[Occupant]) -> String {
    let Some(first) = occupants.first() else {
        return format!(": `ip link show dev {device}` names it");
    };
    let option = match first.hook {
        Hook::Native => "xdp",
        Hook::Generic => "xdpgeneric",
    };
    format!(
        " ({first}): end the process that holds it (`bpftool link show`), or take it off with \
         `ip link set dev {device} {option} off`"
    )
}

fn refusal(hook: Hook, errno: Errno) -> String {
    let reason = match (hook, errno) {
        (_, Errno::ERANGE) => {
            "the MTU, here or at the other end of a veth pair, is too large for it: lower the MTU"
        }
        (Hook::Native, Errno::EOPNOTSUPP) => {
            "the driver has no XDP, or none with the device's MTU, LRO or queues"
        }
        (_, Errno::ENOMEM | Errno::ENOSPC) => {
            "the device has too few queues or too little memory left for it"
        }
        _ => "the driver does not want it (the kernel's log may say why)",
    };
    let way_out = match hook {
        Hook::Native => "; mode generic runs on every device",
        Hook::Generic => "",
    };
    format!("{reason}{way_out} ({errno})")
}
