//! From what was asked for to what will be done: everything that can be wrong with a wish is found here, before a frame leaves.

use super::Args;
use super::pace::Rate;
use super::template::{Look, Template};
use super::tunnel::Tunnel;
use crate::netlink::links::Device;
use crate::traffic::amount::{IpPrefix, MacPrefix};
use crate::traffic::mark::FRAMES_MAX;
use anyhow::{Context, Result, bail, ensure};
use datapath::tunnel::Kind;
use datapath::wire::{MacAddr, ethernet, vlan};
use ebpf::traffic::Turn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How many headers are kept: streams times lengths. 160 bytes each.
const TEMPLATES_MAX: usize = 1 << 20;
/// Addresses set aside for benchmarks: RFC 2544 appendix C.2.2, and RFC 5180 section 8.
const FROM_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1));
const TO_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 0, 1));
const FROM_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1));
const TO_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 1, 0, 0, 0, 1));
/// Whom frames are for unless told otherwise: local addresses that nobody has.
const FROM: MacAddr = MacAddr([0x02, 0xad, 0x17, 0, 0, 1]);
const TO: MacAddr = MacAddr([0x02, 0xad, 0x17, 0, 0, 2]);

/// What will be done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) look: Look,
    /// Lengths in the order in which they take turns.
    pub(super) sizes: Vec<u16>,
    /// Each length once.
    classes: Vec<u16>,
    pub(super) streams: u32,
    pub(super) tenants: u32,
    /// Frames a second.
    pub(super) rate: Option<u64>,
    pub(super) burst: u32,
    pub(super) count: u64,
    pub(super) duration: Option<Duration>,
}

impl Plan {
    /// What `args` ask for, on this device.
    pub(super) fn new(args: &Args, device: &Device, run: u16) -> Result<Plan> {
        let tenants = u32::try_from(args.tenants.0).ok().filter(|tenants| *tenants > 0);
        let tenants = tenants.with_context(|| format!("--tenants {}: one or more", args.tenants.0))?;
        let streams = args.flows.map_or(tenants.into(), |flows| flows.0);
        ensure!(streams > 0, "--flows 0: one flow or more");
        ensure!(
            streams >= tenants.into(),
            "--flows {streams}: {tenants} tenants have at least one flow each"
        );
        let look = look(args, device, run, tenants)?;
        let sizes = sizes(args, &look, device)?;
        let mut classes = sizes.clone();
        classes.sort_unstable();
        classes.dedup();
        let templates = usize::try_from(streams).unwrap_or(usize::MAX).saturating_mul(classes.len());
        ensure!(
            templates <= TEMPLATES_MAX,
            "--flows {streams}: with {} lengths of frames there may be {} flows, since headers are made beforehand",
            classes.len(),
            TEMPLATES_MAX / classes.len()
        );
        let rate = args.rate.map(|rate| rate.0);
        ensure!(rate != Some(0), "--rate 0: no traffic at all; leave --rate out for as much as there can be");
        ensure!(args.burst > 0, "--burst 0: one frame or more");
        let count = args.count.map_or(FRAMES_MAX, |count| count.0);
        ensure!(count > 0, "--count 0: one frame or more");
        ensure!(count <= FRAMES_MAX, "--count {count}: {FRAMES_MAX} at most");
        let streams = streams as u32;
        let (burst, duration) = (args.burst, args.duration);
        Ok(Plan { look, sizes, classes, streams, tenants, rate, burst, count, duration })
    }

    pub(super) fn pace(&self) -> Rate {
        self.rate.map_or(Rate::UNLIMITED, |rate| Rate::new(rate, self.burst))
    }

    pub(super) fn longest(&self) -> u16 {
        self.classes.last().copied().unwrap_or(0)
    }

    /// The headers of all streams, for each length.
    pub(super) fn templates(&self) -> impl Iterator<Item = Template> {
        self.classes.iter().flat_map(|size| (0..self.streams).map(|stream| self.look.template(stream, *size)))
    }

    pub(super) fn templates_len(&self) -> usize {
        self.classes.len() * self.streams as usize
    }

