//! AF_XDP sockets on `libc` alone.
//!
//! A [`Umem`] is one area of memory, cut into equal chunks. A [`Frame`] is the token of one chunk: whoever holds it
//! owns the bytes, and giving it to a ring or a pool gives the bytes away. All of it works over ordinary memory, so a
//! program can move frames between ports of any kind.
//!
//! Nothing is allocated after the set-up, nothing locks, and no descriptor that the kernel hands back is believed
//! without a check that it lies in the area.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("AF_XDP exists on Linux only, and the layouts of this crate are those of 64-bit kernels");

mod config;
mod error;
#[expect(unsafe_code, reason = "a frame is a pointer into the area, with the rule who may follow it")]
mod frame;
#[expect(unsafe_code, reason = "the memory of a ring is shared with the kernel")]
mod ring;
#[expect(unsafe_code, reason = "the kernel gives frames back as addresses, which become tokens again")]
mod socket;
#[expect(unsafe_code, reason = "system calls and mappings")]
mod sys;
#[expect(unsafe_code, reason = "the area is mapped memory, and hands out the frames that point into it")]
mod umem;

pub use config::{
    BusyPoll, ChunkSize, KERNEL_HEADROOM, Mode, ModeRequest, SocketConfig, TX_METADATA_LEN, TxChecksum,
    UmemConfig,
};
pub use error::{Error, Step};
pub use frame::Frame;
pub use socket::{Sent, Socket, Statistics};
pub use umem::{Pages, Umem};
