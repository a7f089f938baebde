//! What can go wrong while setting up: what was asked, what was found, what to do.

use std::fmt;
use std::io;

/// Why a umem or a socket could not be set up or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work; the text says why and what would.
    Config(&'static str),
    /// The area could not be mapped.
    Memory {
        /// How many bytes were asked for.
        bytes: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// A socket could not be opened.
    Open {
        /// The step that failed.
        step: Step,
        /// The name of the device.
        device: String,
        /// The queue of the device.
        queue: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel could not be asked to send. The packets stay queued; a later call may succeed, after the device has
    /// come up again for example.
    Send(io::Error),
    /// The statistics could not be read.
    Statistics(io::Error),
}

/// A step of opening a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Making the socket.
    Create,
    /// Registering the area with the kernel.
    Register,
    /// Sizing and mapping the rings.
    Rings,
    /// Setting up busy polling.
    BusyPoll,
    /// Setting the budget of a send call.
    TxBudget,
    /// Binding to the queue, zero-copy.
    BindZeroCopy,
    /// Binding to the queue, copying.
    BindCopy,
    /// Binding to the queue with the memory of another socket.
    BindShared,
}

impl Step {
    /// What the step was about to do, in words that go before "queue 0 of eth1".
    fn doing(self) -> &'static str {
        match self {
            Self::Create => "making an AF_XDP socket for",
            Self::Register => "registering the umem for",
            Self::Rings => "making the rings for",
            Self::BusyPoll => "setting up busy polling on",
            Self::TxBudget => "setting the send budget on",
            Self::BindZeroCopy => "binding in zero-copy mode to",
            Self::BindCopy => "binding in copy mode to",
            Self::BindShared => "binding with a shared umem to",
        }
    }

    /// What to do about it.
    fn advice(self, errno: Option<i32>) -> &'static str {
        match (self, errno.unwrap_or(0)) {
            (_, libc::EPERM) => "run with CAP_NET_RAW, and CAP_NET_ADMIN for busy polling",
            (Self::Create, libc::EAFNOSUPPORT) => "use a kernel with CONFIG_XDP_SOCKETS",
            (Self::Register, libc::ENOBUFS) => {
                "raise the limit of locked memory (ulimit -l), or add CAP_IPC_LOCK"
            }
            (Self::Register, libc::EINVAL) => "the kernel may be too old for TX metadata (Linux 6.11)",
            (Self::TxBudget, libc::ENOPROTOOPT) => "leave tx_budget out: the kernel is older than 6.17",
            (_, libc::ENODEV) => "there is no such device in this network namespace",
            (_, libc::EBUSY) => {
                "another socket is bound to the queue: stop its program, or choose another queue"
            }
            (Self::BindZeroCopy, libc::EOPNOTSUPP) => {
                "the driver cannot do it: ask for automatic or copy mode"
            }
            (Self::BindZeroCopy | Self::BindCopy, libc::EINVAL) => {
                "the device may not have this queue, or the kernel be too old for multi_buffer (Linux 6.6)"
            }
            (Self::BindShared, libc::EINVAL) => {
                "the device may not have this queue, or a socket of the same umem have it; open that queue once"
            }
            (Self::BindShared, libc::EOPNOTSUPP) => {
                "the device cannot do the mode of the first socket: open a socket of its own on the same umem"
            }
            (Self::BindShared, libc::EBADF) => "the socket to share with is no longer bound",
            _ => "see the driver's messages in the kernel log",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => f.write_str(what),
            Self::Memory { bytes, source } => {
                write!(f, "mapping {bytes} bytes for the umem: {source}; ask for fewer frames or free memory")
            }
            Self::Open { step, device, queue, source } => {
                let (doing, advice) = (step.doing(), step.advice(source.raw_os_error()));
                write!(f, "{doing} queue {queue} of {device}: {source}; {advice}")
            }
            Self::Send(source) => write!(f, "asking the kernel to send: {source}; the packets stay queued"),
            Self::Statistics(source) => write!(f, "reading the statistics of the socket: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Memory { source, .. }
            | Self::Open { source, .. }
            | Self::Send(source)
            | Self::Statistics(source) => Some(source),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_was_asked_what_was_found_and_what_to_do() {
        let error = Error::Open {
            step: Step::BindZeroCopy,
            device: "eth1".into(),
            queue: 3,
            source: io::Error::from_raw_os_error(libc::EOPNOTSUPP),
        };
        let text = error.to_string();
        assert!(text.starts_with("binding in zero-copy mode to queue 3 of eth1: "), "{text}");
        assert!(text.ends_with("; the driver cannot do it: ask for automatic or copy mode"), "{text}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