    /// Which headers belong to which turn.
    pub(super) fn turns(&self) -> Vec<Turn> {
        let turn = |size: &u16| {
            let class = self.classes.binary_search(size).unwrap_or(0) as u32;
            Turn {
                templates: class * self.streams,
                len: u32::from(*size),
                shorter: u32::from(self.longest() - size),
            }
        };
        self.sizes.iter().map(turn).collect()
    }
}

fn look(args: &Args, device: &Device, run: u16, tenants: u32) -> Result<Look> {
    let tunnel = args.encap.map(|kind| tunnel(args, kind, device, tenants)).transpose()?;
    ensure!(
        tenants == 1 || tunnel.is_some() || args.vlan.is_some(),
        "--tenants {tenants}: by what shall they be told apart? By tunnel keys (--encap) or by VLANs (--vlan)"
    );
    if let Some(first) = args.vlan {
        // With tunnels the key tells tenants apart, and the tag is theirs as well.
        let last = u32::from(first) + tenants - 1;
        ensure!((1..4095).contains(&first), "--vlan {first}: VLANs are 1 to 4094");
        ensure!(
            last < 4095,
            "--vlan {first}: with {tenants} tenants the last one is {last}, and VLANs end at 4094"
        );
    }
    let ip = |given: Option<IpPrefix>, v4: IpAddr, v6: IpAddr| {
        given.unwrap_or_else(|| IpPrefix::one(if args.ipv6 { v6 } else { v4 }))
    };
    let (src_ip, dst_ip) = (ip(args.src_ip, FROM_V4, FROM_V6), ip(args.dst_ip, TO_V4, TO_V6));
    for (option, prefix) in [("--src-ip", &src_ip), ("--dst-ip", &dst_ip)] {
        ensure!(
            prefix.is_ipv6() == args.ipv6,
            "{option}: an address of IPv{}, and frames are of IPv{} ({})",
            if prefix.is_ipv6() { 6 } else { 4 },
            if args.ipv6 { 6 } else { 4 },
            if args.ipv6 { "--ipv6 is given" } else { "--ipv6 is not given" }
        );
    }
    let src_mac = args.src_mac.unwrap_or(MacPrefix::one(FROM));
    let dst_mac = args.dst_mac.unwrap_or(MacPrefix::one(TO));
    Ok(Look { run, tenants, vlan: args.vlan, src_mac, dst_mac, src_ip, dst_ip, tunnel })
}

fn tunnel(args: &Args, kind: Kind, device: &Device, tenants: u32) -> Result<Tunnel> {
    let remote = args.remote.context("--encap: where to? Give --remote ADDRESS")?;
    let local =
        match args.local {
            Some(local) => local,
            None => device.endpoints().find(|address| address.is_ipv4() == remote.is_ipv4()).with_context(
                || format!("{} has no address of {remote}'s kind: give --local ADDRESS", device.name),
            )?,
        };
    ensure!(
        local.is_ipv4() == remote.is_ipv4(),
        "--local {local} and --remote {remote}: one is of IPv4, the other of IPv6"
    );
    let local_mac = args.local_mac.or(device.mac);
    let local_mac = local_mac.with_context(|| format!("{} has no Ethernet address", device.name))?;
    let remote_mac = args.remote_mac.with_context(|| {
        format!(
            "--encap: which Ethernet address leads to {remote}? Give --remote-mac (`ip neighbour` shows it)"
        )
    })?;
    let (key, last) = (args.key, u64::from(args.key) + u64::from(tenants) - 1);
    ensure!(
        last <= kind.key_max(),
        "--key {key}: with {tenants} tenants the last key is {last}, and {kind} has keys up to {}",
        kind.key_max()
    );
    if args.udp_port.is_some() && kind.port().is_none() {
        bail!("--udp-port: {kind} is no UDP");
    }
    let port = args.udp_port.or(kind.port()).unwrap_or(0);
    Ok(Tunnel { kind, local, remote, local_mac, remote_mac, port, key })
}

