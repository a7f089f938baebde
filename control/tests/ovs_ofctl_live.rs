//! What ovs-ofctl says of adit is what it says of Open vSwitch: the same commands, one after the other, to both in the same run. The
//! commands are in `ovs_ofctl_live/commands`. What depends on the moment or on names that differ is evened out (`even`), nothing else.
//! Needs root and Open vSwitch.

#[path = "ovs_ofctl_live/controller.rs"]
mod controller;
#[path = "ovs_ofctl_live/even.rs"]
mod even;
mod ovs_peer;
#[path = "ovs_ofctl_live/script.rs"]
mod script;
mod switch;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use control::lab::{End, Netns, Process, veth};
use controller::Listener;
use even::even;
use ovs_peer::Ovs;
use script::{Step, Verb};
use switch::{Host, ip};

const PORTS: [&str; 4] = ["p1", "p2", "p3", "p4"];

/// How long a process that has nothing to say is given to say it.
const PAUSE: Duration = Duration::from_millis(400);
/// And to begin.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of the two, as ovs-ofctl sees it: a folder with sockets.
struct Side {
    folder: PathBuf,
    /// What goes on in the background, and where it writes.
    running: Option<(Child, PathBuf)>,
}

impl Side {
    fn new(folder: &Path) -> Side {
        Side { folder: folder.to_owned(), running: None }
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new("ovs-ofctl");
        command.arg("--timeout=10").args(words).current_dir(&self.folder).env("OVS_RUNDIR", &self.folder);
        command
    }

    /// What it says, evened out; None for what goes on.
    fn ask(&mut self, step: &Step) -> Option<String> {
        match step.verb {
            Verb::Ask => Some(self.answer(step)),
            Verb::Start => {
                self.start(step);
                None
            }
            Verb::End => Some(self.end()),
        }
    }

