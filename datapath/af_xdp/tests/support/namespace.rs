//! A network namespace that belongs to one thread. It has no name, so it ends with the thread, however that ends.

use std::ffi::CString;
use std::process::Command;
use std::{fs, io, panic, thread};

/// Runs `test` in a fresh network namespace.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let outcome = thread::spawn(move || {
        unshare().expect("a network namespace");
        // Else the kernel's own neighbour discovery gets between the packets of the test.
        let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        let _ = fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
        test();
    })
    .join();
    if let Err(panic) = outcome {
        panic::resume_unwind(panic);
    }
}

/// Two ends of a cable, with one queue each, both up. Their addresses are `02:00:00:00:00:01` and `...:02`.
pub(crate) fn veth(near: &str, far: &str, mtu: u32) -> (u32, u32) {
    let mtu = &mtu.to_string();
    ip(&[
        "link",
        "add",
        near,
        "address",
        "02:00:00:00:00:01",
        "mtu",
        mtu,
        "numtxqueues",
        "1",
        "numrxqueues",
        "1",
        "type",
        "veth",
        "peer",
        "name",
        far,
        "address",
        "02:00:00:00:00:02",
        "mtu",
        mtu,
        "numtxqueues",
        "1",
        "numrxqueues",
        "1",
    ]);
    ip(&["link", "set", near, "up"]);
    ip(&["link", "set", far, "up"]);
    (index_of(near), index_of(far))
}

/// `ip`, in the namespace of this thread.
pub(crate) fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn index_of(name: &str) -> u32 {
    let name = CString::new(name).unwrap();
    // SAFETY: the name ends with a zero.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    assert_ne!(index, 0, "{name:?} exists");
    index
}

fn unshare() -> io::Result<()> {
    // SAFETY: takes no memory; a new namespace affects this thread alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
