//! A switch as a host would have it: an uplink, two guests, one VXLAN tunnel, and rules: one or two for all packets, or those of many
//! tenants, each with a rule and a tunnel key of its own.

use crate::{Scenario, frames};
use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::flow::{Field, OfPort, Seed};
use datapath::mem::FramePool;
use datapath::pipeline::{Base, Match, Pipeline, Rule, RuleAction};
use datapath::port::{Null, Port, PortId, Slot};
use datapath::stats::SharedStats;
use datapath::tunnel::{Key, Kind, Path, Reach, Remote, TunnelSpec, TunnelTable, Underlay};
use datapath::wire::MacAddr;
use datapath::worker::{Parts, Role, Worker, channel};
use std::net::IpAddr;
use std::sync::Arc;

/// The port into the underlay.
pub const UPLINK: PortId = PortId(0);
/// The guest that sends.
pub const GUEST: PortId = PortId(1);
/// The guest that receives.
pub const OTHER_GUEST: PortId = PortId(2);

/// Frames that come in at a time: as many as a worker takes in one turn.
pub const BURST: usize = datapath::mem::BATCH;
/// Flows that the daemon's workers remember.
pub const REMEMBERED: usize = 1 << 16;

const TUNNEL: OfPort = OfPort(10);

/// Memory for a worker over ports without devices.
///
/// # Errors
/// When there is none.
pub fn umem() -> Result<Umem, af_xdp::Error> {
    let (frames, chunk) = (1024, ChunkSize::K2);
    Umem::new(&UmemConfig { frames, chunk, headroom: 0, huge: false, tx_metadata: true })
}

/// A worker that gets packets of so many flows, round and round, and can remember `remembered` of them.
pub fn worker(umem: &Umem, scenario: Scenario, flows: u32, remembered: usize) -> Worker<'_> {
    with_ports(umem, scenario, ports(scenario, flows), remembered)
}

/// [`worker`], whose packets are of so many tenants, one after another: each has a rule of its own, and a tunnel key.
pub fn worker_of_tenants(
    umem: &Umem,
    scenario: Scenario,
    tenants: u32,
    flows: u32,
    remembered: usize,
) -> Worker<'_> {
    let frame = |flow| match scenario {
        Scenario::Forward | Scenario::Encap => frames::plain_of(flow % tenants, flow),
        Scenario::Decap => frames::tunnelled_of(flow % tenants, flow),
    };
    let slots = sourced(scenario, (0..flows).map(frame).collect());
    let pipeline = Pipeline::new(base(Kind::Vxlan));
    let pipeline = pipeline.with_rules((0..tenants).map(|tenant| rule_of(scenario, tenant)));
    with_pipeline(umem, Arc::new(pipeline), slots, remembered).0
}

/// Ports without devices for it: the source gives packets of so many flows, the others forget what they get.
pub fn ports<'u>(scenario: Scenario, flows: u32) -> Vec<Slot<'u>> {
    let frame = match scenario {
        Scenario::Forward | Scenario::Encap => frames::plain,
        Scenario::Decap => frames::tunnelled,
    };
    sourced(scenario, (0..flows).map(frame).collect())
}

fn sourced<'u>(scenario: Scenario, frames: Vec<Vec<u8>>) -> Vec<Slot<'u>> {
    let source = if scenario == Scenario::Decap { UPLINK } else { GUEST };
    let mut source_port = Some(Null::source(frames, BURST));
    let mut port = |id| {
        let null = if id == source { source_port.take() } else { None };
        Slot::new(Port::Null(null.unwrap_or_else(Null::sink)))
    };
    [UPLINK, GUEST, OTHER_GUEST].map(&mut port).into()
}

/// A worker over these ports: the uplink, then one or two guests.
pub fn with_ports<'u>(
    umem: &'u Umem,
    scenario: Scenario,
    slots: Vec<Slot<'u>>,
    remembered: usize,
) -> Worker<'u> {
    with_pipeline(umem, Arc::new(pipeline(scenario)), slots, remembered).0
}