    fn answer(&self, step: &Step) -> String {
        let mut command = self.command(&step.words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut asked = command.spawn().expect("ovs-ofctl was there");
        let mut stdin = asked.stdin.take().expect("a pipe");
        // One that does not read what it is given has refused already.
        let _ = stdin.write_all(step.stdin.as_bytes());
        drop(stdin);
        let output = asked.wait_with_output().expect("an end");
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        let sorted = step.words.iter().any(|word| word.starts_with("--sort") || word.starts_with("--rsort"));
        let verdict = if output.status.success() { "" } else { "(refused)\n" };
        even(&(said.concat() + verdict), !sorted)
    }

    fn start(&mut self, step: &Step) {
        let path = self.folder.join("background");
        let file = File::create(&path).expect("a file");
        let mut command = self.command(&step.words);
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file")).stderr(file);
        let running = command.spawn().expect("ovs-ofctl was there");
        // What is said before it listens is lost to it.
        let folder = format!("/proc/{}/fd", running.id());
        self.running = Some((running, path));
        let is_socket =
            |link: &Path| fs::read_link(link).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let has_socket = || {
            fs::read_dir(&folder)
                .is_ok_and(|mut all| all.any(|file| file.is_ok_and(|file| is_socket(&file.path()))))
        };
        let end = Instant::now() + PATIENCE;
        while !has_socket() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(PAUSE);
    }

    fn end(&mut self) -> String {
        let (mut running, path) = self.running.take().expect("something was started");
        // Until it has nothing to say any more.
        let len = || fs::metadata(&path).map_or(0, |file| file.len());
        let mut before = None;
        while before != Some(len()) {
            before = Some(len());
            std::thread::sleep(PAUSE);
        }
        let _ = running.kill();
        running.wait().expect("an end");
        even(&fs::read_to_string(path).expect("what it said"), false)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some((mut running, _)) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

/// Four cables, whose other ends nobody listens at.
fn cables(netns: &Netns) {
    for (number, port) in (1..).zip(PORTS) {
        let end = |device, mac| End { netns, device, mac: Some([2, 0, 0, 0, mac, number]) };
        veth(end(port, 0), end(&format!("{port}x"), 1), 1500).expect("a cable");
    }
}

fn open_vswitch(netns: &Netns) -> Ovs<'_> {
    let ovs = Ovs::bare(netns).expect("Open vSwitch");
    ovs.vsctl(
        "add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure other-config:datapath-id=00000000000000a1 \
         protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15",
    )
    .expect("a bridge");
    for (number, port) in (1..).zip(PORTS) {
        ovs.vsctl(&format!("add-port br0 {port} -- set interface {port} ofport_request={number}"))
            .expect("a port");
    }
    ip(netns, "link set br0 up");
    ovs
}

/// adit with the same ports and these words more, and the folder of its sockets.
fn adit(host: &Host, more: &str) -> (Process, PathBuf) {
    let folder = host.file("run");
    fs::create_dir(&folder).expect("a folder");
    let mut config = format!(
        "[bridge]\nname = \"br0\"\nlocal = true\nrundir = \"{}\"\ndatapath_id = \"a1\"\n",
        folder.display()
    );
    for (number, port) in (1..).zip(PORTS) {
        config += &format!("[[port]]\nname = \"{port}\"\nofport = {number}\n");
    }
    config += more;
    (host.adit(&config, ""), folder)
}

/// Where they differ, as lines of both.
fn difference(ours: &str, theirs: &str) -> String {
    let only = |one: &str, other: &str, mark| {
        let mut lines: Vec<_> = one.lines().filter(|line| !other.lines().any(|same| same == *line)).collect();
        lines.dedup();
        lines.iter().take(12).map(|line| format!("      {mark} {line}\n")).collect::<String>()
    };
    let lines = only(ours, theirs, "adit:") + &only(theirs, ours, "ovs: ");
    if lines.is_empty() { format!("      the order:\n{ours}      instead of\n{theirs}") } else { lines }
}

/// Two machines with the same cables; None, with a word, where one of them cannot be had.
fn two_machines() -> Option<(Host, Netns)> {
    if !ovs_peer::installed() {
        return None;
    }
    let host = Host::new()?;
    let peer = Netns::new("peer").expect("a namespace");
    let _ = peer.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
    for netns in [&host.netns, &peer] {
        cables(netns);
    }
    Some((host, peer))
}

#[test]
fn ovs_ofctl_hears_the_same_from_both() {
    let Some((host, peer)) = two_machines() else { return };
    let ovs = open_vswitch(&peer);
    let (_running, folder) = adit(&host, "");
    let mut sides = [Side::new(&folder), Side::new(ovs.folder())];

    let steps = script::read(include_str!("ovs_ofctl_live/commands"));
    let (mut same, mut nearly, mut wrong) = (0, 0, String::new());
    for step in &steps {
        let [ours, theirs] = sides.each_mut().map(|side| side.ask(step));
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        let fault = match (ours == theirs, &step.differs) {
            (true, None) => {
                same += 1;
                continue;
            }
            (false, Some(known)) if known.rest(&ours) == known.rest(&theirs) => {
                nearly += usize::from(!known.parts.is_empty());
                continue;
            }
            (false, Some(known)) => difference(&known.rest(&ours), &known.rest(&theirs)),
            (true, Some(known)) => format!("      the same, in spite of: {}\n", known.reason),
            (false, None) => difference(&ours, &theirs),
        };
        wrong += &format!("  line {}: {}\n{fault}", step.line, step.words.join(" "));
    }
    let asked = steps.iter().filter(|step| step.verb != Verb::Start).count();
    eprintln!("{asked} answers, {same} the same, {nearly} but for what is known");
    assert!(wrong.is_empty(), "{same} of {asked} answers are the same; not these:\n{wrong}");
    assert!(same >= 80, "only {same} commands are compared");
}

#[test]
fn who_snoops_hears_the_same_from_both() {
    let Some((host, peer)) = two_machines() else { return };
    let listeners = [&host.netns, &peer].map(|netns| {
        ip(netns, "link set lo up");
        Listener::new(netns)
    });
    let ovs = open_vswitch(&peer);
    let (_running, folder) = adit(&host, "[[controller]]\ntarget = \"tcp:127.0.0.1:6653\"\n");
    let mut sides = [Side::new(&folder), Side::new(ovs.folder())];
    let [ours, theirs] = [0, 1].map(|side| {
        if side == 1 {
            // Not earlier: it does not wait long for a greeting.
            ovs.vsctl("set-controller br0 tcp:127.0.0.1:6653").expect("a controller");
        }
        let mut session = listeners[side].accept();
        let mut said = String::new();
        for step in script::read("& snoop br0\nend") {
            if step.verb == Verb::End {
                session.speak();
            }
            said += &sides[side].ask(&step).unwrap_or_default();
        }
        said
    });
    assert!(ours.contains("OFPT_FLOW_MOD") && ours.contains("OFPT_BARRIER_REPLY"), "{ours}");
    assert!(ours == theirs, "{}\nadit:\n{ours}\nOpen vSwitch:\n{theirs}", difference(&ours, &theirs));
}
