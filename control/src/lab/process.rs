//! A process inside a namespace that cannot outlive us: the kernel kills it when we go, however we go.
//!
//! PR_SET_PDEATHSIG (prctl(2)) is about the parent *thread*, so a thread of its own starts the process and stays until
//! it is over. The process leads its own process group: a Ctrl-C in the terminal reaches us, and we end it in order.
//! What it writes to standard error is read all the time; the last lines are kept for messages.
#![expect(unsafe_code, reason = "std cannot ask for a signal at the parent's death between fork and exec")]

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getpid, getppid};

use super::{Netns, Stop};

/// How many of the last lines of standard error are kept.
const LINES: usize = 40;

/// How long a process may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running process. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Its end releases the thread that started the process.
    _keeper: Sender<()>,
}

impl Process {
    /// Starts `command` inside `netns`. Standard input is empty and standard error is read by us; standard output
    /// is as the command says.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(netns: &Netns, name: &str, mut command: Command) -> Result<Process> {
        command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let program = command.get_program().display().to_string();
        let mut child = start(netns, command).with_context(|| format!("{name}: cannot start {program}"))?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.0.stderr.take() {
            let lines = Arc::clone(&lines);
            thread::spawn(move || listen(stderr, &lines));
        }
        Ok(Process { name: name.to_owned(), child: child.0, lines, _keeper: child.1 })
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it writes a line that begins with `start` to standard error.
    ///
    /// # Errors
    /// When it ends instead, or stays silent longer than `patience`: with the last lines it wrote.
    pub fn wait_for_line(&mut self, start: &str, patience: Duration, stop: &Stop) -> Result<String> {
        let end = Instant::now() + patience;
        loop {
            let over = self.child.try_wait()?;
            if over.is_some() {
                // What it wrote last may still be on its way to us.
                stop.sleep(Duration::from_millis(50))?;
            }
            if let Some(line) = self.lines().iter().find(|line| line.starts_with(start)) {
                return Ok(line.clone());
            }
            if let Some(status) = over {
                bail!("{}: ended with {status} before it was ready\n{}", self.name, self.last_lines());
            }
            if Instant::now() > end {
                bail!("{}: no line \"{start}\" within {patience:?}\n{}", self.name, self.last_lines());
            }
            stop.sleep(Duration::from_millis(5))?;
        }
    }

    /// Waits until it is over.
    ///
    /// # Errors
    /// When it takes longer than `patience`, or the work was stopped.
    pub fn wait(&mut self, patience: Duration, stop: &Stop) -> Result<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("{}: not done within {patience:?}\n{}", self.name, self.last_lines());
            }
            stop.sleep(Duration::from_millis(5))?;
        }
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Asks it to end (SIGTERM), and waits.
    ///
    /// # Errors
    /// When it has to be killed, because it did not end in time.
    pub fn end(mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill(self.pid(), Signal::SIGTERM)?;
        self.wait(PATIENCE, &Stop::default())
    }

    /// Kills it (SIGKILL): no destructor of it runs.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// The last lines it wrote to standard error.
    #[must_use]
    pub fn last_lines(&self) -> String {
        self.lines().iter().map(|line| format!("  | {line}\n")).collect()
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // A process that is gone, or cannot be waited for, has nothing left to be ended.
        let _ = kill(self.pid(), Signal::SIGTERM);
        if self.wait(PATIENCE, &Stop::default()).is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Starts it from a thread that lives as long as the sender that comes back.
fn start(netns: &Netns, mut command: Command) -> Result<(Child, Sender<()>)> {
    die_with_parent(&mut command);
    let (keeper, over) = channel::<()>();
    let (report, started) = channel();
    let inside = netns.try_clone()?;
    thread::spawn(move || {
        let child = inside.enter().and_then(|()| Ok(command.spawn()?));
        let alive = child.is_ok();
        let heard = report.send(child).is_ok();
        if alive && heard {
            let _ = over.recv();
        }
    });
    let child = started.recv().context("the thread that starts it is gone")??;
    Ok((child, keeper))
}

fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    let ask = move || {
        // We may block signals to read them in peace (`Stop`); a child that inherits that could not be asked to end.
        SigSet::empty().thread_set_mask()?;
        set_pdeathsig(Signal::SIGKILL)?;
        if getppid() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed (fork(2)): `ask` makes bare system calls
    // and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

fn listen(stderr: ChildStderr, lines: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).lines().map_while(io::Result::ok) {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}
