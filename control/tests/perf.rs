//! What turns cost, told by a running switch while frames go through it. Needs root.

mod switch;

use control::lab::{Peer, Stop, Transfer};
use control::show::perf::Perf;
use control::status::{PerfStatus, WorkerStatus};
use datapath::stats::{Stage, cycles};
use std::net::SocketAddrV4;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use switch::{ACROSS, Guest, Host, reaches, two_guests};

fn show(host: &Host, more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    let output = command.arg("show").arg("--socket").arg(host.file("adit.sock")).args(more).output();
    let output = output.expect("adit show");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What is asked while the guests talk, which they do for longer than that takes.
fn under_traffic<T>(a: &Guest, b: &Guest, ask: impl FnOnce() -> T) -> T {
    let from = Peer { netns: &a.netns, addr: SocketAddrV4::new(a.addr, 40_000) };
    let to = Peer { netns: &b.netns, addr: SocketAddrV4::new(b.addr, 5000) };
    thread::scope(|scope| {
        scope.spawn(move || {
            Transfer::run(from, to, Duration::from_secs(1), 7, &Stop::default()).expect("carried")
        });
        thread::sleep(Duration::from_millis(200));
        ask()
    })
}

/// The parts are the whole.
fn assert_sums(worker: &WorkerStatus) {
    let PerfStatus { frames, turns_by_frames, timed_turns, timed_frames, timed_cycles, stages } =
        &worker.perf;
    let turns: u64 = turns_by_frames.iter().sum();
    assert_eq!(turns, worker.turns - worker.idle_turns);
    assert_eq!(worker.hits + worker.masked_hits + worker.misses, *frames, "every frame has an answer");
    let names: Vec<&str> = stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(names, Stage::ALL.map(Stage::name));
    assert_eq!(stages.iter().map(|stage| stage.cycles).sum::<u64>(), *timed_cycles);
    if cycles::now().is_some() {
        assert_eq!(*timed_turns, turns.div_ceil(64), "the first one, and one of 64");
        assert!(*timed_turns <= *timed_frames && *timed_frames <= *frames);
    }
}

#[test]
fn what_turns_cost_is_told_while_frames_go_through() {
    for mode in ["auto", "packet"] {
        let Some(host) = Host::new() else { return };
        let (a, b) = (host.guest(1), host.guest(2));
        let adit = host.adit(&two_guests(mode), ACROSS);
        assert!(reaches(&a.netns, b.addr), "{mode}");

        let (first, since) = (cycles::now(), Instant::now());
        let text = under_traffic(&a, &b, || show(&host, &["--perf", "--json"]));
        let perf: Perf = serde_json::from_str(&text).expect("JSON");
        assert!((0.9..10.0).contains(&perf.seconds), "{mode}: {}", perf.seconds);
        let [worker] = &perf.workers[..] else { panic!("{mode}: one worker: {text}") };
        assert!(worker.frames > 0 && worker.turns > worker.idle_turns, "{mode}: {text}");
        assert!(worker.frames_per_turn.is_some_and(|frames| frames >= 1.0), "{mode}: {text}");
        let answers = [worker.hits, worker.masked_hits, worker.misses].map(|part| part.expect("a part"));
        assert!((answers.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{mode}: {text}");
        assert!(answers[0] > 0.9, "{mode}: a conversation is in the exact cache: {text}");
        if let Some(first) = first {
            let hz = (cycles::now().expect("a counter") - first) as f64 / since.elapsed().as_secs_f64();
            let told = perf.cycles_hz.expect("a rate") as f64;
            assert!((told / hz - 1.0).abs() < 0.05, "{mode}: {told} cycles a second, and here {hz}");
            let all = worker.cycles_per_frame.expect("timed turns");
            let stages = worker.stages.iter().map(|stage| stage.cycles_per_frame.expect("timed"));
            assert!((stages.sum::<f64>() / all - 1.0).abs() < 1e-6, "{mode}: {text}");
            assert!(all > 10.0, "{mode}: {text}");
            let ns = worker.ns_per_frame.expect("a rate");
            assert!((ns * told / 1e9 / all - 1.0).abs() < 1e-6, "{mode}: {text}");
            assert!(worker.busy.is_some_and(|busy| busy > 0.0 && busy <= 1.0), "{mode}: {text}");
        }

        // Counters are published ten times a second, and all together when nothing moves.
        thread::sleep(Duration::from_millis(250));
        let status = host.status();
        status.workers.iter().for_each(assert_sums);
        let came: u64 = status.ports.iter().map(|port| port.rx_packets).sum();
        assert_eq!(status.workers.iter().map(|worker| worker.perf.frames).sum::<u64>(), came, "{mode}");

        let table = show(&host, &["--perf"]);
        for word in ["exact cache", "turns with frames:", "cycles/frame:"]
            .into_iter()
            .chain(Stage::ALL.map(Stage::name))
        {
            assert!(table.contains(word), "{mode}: no {word} in {table}");
        }
        assert!(adit.end().expect("ended").success());
    }
}
