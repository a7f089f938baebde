//! The mirror without a kernel: facts and answers in, the underlay out.

use super::*;
use datapath::tunnel::Reach;
use datapath::wire::MacAddr;

const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const LOCAL: IpAddr = v4(1);
const REMOTE: IpAddr = v4(2);
const GATEWAY: IpAddr = v4(254);

const fn v4(last: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, last))
}

fn eth1() -> Link {
    Link { index: 2, name: "eth1".into(), mac: Some(HERE), mtu: 1500, up: true, running: true }
}

fn entry(nud: Nud) -> Neighbour {
    Neighbour { mac: Some(THERE), nud, managed: false, learned: false }
}

fn route() -> Route {
    Route { index: 2, gateway: None, source: Some(LOCAL), mtu: None }
}

fn path() -> Path {
    Path { uplink: PortId(7), local: LOCAL, src_mac: HERE, dst_mac: THERE, mtu: 1500 }
}

/// Uplink eth1, one remote on the link with a reachable neighbour entry.
fn settled() -> State {
    let mut state = State::new(&[Uplink { device: "eth1".into(), port: PortId(7) }]);
    state.set_remotes([Remote::from(REMOTE)]);
    let neighbour = Fact::Neighbour((2, REMOTE), entry(Nud::Reachable));
    state.replace([Fact::Link(eth1()), Fact::Addr(2, LOCAL), neighbour]);
    state.answer(Remote::from(REMOTE), Ok(route()));
    assert_eq!(state.stale(), None);
    state
}

fn reach(state: &State) -> Reach {
    state.underlay().reach(REMOTE)
}

#[test]
fn a_new_mirror_knows_nothing_and_asks_for_everything() {
    let mut state = State::new(&[]);
    assert!(state.lost());
    assert!(state.set_remotes([Remote::from(REMOTE)]));
    assert_eq!(state.stale(), Some(Remote::from(REMOTE)));
    assert_eq!(reach(&state), Reach::NoRoute);
    assert_eq!(state.find(REMOTE), Finding::Unasked);
    assert_eq!(state.find(GATEWAY), Finding::Unwatched);
}

#[test]
fn neighbours_are_usable_by_their_state() {
    use Nud::{Delay, Failed, Incomplete, Noarp, None, Permanent, Probe, Reachable, Stale};
    for (nud, usable, asks) in [
        (None, false, true),
        (Incomplete, false, false),
        (Reachable, true, false),
        (Stale, true, true),
        (Delay, true, false),
        (Probe, true, false),
        (Failed, false, true),
        (Noarp, true, false),
        (Permanent, true, false),
    ] {
        let mut state = settled();
        state.learn(Fact::Neighbour((2, REMOTE), entry(nud)));
        assert_eq!(reach(&state), if usable { Reach::Via(path()) } else { Reach::NoNeighbour }, "{nud}");
        assert_eq!(state.next_hops(), BTreeMap::from([((2, REMOTE), asks)]), "{nud}");
    }
}

#[test]
fn a_stale_neighbour_that_somebody_looks_after_is_not_asked_for() {
    for (managed, learned) in [(true, false), (false, true)] {
        let mut state = settled();
        state.learn(Fact::Neighbour((2, REMOTE), Neighbour { managed, learned, ..entry(Nud::Stale) }));
        assert_eq!(state.next_hops(), BTreeMap::from([((2, REMOTE), false)]));
    }
}

#[test]
fn the_neighbour_of_a_gateway_counts_and_not_that_of_the_remote() {
    let mut state = settled();
    state.answer(Remote::from(REMOTE), Ok(Route { gateway: Some(GATEWAY), ..route() }));
    assert_eq!(reach(&state), Reach::NoNeighbour);
    assert_eq!(state.next_hops(), BTreeMap::from([((2, GATEWAY), true)]));
    state.learn(Fact::Neighbour((2, GATEWAY), entry(Nud::Permanent)));
    assert_eq!(reach(&state), Reach::Via(path()));
}

