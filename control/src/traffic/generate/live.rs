//! Out by the kernel's live frames: an XDP program (`ebpf/src/generate.rs`) is run by the kernel's test facility over buffer
//! after buffer, and what it redirects really leaves (`BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18,
//! <https://docs.kernel.org/bpf/bpf_prog_run.html>). Several times as fast as a socket, on devices whose drivers send
//! redirected frames.
//!
//! One call runs for as long as the traffic lasts, since each takes the kernel some 20 ms to set up and take down; a
//! signal ends it.

use super::plan::Plan;
use super::{Counters, Way};
use crate::traffic::now_ns;
use anyhow::{Context, Result, anyhow, ensure};
use aya::maps::{Array, DevMap, MapData};
use aya::programs::{ProgramError, TestRun, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use ebpf::traffic::{
    DEVICES, OBJECT, ORDER, Order, PROGRAM, PROGRESS, Progress, TEMPLATE_LEN, TEMPLATES, TURNS,
};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The longest frame: what is left of a page by the kernel's headroom, what it keeps in front of that, and what it keeps behind.
/// See `bpf_prog_test_run_xdp` in <https://github.com/torvalds/linux/blob/v6.18/net/bpf/test_run.c>.
pub(super) const LEN_MAX: u16 = 3300;
/// How often the program runs in one call; another call follows when it has.
const REPEAT: u32 = 1 << 31;
/// How many frames the kernel takes at a time.
const BATCH: u32 = 64;
/// How often it is looked whether all is sent.
const GLANCE: Duration = Duration::from_millis(10);

/// The program, and its maps.
pub(super) struct Live {
    ebpf: Ebpf,
    order: Array<MapData, [u64; 8]>,
    progress: Array<MapData, [u64; 8]>,
    longest: usize,
}

impl Live {
    /// Loads the program and all headers. In the network namespace of the calling thread.
    pub(super) fn new(plan: &Plan, ifindex: u32) -> Result<Live> {
        let mut loader = EbpfLoader::new();
        loader.map_max_entries(TEMPLATES, plan.templates_len() as u32);
        let mut ebpf =
            loader.load(OBJECT).context("the program that makes frames is not taken by the kernel")?;
        let mut devices: DevMap<MapData> = map(&mut ebpf, DEVICES)?;
        devices.set(0, ifindex, None, 0).context("frames cannot be redirected to the device")?;
        let mut templates: Array<MapData, [u8; TEMPLATE_LEN]> = map(&mut ebpf, TEMPLATES)?;
        for (place, template) in plan.templates().enumerate() {
            templates
                .set(place as u32, template.to_value(plan.look.headers_len()), 0)
                .context("headers cannot be kept in the kernel")?;
        }
        let mut turns: Array<MapData, [u32; 3]> = map(&mut ebpf, TURNS)?;
        for (place, turn) in plan.turns().iter().enumerate() {
            turns.set(place as u32, turn.to_words(), 0).context("lengths cannot be kept in the kernel")?;
        }
        let (order, progress) = (map(&mut ebpf, ORDER)?, map(&mut ebpf, PROGRESS)?);
        program(&mut ebpf)?
            .load()
            .context("the kernel does not take the program that makes frames (it takes Linux 5.18)")?;
        Ok(Live { ebpf, order, progress, longest: plan.longest().into() })
    }

    /// Sends until it is over, from a thread of its own, which `prepare` is called in first.
    pub(super) fn send(
        &mut self,
        plan: &Plan,
        counters: &Counters,
        prepare: impl FnOnce() + Send,
    ) -> Result<()> {
        let cores = sched_getaffinity(Pid::from_raw(0))?;
        ensure_two(
            is_real_time(),
            (0..CpuSet::count()).filter(|core| cores.is_set(*core) == Ok(true)).count(),
        )?;
        interrupt_only()?;
        counters.tell(Way::Live);
        let rate = plan.pace();
        let (start, end) = counters.begin(plan.duration);
        let order = Order {
            start,
            end,
            count: plan.count,
            interval: rate.interval,
            patience: rate.patience,
            streams: plan.streams.into(),
            turns: plan.sizes.len() as u64,
            headers: plan.look.headers_len() as u64,
        };
        self.order.set(0, order.to_words(), 0).context("the program cannot be told what to do")?;
        let packet = vec![0; self.longest];
        let program = program(&mut self.ebpf)?;
        let progress = &self.progress;
        thread::scope(|scope| {
            let (started, waiting) = mpsc::channel::<Pthread>();
            let runner = scope.spawn(move || -> Result<()> {
                prepare();
                let _ = started.send(pthread_self());
                while now_ns() < end && !counters.is_stopped() {
                    run(program, &packet)?;
                }
                Ok(())
            });
            let thread = waiting.recv().context("the generator does not start")?;
            let watched = watch(progress, plan, counters, end, &|| runner.is_finished());
            counters.stop();
            while !runner.is_finished() {
                pthread_kill(thread, Signal::SIGUSR1)?;
                thread::sleep(Duration::from_millis(5));
            }
            runner.join().map_err(|_| anyhow!("the generator panicked"))??;
            watched?;
            take_note(progress, counters).map(drop)
        })
    }
}

/// Whoever watches has to run while the kernel sends: not where that has the only core, and comes before everybody.
fn ensure_two(real_time: bool, cores: usize) -> Result<()> {
    ensure!(
        !real_time || cores > 1,
        "at real-time priority with one core alone, nobody could end the traffic: bind only the thread that sends, with --core"
    );
    Ok(())
}

/// Whether the kernel gives this thread a core before all that have an ordinary priority (`policy` in proc_pid_stat(5), sched(7)).
fn is_real_time() -> bool {
    const POLICY: usize = 38;
    const FIFO_AND_ROUND_ROBIN: [&str; 2] = ["1", "2"];
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // The name stands in parentheses, and may have spaces.
    let policy = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(POLICY));
    policy.is_some_and(|policy| FIFO_AND_ROUND_ROBIN.contains(&policy))
}

