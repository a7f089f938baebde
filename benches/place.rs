//! Where a measurement runs: on a core of its own, before others.
#![expect(unsafe_code, reason = "sched_setscheduler(2), which no safe crate in use wraps")]

use core_affinity::CoreId;
use std::io;

/// The core of whoever makes the packets.
pub const GENERATOR: usize = 0;
/// The core of whoever is measured.
pub const MEASURED: usize = 1;

/// Binds the calling thread to a core and puts it before everybody of ordinary priority (`SCHED_FIFO`; a nice value
/// counts only within a session where the kernel groups tasks by session). Says so when it cannot.
///
/// The kernel leaves a twentieth of the core to the others all the same, in one piece.
pub fn take(core: usize) {
    if !core_affinity::set_for_current(CoreId { id: core }) {
        eprintln!("cannot be bound to core {core}: the figures will be less steady");
    }
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is borrowed; zero is the calling thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first) } != 0 {
        eprintln!("not put before others ({}): the figures will be less steady", io::Error::last_os_error());
    }
}