fn sizes(args: &Args, look: &Look, device: &Device) -> Result<Vec<u16>> {
    let (least, outer) = (look.size_min(), look.outer_len());
    let mut sizes = args.size.list.clone();
    if args.size.mix {
        for size in &mut sizes {
            *size = (usize::from(*size) + outer).max(least) as u16;
        }
    }
    let tag = if look.tunnel.is_none() && look.vlan.is_some() { vlan::HEADER_LEN } else { 0 };
    let most = device.mtu as usize + ethernet::HEADER_LEN + tag;
    for size in &sizes {
        let size = usize::from(*size);
        ensure!(
            size >= least,
            "--size {size}: too short for what is in a frame ({}): {least} or more",
            look.parts()
        );
        ensure!(
            size <= most,
            "--size {size}: {} carries frames of {most} bytes at most, its MTU being {} (ip link set {} mtu {})",
            device.name,
            device.mtu,
            device.name,
            size - ethernet::HEADER_LEN - tag
        );
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn device() -> Device {
        Device {
            index: 3,
            name: "eth1".into(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 9])),
            mtu: 1500,
            kind: None,
            alias: None,
            ethernet: true,
            up: true,
            running: true,
            rx_queues: 1,
            addresses: vec!["192.0.2.1".parse().unwrap()],
        }
    }

    fn plan(words: &str) -> Result<Plan> {
        let words = ["gen", "eth1"].into_iter().chain(words.split_whitespace());
        Plan::new(&Line::try_parse_from(words)?.args, &device(), 1)
    }

    fn refusal(words: &str) -> String {
        format!("{:#}", plan(words).unwrap_err())
    }

    const VXLAN: &str = "--encap vxlan --remote 192.0.2.2 --remote-mac 02:00:00:00:00:02";

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let vxlan = |more: &str| refusal(&format!("{VXLAN} {more}"));
        assert!(vxlan("").contains(
            "--size 64: too short for what is in a frame (vxlan over IPv4 50, Ethernet 14, IPv4 20, UDP 8, the mark 18): 110 or more"
        ));
        assert!(refusal("--size 1515").contains("carries frames of 1514 bytes at most"));
        assert!(refusal("--rate 0").contains("--rate 0"));
        assert!(refusal("--count 0").contains("--count 0"));
        assert!(refusal("--flows 0").contains("--flows 0"));
        assert!(refusal("--flows 2M").contains("1048576 flows"));
        assert!(refusal("--tenants 2").contains("--encap"));
        assert!(refusal("--tenants 2 --flows 1 --vlan 5").contains("at least one flow each"));
        assert!(refusal("--tenants 100 --vlan 4000").contains("VLANs end at 4094"));
        assert!(refusal("--ipv6").contains("80 or more"));
        assert!(refusal("--size 100 --ipv6 --src-ip 198.18.0.1").contains("--src-ip: an address of IPv4"));
        assert!(vxlan("--size 200 --key 16777215 --tenants 2").contains("keys up to 16777215"));
        assert!(vxlan("--size 200 --local ::1").contains("one is of IPv4, the other of IPv6"));
        assert!(refusal("--encap gre --size 200").contains("--remote ADDRESS"));
        assert!(refusal("--encap gre --size 200 --remote 192.0.2.2").contains("--remote-mac"));
        assert!(refusal("--encap gre --size 200 --remote 2001:db8::2").contains("give --local ADDRESS"));
    }

    #[test]
    fn a_plan_has_headers_for_every_stream_and_length() {
        let plan = plan("--size 100,64,100 --flows 10").unwrap();
        assert_eq!((plan.templates().count(), plan.templates_len(), plan.longest()), (20, 20, 100));
        let turns: Vec<_> =
            plan.turns().iter().map(|turn| (turn.templates, turn.len, turn.shorter)).collect();
        assert_eq!(turns, [(10, 100, 0), (0, 64, 36), (10, 100, 0)]);
        assert!(plan.look.tunnel.is_none());
    }

    #[test]
    fn a_mix_is_of_what_is_inside() {
        let plan = plan(&format!("{VXLAN} --size imix")).map(|plan| plan.sizes);
        assert!(plan.is_err(), "1514 and 50 do not fit: {plan:?}");
        assert!(super::tests::plan("--size imix --ipv6").unwrap().sizes.contains(&80));
    }

    #[test]
    fn our_end_is_the_devices_address() {
        let plan = plan(&format!("{VXLAN} --size 200")).unwrap();
        let tunnel = plan.look.tunnel.unwrap();
        assert_eq!(
            (tunnel.local.to_string(), tunnel.local_mac),
            ("192.0.2.1".into(), MacAddr([2, 0, 0, 0, 0, 9]))
        );
    }
}
