//! AF_XDP sockets on `libc` alone.
//!
//! A [`Umem`] is one area of memory, cut into equal chunks. A [`Frame`] is the token of one chunk: whoever holds it
//! owns the bytes, and giving it to a socket or a pool gives the bytes away. A [`Socket`] passes frames to the kernel
//! and back, by four rings. Several sockets may work on one umem, and then a packet goes from one device to another by
//! moving its token.
//!
//! Nothing is allocated after the set-up, nothing locks, and no descriptor that the kernel hands back is believed
//! without a check that it lies in the area.
//!
//! # A frame
//! Frames work over ordinary memory, without any socket. A header is pushed in front without moving the packet:
//!
//! ```
//! use af_xdp::{Umem, UmemConfig};
//!
//! let umem = Umem::new(&UmemConfig { frames: 64, ..UmemConfig::default() })?;
//! let mut pool: Vec<_> = umem.take_frames().collect();
//!
//! let mut frame = pool.pop().expect("64 frames were asked for");
//! assert!(frame.copy_from(b"inner packet"));
//! frame.push(7).expect("256 bytes of headroom").copy_from_slice(b"outer, ");
//! assert_eq!(frame.bytes(), b"outer, inner packet");
//! pool.push(frame);
//! # Ok::<(), af_xdp::Error>(())
//! ```
//!
//! # A socket
//! This sends every packet back to where it came from. It takes an XDP program on the device that redirects to the
//! socket, and the right to open one (`CAP_NET_RAW`).
//!
//! ```no_run
//! use af_xdp::{Socket, SocketConfig, Umem, UmemConfig};
//!
//! # let (ifindex, queue) = (2, 0);
//! let umem = Umem::new(&UmemConfig::default())?;
//! let mut pool: Vec<_> = umem.take_frames().collect();
//! let mut socket = Socket::open(&umem, ifindex, queue, &SocketConfig::default())?;
//! let mut batch = Vec::with_capacity(64);
//! loop {
//!     socket.complete(|frame| pool.push(frame));
//!     socket.fill(|| pool.pop());
//!     socket.rx(64, |frame| batch.push(frame));
//!     for mut frame in batch.drain(..) {
//!         if let Some((to, from)) = frame.bytes_mut().split_at_mut_checked(6)
//!             && let Some(from) = from.get_mut(..6)
//!         {
//!             to.swap_with_slice(from);
//!         }
//!         if let Err(mut refused) = socket.tx(frame) {
//!             refused.reset();
//!             pool.push(refused);
//!         }
//!     }
//!     socket.wake()?;
//! }
//! # #[expect(unreachable_code, reason = "the loop has no end")]
//! # Ok::<(), af_xdp::Error>(())
//! ```

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
    BusyPoll, ChunkSize, KERNEL_HEADROOM, MAX_FRAGMENTS, Mode, ModeRequest, SocketConfig, TX_METADATA_LEN,
    TxChecksum, UmemConfig,
};
pub use error::{Error, Step};
pub use frame::Frame;
#[cfg(all(feature = "loopback", not(loom)))]
pub use socket::Loopback;
pub use socket::{Sent, Socket, Statistics};
pub use umem::{Pages, Umem};