/// Takes note of what was sent until all is, or the runner ends.
fn watch(
    progress: &Array<MapData, [u64; 8]>,
    plan: &Plan,
    counters: &Counters,
    end: u64,
    is_over: &dyn Fn() -> bool,
) -> Result<()> {
    while !is_over() && !counters.is_stopped() && now_ns() < end {
        thread::sleep(GLANCE.min(Duration::from_nanos(end.saturating_sub(now_ns()))));
        if take_note(progress, counters)? >= plan.count {
            break;
        }
    }
    Ok(())
}

fn take_note(progress: &Array<MapData, [u64; 8]>, counters: &Counters) -> Result<u64> {
    let Progress { sent, bytes, last, .. } =
        Progress::from_words(progress.get(&0, 0).context("the program does not tell how far it is")?);
    counters.count(sent, bytes, 0);
    counters.last.store(last, Relaxed);
    Ok(sent)
}

/// One call. That a signal has ended it is no error.
fn run(program: &Xdp, packet: &[u8]) -> Result<()> {
    let options = TestRunOptions {
        data_in: Some(packet),
        repeat: REPEAT,
        attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
        ..TestRunOptions::new()
    };
    match program.test_run(options) {
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(Errno::EINTR as i32) =>
        {
            Ok(())
        }
        ran => ran.map(drop).context("the kernel runs no XDP program over live frames (it takes Linux 5.18)"),
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp> {
    let program =
        ebpf.program_mut(PROGRAM).with_context(|| format!("the object has no program {PROGRAM}"))?;
    Ok(program.try_into()?)
}

fn map<T: TryFrom<aya::maps::Map>>(ebpf: &mut Ebpf, name: &str) -> Result<T> {
    let map = ebpf.take_map(name).with_context(|| format!("the object has no map {name}"))?;
    T::try_from(map).map_err(|_| anyhow!("the map {name} is of another kind"))
}

/// From now on this signal interrupts a call into the kernel and does nothing else: tokio's handler stays, and nobody
/// listens to it.
fn interrupt_only() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    signal(SignalKind::user_defined1()).map(drop).context("no signal handler can be set")
}
