//! A network namespace without a name: it lives as long as somebody holds its descriptor, and not a moment longer.
//!
//! No thread of the caller ever changes its namespace: [`Netns::run`] does the work in a thread of its own that enters,
//! works and ends. A socket made there belongs to the namespace for life, wherever it is used afterwards.
//!
//! To look inside while the process runs: `nsenter --net=/proc/PID/fd/FD ip addr`, as [`Netns::enter_command`] says it.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic;
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns, unshare};

/// One network namespace, held by its descriptor.
#[derive(Debug)]
pub struct Netns {
    name: String,
    file: File,
}

impl Netns {
    /// Makes an empty namespace with its loopback up. The name is for messages only; the kernel does not know it.
    ///
    /// # Errors
    /// When the process may not make namespaces (it needs `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`).
    pub fn new(name: &str) -> Result<Netns> {
        let made = thread::scope(|scope| joined(scope.spawn(make)));
        let file =
            made.with_context(|| format!("{name}: cannot make a network namespace (it needs root)"))?;
        let netns = Netns { name: name.to_owned(), file };
        netns.up("lo")?;
        Ok(netns)
    }

    /// The name that messages use.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does `work` inside the namespace and returns what it returned; a panic in it goes on in the caller.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            joined(scope.spawn(|| {
                self.enter()?;
                Ok(work())
            }))
        })
    }

    /// A second hold on the same namespace.
    pub(super) fn try_clone(&self) -> Result<Netns> {
        Ok(Netns { name: self.name.clone(), file: self.file.try_clone()? })
    }

    /// Moves the calling thread into the namespace, for good: for threads that exist only to work in it.
    pub(super) fn enter(&self) -> Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).with_context(|| format!("{}: cannot enter", self.name))
    }

    /// Sets a kernel parameter of this namespace, named by its path below `/proc/sys` (`net/ipv6/conf/eth0/accept_dad`).
    ///
    /// # Errors
    /// When the parameter does not exist or may not be written (containers often mount it read-only).
    pub fn sysctl(&self, path: &str, value: &str) -> Result<()> {
        let written = self.run(|| fs::write(format!("/proc/sys/{path}"), value))?;
        written.with_context(|| format!("{}: cannot set {path} to {value}", self.name))
    }

    /// The command with which a person can look inside, as long as this process lives.
    #[must_use]
    pub fn enter_command(&self) -> String {
        format!("nsenter --net=/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn make() -> Result<File> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    Ok(File::open("/proc/thread-self/ns/net")?)
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}
