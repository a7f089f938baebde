//! The command `adit` as a process: what it prints, where, and how it exits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CONFIG: &str = r#"
[bridge]
name = "br0"
flows = "flows.txt"
[[uplink]]
device = "eth1"
[[port]]
name = "g1"
ofport = 1
[[port]]
name = "g2"
ofport = 2
[[tunnel]]
name = "vx0"
ofport = 10
type = "vxlan"
remote_ip = "192.0.2.2"
key = 100
"#;
const FLOWS: &str = "in_port=g1,actions=vx0\nin_port=vx0,actions=g1,g2\n# done\narp,actions=drop\n";

/// A directory of its own for a test.
fn directory(test: &str, config: &str, flows: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{test}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("adit.toml"), config).unwrap();
    fs::write(directory.join("flows.txt"), flows).unwrap();
    directory
}

fn adit(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_adit")).current_dir(directory).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_fine_configuration_is_told_in_one_line() {
    let directory = directory("fine", CONFIG, FLOWS);
    let output = adit(&directory, &["check", "adit.toml"]);
    assert_eq!(stdout(&output), "adit.toml: 2 ports, 1 tunnel, 3 flows: fine\n");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let output = adit(&directory, &["check", "--json", "adit.toml"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["fine"], &report["flows"]), (&true.into(), &3.into()));
    for option in ["--config", "-c"] {
        let output = adit(&directory, &["check", option, "adit.toml"]);
        assert_eq!(stdout(&output), "adit.toml: 2 ports, 1 tunnel, 3 flows: fine\n", "{option}");
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn flows_that_may_not_overlap_and_do_are_a_fault() {
    let flows = "priority=5,ip,nw_src=10.0.0.0/8,actions=g1\ncheck_overlap,priority=5,ip,nw_dst=10.0.0.1,actions=g2\n";
    let directory = directory("overlap", CONFIG, flows);
    let output = adit(&directory, &["check", "adit.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("flows, line 2: another flow of the same priority"),
        "{}",
        stderr(&output)
    );
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn faults_of_the_configuration_and_of_the_flows_come_together() {
    let config = CONFIG.replace("ofport = 2", "ofport = 1");
    let directory = directory("faults", &config, "in_port=g2,actions=vx1\n");
    let output = adit(&directory, &["check", "adit.toml"]);
    let expected = "\
adit.toml:12:10: ofport 1 is already used in line 9
    ofport = 1
             ^
flows.txt:1:20: \"vx1\" is no action and no port; did you mean vx0?
    in_port=g2,actions=vx1
                       ^~~
adit.toml: 2 faults
";
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert_eq!(stderr(&output), expected);
    let output = adit(&directory, &["check", "--json", "adit.toml"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), report["faults"][0]["line"].as_u64()), (Some(1), Some(12)));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_flow_to_a_group_that_is_not_there_is_a_fault_with_its_place() {
    let config = CONFIG.replace("[bridge]\n", "[bridge]\ngroups = \"groups.txt\"\n");
    assert_ne!(config, CONFIG);
    let directory = directory("groups", &config, "in_port=g1,actions=group:1\nin_port=g2,actions=group:2\n");
    fs::write(directory.join("groups.txt"), "group_id=1,type=indirect,bucket=actions=g2\n").unwrap();
    let output = adit(&directory, &["check", "adit.toml"]);
    assert!(stderr(&output).starts_with("flows.txt:2:26: there is no group 2"), "{}", stderr(&output));
    fs::write(directory.join("flows.txt"), "table=1,in_port=g1,actions=group:1\n").unwrap();
    let output = adit(&directory, &["check", "adit.toml"]);
    assert!(stdout(&output).ends_with("1 flow, 1 group: fine\n"), "{}", stdout(&output));
    fs::remove_file(directory.join("groups.txt")).unwrap();
    let output = adit(&directory, &["check", "adit.toml"]);
    assert!(stderr(&output).starts_with("groups.txt: cannot be opened"), "{}", stderr(&output));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn files_that_cannot_be_read_are_faults() {
    let directory = directory("files", CONFIG, "");
    fs::remove_file(directory.join("flows.txt")).unwrap();
    let output = adit(&directory, &["check", "adit.toml"]);
    assert!(stderr(&output).starts_with("flows.txt: cannot be opened: No such file"), "{}", stderr(&output));
    let which = "(what flows in [bridge] names is relative to the configuration)";
    assert!(stderr(&output).contains(which), "{}", stderr(&output));
    fs::write(directory.join("flows.txt"), b"arp,actions=drop\n\xff\n").unwrap();
    let output = adit(&directory, &["check", "adit.toml"]);
    assert!(stderr(&output).starts_with("flows.txt: is no UTF-8 text: see line 2"), "{}", stderr(&output));
    let output = adit(&directory, &["check", "."]);
    assert_eq!(output.status.code(), Some(1));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_bridge_without_flows_is_fine_and_hardly_meant() {
    let directory = directory("no-flows", "[bridge]\nname = \"br0\"\n", "");
    let output = adit(&directory, &["check", "adit.toml"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "adit.toml: 0 ports, 0 tunnels, 0 flows: fine\n")
    );
    assert!(stderr(&output).starts_with("warning: there are no flows: every frame will be dropped"));
    let output = adit(&directory, &["check", "--json", "adit.toml"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["warnings"].as_array().map(Vec::len), stderr(&output).as_str()), (Some(1), ""));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_socket_that_is_none_is_called_what_it_is() {
    let directory = directory("socket", "[bridge]\nname = \"br0\"\n", "");
    for (path, what) in [(".", "a directory"), ("adit.toml", "a file")] {
        let output = adit(&directory, &["run", "--config", "adit.toml", "--socket", path]);
        let expected = format!("adit: --socket {path} is {what} already: choose another path\n");
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), expected));
        let output = adit(&directory, &["show", "--socket", path]);
        let expected = format!("adit: no adit answers on {path}: it is {what}, no socket\n");
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), expected));
    }
    let output = adit(&directory, &["show", "--socket", "nothing"]);
    assert!(
        stderr(&output).starts_with("adit: no adit answers on nothing: is it running"),
        "{}",
        stderr(&output)
    );
    assert!(fs::read_to_string(directory.join("adit.toml")).unwrap().contains("br0"), "no file was replaced");
    fs::remove_dir_all(directory).unwrap();
}

/// Where everybody may reach the program and the files, but not write.
#[test]
fn who_may_not_run_or_ask_is_told_who_may() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root (to be somebody else)");
        eprintln!("skipped: needs root (to be somebody else)");
        return;
    }
    let directory = std::env::temp_dir().join(format!("adit-cli-nobody-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("adit.toml"), "[bridge]\nname = \"br0\"\n").unwrap();
    fs::copy(env!("CARGO_BIN_EXE_adit"), directory.join("adit")).unwrap();
    let _socket = UnixListener::bind(directory.join("sock")).unwrap();
    fs::set_permissions(directory.join("sock"), fs::Permissions::from_mode(0o600)).unwrap();
    let nobody = |args: &[&str]| {
        let mut command = Command::new(directory.join("adit"));
        command.current_dir(&directory).args(args).uid(65534).gid(65534);
        // While another test is between fork and exec, its child may still have the copy open for writing.
        let run = || command.output();
        let busy = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ExecutableFileBusy;
        let tries =
            std::iter::repeat_with(run).inspect(|_| std::thread::sleep(std::time::Duration::from_millis(10)));
        let mut tries = tries.take(500).filter(|tried| !tried.as_ref().is_err_and(busy));
        stderr(&tries.next().expect("not busy for ever").unwrap())
    };
    let run = nobody(&["run", "--config", "adit.toml", "--socket", "deeper/sock"]);
    let show = nobody(&["show", "--socket", "sock"]);
    fs::remove_dir_all(&directory).unwrap();
    assert!(run.contains("run as root, or choose with --socket a path"), "{run}");
    assert!(show.contains("sock may not be asked: run as root or as the user that runs adit"), "{show}");
}

#[test]
fn usage_errors_exit_with_2_and_help_and_version_with_0() {
    let here = Path::new(".");
    for args in [
        &[][..],
        &["chek"],
        &["check"],
        &["check", "--jsn", "x"],
        &["check", "x", "--config", "x"],
        &["completions", "tcl"],
    ] {
        assert_eq!(adit(here, args).status.code(), Some(2), "{args:?}");
    }
    let version = adit(here, &["--version"]);
    assert_eq!(stdout(&version), format!("adit {}\n", env!("CARGO_PKG_VERSION")));
    let help = adit(here, &["--help"]);
    assert!(help.status.success() && stdout(&help).contains("Examples:"));
    assert!(stdout(&adit(here, &["check", "--help"])).contains("adit check adit.toml"));
    let run = stdout(&adit(here, &["run", "--help"]));
    for capability in ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF", "CAP_PERFMON"] {
        assert!(run.contains(capability), "{run}");
    }
}

#[test]
fn shells_learn_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = adit(Path::new("."), &["completions", shell]);
        assert!(output.status.success() && stdout(&output).contains("check"), "{shell}");
    }
}
