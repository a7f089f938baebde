//! What routers of the underlay say about packets of ours that they could not pass on: the MTU of the path, learned.
//!
//! The kernel learns it for packets of its own sockets only (`net/ipv4/udp.c`, `__udp4_lib_err`: without a socket that the quoted
//! packet belongs to, nothing is done), and tunnel packets are of none. So control listens itself. What it learns becomes the MTU
//! of the way, and by that what guests are told and where packets are cut.
//!
//! ```text
//! listen   raw sockets: bytes in
//! report   bytes -> what was said of which packet; no socket, no clock
//! sent     which tunnels were sent into of late
//! learned  what is believed, and for how long
//! ```

mod learned;
mod listen;
mod report;
mod sent;

pub use learned::{Known, Learned, Lesson};
pub use listen::Listener;
pub use report::{Carried, Report};
pub use sent::Sent;