#[test]
fn the_same_address_on_another_device_is_another_neighbour() {
    let mut state = settled();
    assert_eq!(state.learn(Fact::Neighbour((3, REMOTE), entry(Nud::Failed))), Effect::None);
    assert_eq!(state.learn(Fact::NeighbourGone((3, REMOTE))), Effect::None);
    assert_eq!(reach(&state), Reach::Via(path()));
    assert_eq!(state.learn(Fact::NeighbourGone((2, REMOTE))), Effect::Changed);
    assert_eq!(reach(&state), Reach::NoNeighbour);
}

#[test]
fn the_mtu_is_the_least_and_fits_its_field() {
    for (link, route_mtu, expected) in
        [(1500, None, 1500), (1500, Some(1400), 1400), (1500, Some(9000), 1500), (65536, None, 65535)]
    {
        let mut state = settled();
        state.learn(Fact::Link(Link { mtu: link, ..eth1() }));
        state.answer(Remote::from(REMOTE), Ok(Route { mtu: route_mtu, ..route() }));
        assert_eq!(reach(&state), Reach::Via(Path { mtu: expected, ..path() }));
    }
}

#[test]
fn a_changed_link_makes_every_route_uncertain_and_an_unchanged_one_does_not() {
    let mut state = settled();
    assert_eq!(state.learn(Fact::Link(eth1())), Effect::None);
    assert_eq!(state.learn(Fact::Link(Link { mac: Some(THERE), ..eth1() })), Effect::ChangedEarly);
    assert_eq!(state.stale(), Some(Remote::from(REMOTE)));
    assert_eq!(reach(&state), Reach::Via(Path { src_mac: THERE, ..path() }));
}

#[test]
fn a_link_that_cannot_carry_packets_is_no_way() {
    for (link, told) in [
        (
            Link { up: false, running: false, ..eth1() },
            "no route: its uplink eth1 is down (ip link set eth1 up)",
        ),
        (Link { running: false, ..eth1() }, "no route: its uplink eth1 has no carrier"),
        (Link { mac: None, ..eth1() }, "no route: its uplink eth1 is no Ethernet device"),
    ] {
        let mut state = settled();
        state.learn(Fact::Link(link));
        assert_eq!((reach(&state), state.find(REMOTE).to_string().as_str()), (Reach::NoRoute, told));
        assert!(state.next_hops().is_empty(), "nobody to ask for over a dead link");
    }
}

#[test]
fn a_route_without_source_address_is_no_way_unless_our_end_is_configured() {
    let mut state = settled();
    state.answer(Remote::from(REMOTE), Ok(Route { source: None, ..route() }));
    assert_eq!(state.find(REMOTE), Finding::NoSource { device: "eth1" });
    let remote = Remote { addr: REMOTE, local: Some(GATEWAY) };
    assert!(state.set_remotes([remote]));
    state.answer(remote, Ok(Route { source: None, ..route() }));
    assert_eq!(reach(&state), Reach::Via(Path { local: GATEWAY, ..path() }));
}

#[test]
fn a_device_that_goes_takes_its_neighbours_and_addresses_along() {
    let mut state = settled();
    assert_eq!(state.learn(Fact::LinkGone(2)), Effect::ChangedEarly);
    assert_eq!(state.learn(Fact::LinkGone(2)), Effect::None);
    assert_eq!(reach(&state), Reach::NoRoute);
    assert_eq!(state.neighbour((2, REMOTE)), None);
    assert!(!state.has_addr(LOCAL));
}

#[test]
fn a_device_that_becomes_an_uplink_has_everything_read_again() {
    let mut state = settled();
    state.learn(Fact::Link(Link { name: "old".into(), ..eth1() }));
    assert!(!state.lost());
    state.learn(Fact::Link(eth1()));
    assert!(state.lost());
}

