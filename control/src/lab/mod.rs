//! A network to try a switch in: namespaces, links and addresses by netlink, pings, captures and TCP by sockets.
//!
//! Nothing here calls `ip`, `ping` or `tcpdump`: a fresh machine may lack them. Nothing has a name that could outlive
//! the process: a [`Netns`] is held by a file descriptor alone, so the kernel takes it away, with every link, address
//! and XDP program in it, when the process ends, however it ends. Processes started in it ([`Process`]) are killed
//! by the kernel when their parent goes. What must be a file lives in a [`Scratch`] folder that proves whose it is.
//!
//! The demo, the tests and the benches build on it. It needs root, and never touches the namespace it was started in.

mod capture;
mod link;
mod netns;
mod ping;
mod process;
mod scratch;
mod stop;
mod tcp;

pub use capture::{Capture, Caught, Seen};
pub use link::{End, Mac, Vxlan, link_local, veth};
pub use netns::Netns;
pub use ping::{Ping, Pong, checksum};
pub use process::Process;
pub use scratch::Scratch;
pub use stop::{Interrupted, Stop};
pub use tcp::{Flow, Peer, Transfer};
