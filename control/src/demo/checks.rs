//! What is checked, in the order in which it is told: the hosts, each tenant, both together, and the end of adit.

use std::net::{IpAddr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::network::{GUEST, Guest, Network, TENANTS, Tenant};
use super::report::{Finding, Report};
use super::switch::{Side, Switch};
use super::{OVERHEAD, iperf, isolation, offload};
use crate::lab::{Interrupted, Netns, Peer, Ping, Pong, Process, Stop, Transfer};

const BOTH: &str = "both";
const HOSTS: &str = "hosts";

/// Bits a second on one machine below which TCP lives on retransmissions alone: something larger than its first segments
/// does not come through.
const SLOW: f64 = 20e6;

/// Runs all checks and tells the report.
pub(super) fn all(network: &mut Network, report: &mut Report, time: Duration, stop: &Stop) -> Result<()> {
    hosts(network, report, 5003, stop)?;
    for tenant in &TENANTS {
        pings(network, tenant, report, stop)?;
    }
    tell(report, BOTH, "TCP at once, same addresses and ports", tcp(network, time, stop))?;
    tell(report, "red", "TCP, checksums left to the card", offload::check(network, &TENANTS[0], stop))?;
    let proof = isolation::prove(network, stop).map(|verdict| {
        let finding = Finding::new(verdict.proven(), verdict.to_string());
        finding.figure("sent", verdict.sent as f64).figure("leaks", verdict.leaks.len() as f64)
    });
    tell(report, BOTH, "no frame is seen by the other tenant", proof)?;
    tell(report, "red", "TCP, by iperf3", second_opinion(network, time, stop))?;
    complain(network, report);
    endings(network, report, stop)
}

/// Adds the row; only the wish to stop goes further.
fn tell(report: &mut Report, whose: &str, check: &str, found: Result<Finding>) -> Result<()> {
    let finding = match found {
        Ok(finding) => finding,
        Err(error) if error.is::<Interrupted>() => return Err(error),
        Err(error) => Finding::new(false, format!("{error:#}")),
    };
    report.row(whose, check, finding);
    Ok(())
}

/// Traffic of the hypervisors themselves, which no tunnel may touch.
fn hosts(network: &Network, report: &mut Report, port: u16, stop: &Stop) -> Result<()> {
    tell(report, HOSTS, "ping hv1 ⇄ hv2, outside the tunnel", host_pings(network, stop))?;
    tell(report, HOSTS, "TCP hv1 ⇄ hv2, outside the tunnel", host_tcp(network, port, stop))
}

fn host_pings(network: &Network, stop: &Stop) -> Result<Finding> {
    let [one, two] = &network.hypervisors;
    both_ways([(&one.netns, two.addr.into()), (&two.netns, one.addr.into())], stop, |_| ())
}

fn host_tcp(network: &Network, port: u16, stop: &Stop) -> Result<Finding> {
    let [one, two] = network.hypervisors.each_ref().map(|hypervisor| (&hypervisor.netns, hypervisor.addr));
    let client = Peer { netns: one.0, addr: SocketAddrV4::new(one.1, 40_000 + port) };
    let server = Peer { netns: two.0, addr: SocketAddrV4::new(two.1, port) };
    let done = Transfer::run(client, server, Duration::from_millis(100), port.into(), stop)?;
    Ok(rates(done.there.rate(), done.back.rate()))
}

/// Pings until the first answer, for three seconds at most: whoever is first waits until neighbours are found and learned.
fn greet(ping: Ping, from: &Netns, stop: &Stop) -> Result<()> {
    let ping = Ping { count: 1, patience: Duration::from_millis(100), ..ping };
    let end = Instant::now() + Duration::from_secs(3);
    while !ping.run(from, stop)?.complete() && Instant::now() < end {
        stop.sleep(Duration::from_millis(20))?;
    }
    Ok(())
}

fn pings(network: &Network, tenant: &'static Tenant, report: &mut Report, stop: &Stop) -> Result<()> {
    let [one, two] = [1, 2].map(|number| network.guest(tenant, number));
    let ways = [(&one.netns, IpAddr::from(two.addr)), (&two.netns, IpAddr::from(one.addr))];
    let mtu = network.plan.guest_mtu as usize;
    greet(Ping::new(two.addr.into()), &one.netns, stop)?;
    tell(report, tenant.name, "ping guest-1 ⇄ guest-2", both_ways(ways, stop, |_| ()))?;
    let whole = both_ways(ways, stop, |ping| {
        ping.packet = mtu;
        ping.whole = true;
    });
    let fits = mtu + OVERHEAD as usize <= network.plan.underlay_mtu as usize;
    tell(report, tenant.name, &format!("ping, {mtu} bytes, to stay whole"), whole)?;
    if !fits {
        let (need, have) = (mtu + OVERHEAD as usize, network.plan.underlay_mtu);
        report.note(&format!(
            "          {mtu} bytes of a guest are {need} in the tunnel, and the underlay carries {have}"
        ));
    }
    let split = both_ways(ways, stop, |ping| ping.packet = 4000);
    tell(report, tenant.name, "ping, 4000 bytes, in fragments", split)?;
    tell(report, tenant.name, "ping guest-1 ⇄ guest-2, IPv6", ipv6(one, two, stop))
}

fn ipv6(one: &Guest, two: &Guest, stop: &Stop) -> Result<Finding> {
    let (Some(first), Some(second)) = (one.link_local, two.link_local) else {
        return Ok(Finding::skipped("this kernel has no IPv6"));
    };
    let scopes = [one.netns.index(GUEST)?, two.netns.index(GUEST)?];
    greet(Ping { scope: scopes[0], ..Ping::new(second.into()) }, &one.netns, stop)?;
    let mut scopes = scopes.into_iter();
    both_ways([(&one.netns, second.into()), (&two.netns, first.into())], stop, |ping| {
        ping.scope = scopes.next().unwrap_or_default();
    })
}

fn both_ways(ways: [(&Netns, IpAddr); 2], stop: &Stop, mut shape: impl FnMut(&mut Ping)) -> Result<Finding> {
    let mut pongs = Vec::new();
    for (from, to) in ways {
        let mut ping = Ping { patience: Duration::from_millis(300), ..Ping::new(to) };
        shape(&mut ping);
        pongs.push(ping.run(from, stop)?);
    }
    let answered: usize = pongs.iter().map(|pong| pong.times.len()).sum();
    let good = pongs.iter().all(Pong::complete);
    let medians: Vec<_> =
        pongs.iter().filter_map(Pong::median).map(|time| time.as_secs_f64() * 1e3).collect();
    let detail = match (medians.as_slice(), pongs.iter().find_map(|pong| pong.refused)) {
        (_, Some(errno)) => format!("{answered} of 10, refused: {}", errno.desc()),
        ([there, back], None) => format!("{answered} of 10, {there:.2} ms there, {back:.2} ms back"),
        (_, None) => format!("{answered} of 10 answered"),
    };
    let altered: u16 = pongs.iter().map(|pong| pong.altered).sum();
    let detail = if altered == 0 { detail } else { format!("{detail}, {altered} altered on the way") };
    let slowest = medians.into_iter().fold(0.0, f64::max);
    Ok(Finding::new(good, detail).figure("answered", answered as f64).figure("median_ms", slowest))
}

/// The same connection in both tenants at once, to the port: only the texts differ.
fn tcp(network: &Network, time: Duration, stop: &Stop) -> Result<Finding> {
    let one = |tenant: &'static Tenant| {
        let [client, server] = [1, 2].map(|number| network.guest(tenant, number));
        let from = Peer { netns: &client.netns, addr: SocketAddrV4::new(client.addr, 40_001) };
        let to = Peer { netns: &server.netns, addr: SocketAddrV4::new(server.addr, 5001) };
        Transfer::run(from, to, time, tenant.vni.into(), stop)
    };
    let [red, blue] = thread::scope(|scope| {
        TENANTS.each_ref().map(|tenant| scope.spawn(move || one(tenant))).map(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => bail!("the transfer panicked"),
        })
    });
    let (red, blue) = (red?, blue?);
    let (there, back) = (red.there.rate() + blue.there.rate(), red.back.rate() + blue.back.rate());
    Ok(rates(there, back))
}

