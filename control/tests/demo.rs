//! `adit demo` as a program: what it says, and that nothing is left when it ends, is interrupted or is killed. But for the
//! first test the Linux kernel switches on both sides: they are about the demo, not about adit.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Result;
use control::lab::Scratch;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

fn root() -> bool {
    if geteuid().is_root() {
        return true;
    }
    assert!(env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "needs root (network namespaces)");
    eprintln!("skipped: needs root (network namespaces)");
    false
}

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    command.args(["demo", "--here", "linux", "--peer", "linux"]).env("TMPDIR", folder);
    command
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is ours").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
}

/// Starts a demo and reads what it says until a line with these words; the rest is for whoever wants it.
fn until(command: &mut Command, words: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = said.lines().map_while(std::io::Result::ok).filter(|line| !line.is_empty());
    assert!(lines.any(|line| line.contains(words)), "it says \"{words}\"");
    (child, lines)
}

#[test]
fn adit_keeps_its_word_with_linux_and_with_itself() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let folder = Scratch::new(&env::temp_dir(), "adit-demo-test")?;
    let output =
        Command::new(env!("CARGO_BIN_EXE_adit")).arg("demo").env("TMPDIR", folder.path()).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{said}{}", String::from_utf8(output.stderr)?);
    assert_eq!(files(folder.path()), ["made-by-adit"]);
    Ok(())
}

#[test]
fn all_checks_pass_and_json_says_so() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let folder = Scratch::new(&env::temp_dir(), "adit-demo-test")?;
    let output = demo(folder.path()).arg("--json").output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert!(output.status.success(), "{said:#}");
    assert_eq!(said["ok"], true);
    assert_eq!(said["runs"][0]["hypervisors"], serde_json::json!(["Linux", "Linux"]));
    assert_eq!(files(folder.path()), ["made-by-adit"]);
    Ok(())
}

#[test]
fn a_guest_that_sends_more_than_the_underlay_carries_fails_the_demo() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let folder = Scratch::new(&env::temp_dir(), "adit-demo-test")?;
    let output = demo(folder.path()).args(["--underlay-mtu", "1400", "--guest-mtu", "1500"]).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("1500 bytes of a guest are 1550 in the tunnel, and the underlay carries 1400"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "no colours where nobody sees them");
    Ok(())
}

#[test]
fn an_interrupted_demo_leaves_nothing() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let folder = Scratch::new(&env::temp_dir(), "adit-demo-test")?;
    let (mut child, _) = until(demo(folder.path()).args(["--seconds", "600"]), "ping guest-1");
    let asked = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT);
    let status = child.wait()?;
    assert_eq!((asked, status.code()), (Ok(()), Some(130)));
    assert_eq!(files(folder.path()), ["made-by-adit"]);
    Ok(())
}

#[test]
fn a_held_demo_ends_well_when_it_is_asked_to() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let folder = Scratch::new(&env::temp_dir(), "adit-demo-test")?;
    let (mut child, said) = until(demo(folder.path()).arg("--hold"), "blue guest-2  nsenter");
    let asked = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
    let status = child.wait()?;
    assert_eq!((asked, status.code()), (Ok(()), Some(0)));
    assert!(said.last().is_some_and(|line| line.contains("Nothing is left behind")));
    assert_eq!(files(folder.path()), ["made-by-adit"]);
    Ok(())
}

#[test]
fn what_a_killed_demo_left_is_removed_by_the_next() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let folder = Scratch::new(&env::temp_dir(), "adit-demo-test")?;
    let (mut child, _) = until(demo(folder.path()).args(["--seconds", "600"]), "ping guest-1");
    let killed = child.kill();
    assert_eq!(child.wait()?.signal(), Some(Signal::SIGKILL as i32), "{killed:?}");
    let left = format!("adit-demo-{}-0", child.id());
    assert!(files(folder.path()).contains(&left));
    let output = demo(folder.path()).output()?;
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr)?.contains(&left), "it says what it removed");
    assert_eq!(files(folder.path()), ["made-by-adit"]);
    Ok(())
}

#[test]
fn without_root_one_line_says_so() -> Result<()> {
    if !root() {
        return Ok(());
    }
    // A copy where nobody may read it.
    let folder = env::temp_dir().join(format!("adit-demo-nobody-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let program = folder.join("adit");
    fs::copy(env!("CARGO_BIN_EXE_adit"), &program)?;
    let output = Command::new(&program).arg("demo").uid(65534).gid(65534).output();
    fs::remove_dir_all(&folder)?;
    let output = output?;
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("needs root") && said.contains("adit replay"), "{said}");
    Ok(())
}