#[test]
fn only_routes_that_a_change_covers_are_asked_for_again() {
    let mut state = settled();
    let far = "2001:db8::1".parse().unwrap();
    state.set_remotes([Remote::from(REMOTE), Remote::from(far)]);
    state.answer(Remote::from(far), Err(Refusal::Errno(libc::ENETUNREACH)));
    for (prefix, length, effect) in [
        (v4(0), 24, Effect::Changed),
        (v4(2), 32, Effect::Changed),
        (v4(3), 32, Effect::None),
        (v4(4), 30, Effect::None),
        (IpAddr::from([0, 0, 0, 0]), 0, Effect::Changed),
    ] {
        assert_eq!(state.learn(Fact::Routes(Some((prefix, length)))), effect, "{prefix}/{length}");
        if effect == Effect::Changed {
            assert_eq!(state.stale(), Some(Remote::from(REMOTE)));
            state.answer(Remote::from(REMOTE), Ok(route()));
        }
        assert_eq!(state.stale(), None);
    }
    state.learn(Fact::Routes(Some(("2001:db8::".parse().unwrap(), 32))));
    assert_eq!(state.stale(), Some(Remote::from(far)));
    state.learn(Fact::Routes(None));
    assert_eq!(state.stale, BTreeSet::from([REMOTE, far]));
}

#[test]
fn prefixes_longer_than_an_address_cover_only_that_address() {
    assert!(covers(v4(2), 255, v4(2)) || !covers(v4(2), 32, v4(3)));
    assert!(!covers(v4(2), 255, v4(3)));
}

#[test]
fn remotes_that_stay_keep_their_answers() {
    let mut state = settled();
    assert!(!state.set_remotes([Remote::from(REMOTE)]), "no change");
    assert!(!state.set_remotes([Remote::from(REMOTE), Remote::from(REMOTE)]), "named twice is once");
    assert!(state.set_remotes([Remote::from(REMOTE), Remote::from(GATEWAY)]));
    assert_eq!(state.stale(), Some(Remote::from(GATEWAY)));
    assert_eq!(reach(&state), Reach::Via(path()));
    assert!(state.set_remotes([]));
    assert_eq!(state.stale(), None);
    assert_eq!(state.underlay(), Underlay::default());
}

#[test]
fn an_answer_for_a_remote_that_has_gone_is_dropped() {
    let mut state = settled();
    state.answer(Remote::from(GATEWAY), Ok(route()));
    assert_eq!(state.underlay().iter().count(), 1);
}

#[test]
fn the_underlay_is_the_same_when_nothing_that_matters_changed() {
    let mut state = settled();
    let before = state.underlay();
    state.learn(Fact::Neighbour((2, REMOTE), entry(Nud::Stale)));
    state.learn(Fact::Addr(2, GATEWAY));
    state.answer(Remote::from(REMOTE), Ok(route()));
    assert_eq!(state.underlay(), before);
}

#[test]
fn followed_devices_are_told_of_by_name_with_the_addresses_that_tunnels_can_end_at() {
    let mut state = settled();
    assert_eq!(state.present(), BTreeMap::new());
    state.follow(["eth1".to_string(), "g1".to_string()].into());
    let (mac, mtu) = (Some(HERE), 1500);
    let eth1 = Presence { index: 2, up: true, running: true, mac, mtu, endpoints: [LOCAL].into() };
    state.learn(Fact::Addr(2, "fe80::1".parse().unwrap()));
    assert_eq!(state.present(), BTreeMap::from([("eth1".to_string(), eth1.clone())]));
    state.learn(Fact::Link(Link { index: 9, name: "g1".into(), up: false, ..self::eth1() }));
    let g1 = Presence { index: 9, mac, mtu, ..Presence::default() };
    assert_eq!(state.present(), BTreeMap::from([("eth1".to_string(), eth1), ("g1".to_string(), g1.clone())]));
    state.learn(Fact::LinkGone(2));
    assert_eq!(state.present(), BTreeMap::from([("g1".to_string(), g1)]));
    assert!(state.exists(9) && !state.exists(2));
}
