//! Packets without end, from a core of their own, into whichever device is aimed at.

use anyhow::{Context, Result};
use benches::bpf::Maker;
use benches::place;
use control::lab::Netns;
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal};
use std::io;
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// A thread that makes packets. It must be [stopped](Generator::stop): it does not end by itself.
pub(crate) struct Generator<'s> {
    runner: Pthread,
    thread: ScopedJoinHandle<'s, Result<io::Result<()>>>,
}

impl<'s> Generator<'s> {
    /// Starts it in this namespace. Nothing is sent before `maker` is aimed.
    pub(crate) fn start<'e>(
        scope: &'s thread::Scope<'s, 'e>,
        netns: &'e Netns,
        maker: &'e Maker,
        packet: &'e [u8],
    ) -> Result<Generator<'s>> {
        interrupt_only()?;
        let (started, waiting) = mpsc::channel();
        let thread = scope.spawn(move || {
            netns.run(move || {
                place::take(place::GENERATOR);
                let _ = started.send(pthread_self());
                maker.run(packet)
            })
        });
        Ok(Generator { runner: waiting.recv().context("the generator does not start")?, thread })
    }

    /// Ends it. An error if it had ended before, with the reason.
    pub(crate) fn stop(self) -> Result<()> {
        while !self.thread.is_finished() {
            pthread_kill(self.runner, Signal::SIGUSR1)?;
            thread::sleep(Duration::from_millis(20));
        }
        let ran = self.thread.join().map_err(|_| anyhow::anyhow!("the generator panicked"))?;
        ran?.context("the kernel runs no XDP program over live frames (it takes Linux 5.18)")
    }
}

/// From now on this signal interrupts a system call and does nothing else.
#[expect(unsafe_code, reason = "a signal handler is set")]
fn interrupt_only() -> nix::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, so it does nothing that a handler must not do.
    unsafe { nix::sys::signal::sigaction(Signal::SIGUSR1, &action) }.map(drop)
}
