//! What the tests stand on: a network namespace of their own, veth pairs in it, a raw socket at the far end and a small
//! XDP program at the near one.

pub(crate) mod bpf;
pub(crate) mod namespace;
pub(crate) mod wire;

/// Whether the test can run; says so where it cannot, and fails instead when nothing may be skipped.
pub(crate) fn root_or_skip(what_for: &str) -> bool {
    #[expect(unsafe_code, reason = "geteuid is a plain system call")]
    // SAFETY: takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        assert!(
            std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(),
            "needs root ({what_for}), and nothing may be skipped"
        );
        eprintln!("skipped: needs root ({what_for})");
    }
    root
}