/// The same with rules of the caller's, and where it publishes its counters.
pub fn with_pipeline<'u>(
    umem: &'u Umem,
    pipeline: Arc<Pipeline>,
    slots: Vec<Slot<'u>>,
    remembered: usize,
) -> (Worker<'u>, Arc<SharedStats>) {
    let roles = [Role::Uplink, Role::Guest(ofport(GUEST)), Role::Guest(ofport(OTHER_GUEST))];
    let (_, inbox) = channel();
    let shared = Arc::new(SharedStats::new(slots.len()));
    let worker = Worker::new(Parts {
        pool: FramePool::new(umem.take_frames()),
        shared: shared.clone(),
        ports: slots.into_iter().zip(roles).collect(),
        pipeline,
        inbox,
        flows: remembered,
        seed: Seed::new(1),
    });
    (worker, shared)
}

/// What `port` sent so far.
pub fn sent(worker: &Worker<'_>) -> u64 {
    worker.slots().iter().map(|slot| slot.counters.tx_packets).sum()
}

fn ofport(port: PortId) -> OfPort {
    OfPort(port.0.into())
}

/// A VXLAN tunnel, all that leads there, and the rules of that scenario.
pub fn pipeline(scenario: Scenario) -> Pipeline {
    Pipeline::new(base(Kind::Vxlan)).with_rules(rules(scenario))
}

/// Ports 1 and 2 for the guests, port 10 for a tunnel of that kind whose key the rules set, and the way to its other end.
pub fn base(kind: Kind) -> Base {
    let (here, there) = (IpAddr::from(frames::HERE), IpAddr::from(frames::THERE));
    let tunnel = TunnelSpec::new(TUNNEL, kind, Remote::Fixed(there), Key::Flow);
    let path = Path {
        uplink: UPLINK,
        local: here,
        src_mac: frames::UPLINK_MAC,
        dst_mac: frames::NEXT_HOP_MAC,
        mtu: 1600,
    };
    let mut underlay = Underlay::default();
    underlay.insert(there, Reach::Via(path));
    let tunnels = TunnelTable::new(vec![tunnel], Seed::new(7)).expect("one tunnel has no rival");
    let guests = [GUEST, OTHER_GUEST].map(|port| (ofport(port), port));
    Base::new(guests, tunnels, [here].into(), underlay)
}

fn rules(scenario: Scenario) -> Vec<Rule> {
    let tenant = u128::from(frames::VNI);
    match scenario {
        Scenario::Forward => vec![rule(
            from(ofport(GUEST)).exact(Field::EthDst, number(frames::OTHER_GUEST_MAC)),
            vec![RuleAction::Output(ofport(OTHER_GUEST))],
        )],
        Scenario::Encap | Scenario::Decap => vec![
            rule(from(ofport(GUEST)), into_tunnel(tenant)),
            rule(from(TUNNEL).exact(Field::TunId, tenant), vec![RuleAction::Output(ofport(GUEST))]),
        ],
    }
}

/// That of one of many tenants.
fn rule_of(scenario: Scenario, tenant: u32) -> Rule {
    let key = u128::from(frames::FIRST_VNI + tenant);
    match scenario {
        Scenario::Forward => rule(
            from(ofport(GUEST)).exact(Field::EthDst, number(frames::other_guest_mac(tenant))),
            vec![RuleAction::Output(ofport(OTHER_GUEST))],
        ),
        Scenario::Encap => rule(
            from(ofport(GUEST)).exact(Field::EthSrc, number(frames::guest_mac(tenant))),
            into_tunnel(key),
        ),
        Scenario::Decap => {
            rule(from(TUNNEL).exact(Field::TunId, key), vec![RuleAction::Output(ofport(OTHER_GUEST))])
        }
    }
}

fn rule(matching: Match, actions: Vec<RuleAction>) -> Rule {
    Rule::acting(1, matching, actions)
}

fn from(port: OfPort) -> Match {
    Match::any().exact(Field::InPort, port.0.into())
}

fn into_tunnel(key: u128) -> Vec<RuleAction> {
    let key = RuleAction::SetField { field: Field::TunId, value: key, mask: Field::TunId.max() };
    vec![key, RuleAction::Output(TUNNEL)]
}

fn number(MacAddr([a, b, c, d, e, f]): MacAddr) -> u128 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_of_every_scenario_comes_out() {
        for scenario in Scenario::ALL {
            let umem = [umem().unwrap(), umem().unwrap()];
            let one = worker(&umem[0], scenario, 10, 1024);
            let many = worker_of_tenants(&umem[1], scenario, 7, 10, 1024);
            for mut worker in [one, many] {
                let handled: usize = (0..10).map(|n| worker.turn(n)).sum();
                assert_eq!((handled, sent(&worker)), (10 * BURST, 10 * BURST as u64), "{scenario}");
            }
        }
    }
}
