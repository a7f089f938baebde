//! How long calls into the kernel take, without a line in what is measured: a `sendto` of this program stands in front
//! of the C library's, makes the system call itself and looks at the clock before and after.
//!
//! It is the one call that a switch over veth makes for its packets: in copy mode the kernel sends when it is called, and
//! never asks to be woken for receiving. Looking at the clock takes about 20 ns twice a call, a call carries 32 packets.
#![expect(
    unsafe_code,
    reason = "a symbol of the C library is replaced, and a system call made with its arguments"
)]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::time::Instant;

/// The calls of one thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    /// How many.
    pub(crate) count: u64,
    /// How long they took, in nanoseconds.
    pub(crate) ns: u64,
}

thread_local! {
    static MADE: Cell<Calls> = const { Cell::new(Calls { count: 0, ns: 0 }) };
}

/// The calls that this thread has made so far.
pub(crate) fn made() -> Calls {
    MADE.get()
}

/// `sendto(2)`, with a clock on either side.
///
/// # Safety
/// As for the C library's: the buffer and the address are readable for their lengths.
// SAFETY: no other object of this program defines the name, and the signature is that of POSIX.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendto(
    socket: c_int,
    buffer: *const c_void,
    len: libc::size_t,
    flags: c_int,
    address: *const libc::sockaddr,
    address_len: libc::socklen_t,
) -> libc::ssize_t {
    let start = Instant::now();
    // SAFETY: the arguments are the caller's, who promises what the system call wants.
    let sent = unsafe { libc::syscall(libc::SYS_sendto, socket, buffer, len, flags, address, address_len) };
    let ns = start.elapsed().as_nanos() as u64;
    MADE.set(Calls { count: MADE.get().count + 1, ns: MADE.get().ns + ns });
    sent as libc::ssize_t
}