fn second_opinion(network: &Network, time: Duration, stop: &Stop) -> Result<Finding> {
    let Some(program) = iperf::installed() else { return Ok(Finding::skipped("iperf3 is not installed")) };
    let [there, back] = iperf::measure(&program, network, &TENANTS[0], time, stop)?;
    Ok(rates(there, back))
}

/// Adit is killed, started again, and asked to end; the hosts' own traffic never minds.
fn endings(network: &mut Network, report: &mut Report, stop: &Stop) -> Result<()> {
    if network.plan.sides[0] == Side::Adit
        && let Some(process) = take(network, 0)
    {
        let killed = process.kill().and_then(|_| hosts_talk(network, 5004, stop));
        tell(report, HOSTS, "adit on hv1 killed: hosts still talk", killed)?;
        let again = network.restart_ended(stop).and_then(|()| {
            let [one, two] = [1, 2].map(|number| network.guest(&TENANTS[0], number));
            greet(Ping::new(two.addr.into()), &one.netns, stop)?;
            both_ways([(&one.netns, two.addr.into()), (&two.netns, one.addr.into())], stop, |_| ())
        });
        tell(report, "red", "adit on hv1 restarted: guests talk again", again)?;
    }
    for index in 0..2 {
        if network.plan.sides[index] == Side::Adit
            && let Some(process) = take(network, index)
        {
            let name = network.hypervisors[index].name;
            let ended = process.end().and_then(|status| match status.success() {
                true => hosts_talk(network, 5005 + index as u16, stop),
                false => bail!("it ended with {status}"),
            });
            tell(report, HOSTS, &format!("adit on {name} ended: hosts still talk"), ended)?;
        }
    }
    Ok(())
}

