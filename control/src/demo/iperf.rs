//! A second opinion on throughput from iperf3, where it is installed.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::network::{Guest, Network, Tenant};
use crate::lab::{Process, Stop};

/// Where iperf3 is, if it is installed.
pub(super) fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("iperf3")).find(|program| program.is_file())
}

/// Bits a second from guest-1 to guest-2 and back, as iperf3 measures it.
pub(super) fn measure(
    program: &Path,
    network: &Network,
    tenant: &Tenant,
    time: Duration,
    stop: &Stop,
) -> Result<[f64; 2]> {
    let (client, server) = (network.guest(tenant, 1), network.guest(tenant, 2));
    let there = once(program, network, client, server, time, &[], stop)?;
    let back = once(program, network, client, server, time, &["--reverse"], stop)?;
    Ok([there, back])
}

fn once(
    program: &Path,
    network: &Network,
    client: &Guest,
    server: &Guest,
    time: Duration,
    more: &[&str],
    stop: &Stop,
) -> Result<f64> {
    let [listening, measured] = ["iperf3-server", "iperf3-client"].map(|name| network.plan.folder.join(name));
    let mut serve = Command::new(program);
    serve.args(["--server", "--one-off", "--forceflush"]).stdout(output(&listening)?);
    let mut serving = Process::start(&server.netns, "iperf3 server", serve)?;
    let end = Instant::now() + Duration::from_secs(3);
    while fs::metadata(&listening)?.len() == 0 && Instant::now() < end {
        stop.sleep(Duration::from_millis(10))?;
    }
    let mut ask = Command::new(program);
    ask.args(["--json", "--client", &server.addr.to_string(), "--time", &time.as_secs().to_string()])
        .args(more);
    ask.stdout(output(&measured)?);
    let patience = time + Duration::from_secs(10);
    Process::start(&client.netns, "iperf3 client", ask)?.wait(patience, stop)?;
    serving.wait(patience, stop)?;
    let said: Value = serde_json::from_slice(&fs::read(&measured)?).context("iperf3 said no JSON")?;
    ensure!(said["error"].is_null(), "iperf3: {}", said["error"]);
    said["end"]["sum_received"]["bits_per_second"].as_f64().context("iperf3 named no rate")
}

fn output(path: &Path) -> Result<Stdio> {
    Ok(Stdio::from(File::create(path).with_context(|| format!("cannot write {}", path.display()))?))
}
