//! Traffic to try a switch with: `adit gen` sends it, `adit sink` counts what has become of it.
//!
//! Every frame carries a [`Mark`](mark::Mark): which run, which stream, which number in the stream, and when it was sent. So
//! the sink knows what was lost, what came twice or late, and how long it took, whatever was put around the frame or taken
//! off on the way.
//!
//! ```text
//! mark      the bytes in the payload, both ways
//! amount    numbers as people write them: 1.5M, 198.18.0.0/16, 64..1500, imix
//! generate  what is sent, how fast, and by which way out: AF_XDP, or the kernel's live frames
//! sink      marks found in frames, streams counted, latency
//! ```
//!
//! A stream is a flow: its number decides the addresses, the ports and the tenant. Sequence numbers need no memory in the
//! generator, since all streams take turns: frame `n` is of stream `n % streams` and has the number `n / streams`.

mod amount;
pub mod generate;
pub mod mark;
pub mod sink;

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, in nanoseconds: the clock that programs in the kernel read, too.
#[inline]
fn now_ns() -> u64 {
    // The clock is always there.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
