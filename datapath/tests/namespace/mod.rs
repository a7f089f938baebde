//! Network namespaces that belong to a thread: they have no name, so they end with it, however it ends.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(unsafe_code, reason = "nix makes no address of an AF_PACKET socket")]

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// True, and says so, when the test cannot run. Where skipping is not allowed, it fails instead.
pub(crate) fn lacks_root(what_for: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return false;
    }
    assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root ({what_for})");
    eprintln!("skipped: needs root ({what_for})");
    true
}

/// Runs `test` in a fresh network namespace.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let outcome = thread::spawn(move || {
        enter();
        test();
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn enter() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
    // Else the kernel's own neighbour discovery gets between the packets of the test.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

/// `ip`, in the namespace of this thread.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

type Job = Box<dyn FnOnce() + Send>;

/// A namespace with one end of a cable, and the thread that lives in it.
pub(crate) struct Guest {
    /// The index of the other end, in the namespace that the guest was made from.
    pub(crate) outside: u32,
    inside: String,
    jobs: Sender<Job>,
}

impl Guest {
    /// Lays a cable from `outside` here to `inside` there, where it has this address.
    pub(crate) fn new(outside: &str, inside: &str, address: &str, mtu: u32) -> Guest {
        let (jobs, work): (Sender<Job>, Receiver<Job>) = channel();
        let (ready, thread) = channel();
        thread::spawn(move || {
            enter();
            ready.send(nix::unistd::gettid()).expect("somebody waits");
            work.iter().for_each(|job| job());
        });
        let thread = thread.recv().expect("the thread lives");
        ip(&format!("link add {outside} mtu {mtu} type veth peer name {inside} mtu {mtu} netns {thread}"));
        ip(&format!("link set {outside} up"));
        let index = nix::net::if_::if_nametoindex(outside).expect("the device exists");
        let mut guest = Guest { outside: index, inside: inside.to_owned(), jobs };
        let (inside, address) = (inside.to_owned(), address.to_owned());
        guest.run(move || {
            ip(&format!("address add {address} dev {inside}"));
            ip(&format!("link set {inside} up"));
        });
        guest
    }

    /// Runs `job` in the guest and waits for its end.
    pub(crate) fn run<T: Send + 'static>(&mut self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.start(job).recv().expect("it did not panic")
    }

    /// Runs `job` in the guest, meanwhile.
    pub(crate) fn start<T: Send + 'static>(
        &mut self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Receiver<T> {
        let (done, result) = channel();
        let job = move || drop(done.send(job()));
        self.jobs.send(Box::new(job)).expect("the thread lives");
        result
    }

    /// Tells the guest's stack of a neighbour, which nobody would answer for.
    pub(crate) fn neighbour(&mut self, address: &str) {
        let command = format!("neigh add {address} lladdr 02:00:00:00:00:02 dev {}", self.inside);
        self.run(move || ip(&command));
    }
}

/// A socket that sends and receives frames as they are, but for a tag, which the kernel takes out.
pub(crate) struct RawSocket(File);

impl RawSocket {
    /// On this device of the namespace of the calling thread.
    pub(crate) fn open(device: &str) -> RawSocket {
        let index = nix::net::if_::if_nametoindex(device).expect("the device exists");
        let fd =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).expect("AF_PACKET");
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
            sll_ifindex: index as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let len = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the kernel reads `len` bytes of `address`, which lives through the call.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) };
        assert_eq!(bound, 0, "bound");
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(2)).expect("a timeout");
        RawSocket(File::from(fd))
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        assert_eq!((&self.0).write(frame).expect("sent"), frame.len());
    }

    /// The next frame, if one comes soon.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 65536];
        let len = (&self.0).read(&mut frame).ok()?;
        frame.truncate(len);
        Some(frame)
    }
}
