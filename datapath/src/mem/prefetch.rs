//! The prefetch hint.
#![expect(
    unsafe_code,
    reason = "the intrinsic takes a raw pointer; it reads nothing that the program can see"
)]

/// Asks the processor to bring the cache line of `value` near.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no architectural effect, whatever the address; a reference is always a mapped one.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
            std::ptr::from_ref(value).cast(),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
