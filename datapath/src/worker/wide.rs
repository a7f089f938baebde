//! A turn, compiled twice: for any processor, and for those that have what x86-64-v3 has beside (wider words, loads that turn the bytes of a
//! number round, multiplications that leave the flags alone). The source is the same, so what they do is; which one is asked of the
//! processor, once a turn. [`Worker::step`] is of the first kind everywhere, and `tests/laws.rs` holds the two against each other.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "code for some processors is called where it was asked whether this is one"
    )
)]

use super::Worker;

#[inline(always)]
pub(super) fn turn(worker: &mut Worker<'_>, now_ns: u64) -> usize {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("movbe")
    {
        // SAFETY: the processor has said that it has all of this.
        return unsafe { turn_v3(worker, now_ns) };
    }
    worker.all_ports(now_ns)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,movbe")]
fn turn_v3(worker: &mut Worker<'_>, now_ns: u64) -> usize {
    worker.all_ports(now_ns)
}