fn take(network: &mut Network, index: usize) -> Option<Process> {
    network.hypervisors[index].switch.take().and_then(Switch::into_process)
}

fn hosts_talk(network: &Network, port: u16, stop: &Stop) -> Result<Finding> {
    let tcp = host_tcp(network, port, stop)?;
    if tcp.good() { host_pings(network, stop) } else { Ok(tcp) }
}

/// What adit said, where something failed or it is gone.
fn complain(network: &mut Network, report: &Report) {
    for hypervisor in &mut network.hypervisors {
        let Some(Switch::Adit(process)) = &mut hypervisor.switch else { continue };
        let gone = !process.running().unwrap_or(false);
        if gone || report.any_failed() {
            let state = if gone { "is gone" } else { "runs" };
            report.note(&format!(
                "  adit on {} {state}; its last words:\n{}",
                hypervisor.name,
                process.last_lines()
            ));
        }
    }
}

/// Bits a second, there and back.
fn rates(there: f64, back: f64) -> Finding {
    let slow = there.min(back) < SLOW;
    let remark = if slow { ": it hardly moves" } else { "" };
    let detail = format!("{} there, {} back{remark}", rate(there), rate(back));
    Finding::new(!slow, detail).figure("there_bits_per_second", there).figure("back_bits_per_second", back)
}

fn rate(bits_per_second: f64) -> String {
    match bits_per_second {
        1e9.. => format!("{:.1} Gbit/s", bits_per_second / 1e9),
        1e8.. => format!("{:.0} Mbit/s", bits_per_second / 1e6),
        _ => format!("{:.1} Mbit/s", bits_per_second / 1e6),
    }
}
