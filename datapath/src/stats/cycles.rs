//! The processor's counter of cycles.
#![expect(unsafe_code, reason = "the counter is read by an instruction that Rust has no safe function for")]

/// What the counter shows now; None where there is none that we know how to read.
///
/// On x86-64 it is the time stamp counter, on AArch64 the virtual timer's (`CNTVCT_EL0`): both run at a rate of their own, whatever the
/// core's clock does. The processor does not wait for what stands before: a few dozen cycles may be counted on the other side
/// of a reading.
#[inline(always)]
pub fn now() -> Option<u64> {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        // SAFETY: every x86-64 processor has the instruction, it changes two registers that the compiler knows of, and Linux lets
        // processes use it unless they ask it not to (`PR_SET_TSC`), which nobody here does.
        Some(unsafe { std::arch::x86_64::_rdtsc() })
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        let shown: u64;
        // SAFETY: it reads a register that Linux opens to processes (`CNTKCTL_EL1`), and touches neither memory, stack nor flags.
        unsafe {
            std::arch::asm!("mrs {}, cntvct_el0", out(reg) shown, options(nomem, nostack, preserves_flags));
        }
        Some(shown)
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on() {
        let (first, second) = (now(), now());
        assert_eq!(first.is_some(), second.is_some());
        assert!(first <= second);
    }
}
