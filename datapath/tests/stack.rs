//! Two switches, uplink to uplink, and TCP/IP stacks that are not ours as guests of both: they find each other, ping, and
//! move data both ways. Two tenants use the same addresses at the same time and never see a frame of each other. The
//! stacks check every checksum. Time is virtual.
//!
//! ```text
//!   red 10.0.0.1  ─┐            VXLAN            ┌─ red 10.0.0.2
//!                 [here]──192.0.2.1/.2 or v6──[there]
//!  blue 10.0.0.1  ─┘                             └─ blue 10.0.0.2
//! ```

mod common;

use common::*;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{Match, Pipeline, Rule, RuleAction};
use datapath::port::Memory;
use datapath::tunnel::{Path, Reach, Underlay};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::{icmp, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr};

const VOLUME: usize = 100_000;
const PORT: u16 = 80;
const PING: u16 = 0x1234;

/// The guest's end of a port: what a stack sends and receives by.
struct Wire {
    memory: Memory,
    /// Checksums of TCP are left to the device, as Linux does.
    offload: bool,
    seen: Vec<Vec<u8>>,
}

struct Rx(Vec<u8>);

struct Tx<'a>(&'a Wire);

impl phy::RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut frame = vec![0; len];
        let result = fill(&mut frame);
        if self.0.offload {
            leave_checksum_to_device(&mut frame);
        }
        self.0.memory.send(frame).expect("room in the queue");
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        let frame = self.memory.receive()?;
        self.seen.push(frame.clone());
        Some((Rx(frame), Tx(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(self))
    }
}

/// Replaces the checksum of a TCP segment by the sum of its pseudo-header.
fn leave_checksum_to_device(frame: &mut [u8]) {
    let (addresses, tcp) = match (&frame[12..14], frame[23], frame[20]) {
        ([0x08, 0x00], 6, _) => (26..34, 34),
        ([0x86, 0xdd], _, 6) => (22..54, 54),
        _ => return,
    };
    let words = frame[addresses].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum = words.sum::<u32>() + 6 + (frame.len() - tcp) as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[tcp + 16..tcp + 18].copy_from_slice(&(sum as u16).to_be_bytes());
}

/// A stack with one TCP connection.
struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    wire: Wire,
    tcp: SocketHandle,
    icmp: SocketHandle,
    say: Vec<u8>,
    said: usize,
    heard: Vec<u8>,
    /// What the answer to a ping held.
    answer: Option<Vec<u8>>,
}

fn address(six: bool, host: u8) -> IpAddress {
    if six { IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, host.into()) } else { IpAddress::v4(10, 0, 0, host) }
}

/// A stream that nobody takes for another's.
fn stream(tenant: &str, host: u8) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{tenant} {host} {n} ").into_bytes()).take(VOLUME).collect()
}

impl Host {
    fn new(memory: &Memory, tenant: &str, host: u8, offload: bool) -> Host {
        let mut wire = Wire { memory: memory.clone(), offload, seen: Vec::new() };
        let mac = EthernetAddress([2, 0, 0, 0, 1, host]);
        let mut interface = Interface::new(Config::new(mac.into()), &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for (six, prefix) in [(false, 24), (true, 64)] {
                addresses.push(IpCidr::new(address(six, host), prefix)).expect("room for two");
            }
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = || tcp::SocketBuffer::new(vec![0; 20_000]);
        let packets = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 512]);
        let tcp = sockets.add(tcp::Socket::new(buffer(), buffer()));
        let icmp = sockets.add(icmp::Socket::new(packets(), packets()));
        sockets
            .get_mut::<icmp::Socket<'_>>(icmp)
            .bind(icmp::Endpoint::Ident(PING))
            .expect("a free identifier");
        Host {
            interface,
            sockets,
            wire,
            tcp,
            icmp,
            say: stream(tenant, host),
            said: 0,
            heard: Vec::new(),
            answer: None,
        }
    }

    fn listen(&mut self) {
        self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp).listen(PORT).expect("a closed socket");
    }

    fn connect(&mut self, to: IpAddress) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp);
        socket.connect(self.interface.context(), (to, PORT), 40_000).expect("a closed socket");
    }

    /// Sends an echo request.
    fn ping(&mut self, to: IpAddress, text: &[u8]) {
        let echo = Icmpv4Repr::EchoRequest { ident: PING, seq_no: 1, data: text };
        let socket = self.sockets.get_mut::<icmp::Socket<'_>>(self.icmp);
        let room = socket.send(echo.buffer_len(), to).expect("room");
        echo.emit(&mut Icmpv4Packet::new_unchecked(room), &phy::ChecksumCapabilities::default());
    }

    fn take_answer(&mut self) -> Option<Vec<u8>> {
        let (bytes, _) = self.sockets.get_mut::<icmp::Socket<'_>>(self.icmp).recv().ok()?;
        let packet = Icmpv4Packet::new_checked(bytes).ok()?;
        match Icmpv4Repr::parse(&packet, &phy::ChecksumCapabilities::default()).ok()? {
            Icmpv4Repr::EchoReply { data, .. } => Some(data.to_vec()),
            _ => None,
        }
    }

    fn step(&mut self, now: Instant) {
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        self.answer = self.answer.take().or_else(|| self.take_answer());
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp);
        if socket.can_send() && self.said < self.say.len() {
            self.said += socket.send_slice(&self.say[self.said..]).expect("an open socket");
        }
        while socket.can_recv() {
            let heard = &mut self.heard;
            socket.recv(|bytes| (bytes.len(), heard.extend_from_slice(bytes))).expect("an open socket");
        }
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
    }

    fn has_seen(&self, text: &str) -> bool {
        self.wire.seen.iter().any(|frame| frame.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

/// Guest 1 is red, guest 2 is blue.
fn rules() -> Vec<Rule> {
    let output = |port| RuleAction::Output(OfPort(port));
    let tenants = [(1, 100), (2, 200)];
    let rule = |matching, actions| Rule::acting(1, matching, actions);
    tenants
        .into_iter()
        .flat_map(|(port, id)| {
            let tag = RuleAction::SetField { field: Field::TunId, value: id, mask: Field::TunId.max() };
            let from_tunnel = Match::any().exact(Field::InPort, TUNNEL.into()).exact(Field::TunId, id);
            [
                rule(Match::any().exact(Field::InPort, port), vec![tag, output(TUNNEL)]),
                rule(from_tunnel, vec![output(port as u32)]),
            ]
        })
        .collect()
}

fn one_end(here: &str, there: &str) -> Pipeline {
    let mut underlay = Underlay::default();
    let (src_mac, dst_mac) = (UPLINK_MAC, NEXT_HOP_MAC);
    underlay
        .insert(ip(there), Reach::Via(Path { uplink: UPLINK, local: ip(here), src_mac, dst_mac, mtu: MTU }));
    pipeline_over(1, rules(), 2, vec![tunnel(there)], underlay, &[here])
}

fn carry(from: &Switch<'_>, to: &Switch<'_>) {
    for packet in from.out(0) {
        to.wires[0].send(packet).expect("room in the queue");
    }
}

fn both_tenants_move_their_data(here: &str, there: &str, six: bool, offload: bool) {
    let (memory, other) = (umem(), umem());
    let mut left = Switch::new(&memory, one_end(here, there), 2);
    let mut right = Switch::new(&other, one_end(there, here), 2);
    let free = left.worker.free_frames();
    let tenants = ["red", "blue"];
    let mut clients = [1, 2].map(|n| Host::new(&left.wires[n], tenants[n - 1], 1, offload));
    let mut servers = [1, 2].map(|n| Host::new(&right.wires[n], tenants[n - 1], 2, offload));
    for (client, server, tenant) in pairs(&mut clients, &mut servers, tenants) {
        client.ping(address(false, 2), tenant.as_bytes());
        server.listen();
        client.connect(address(six, 2));
    }
    let mut now = Instant::ZERO;
    let done = |hosts: &[Host; 2]| hosts.iter().all(|host| host.heard.len() == VOLUME);
    let answered = |hosts: &[Host; 2]| hosts.iter().all(|host| host.answer.is_some());
    while !(done(&clients) && done(&servers) && answered(&clients)) && now < Instant::from_secs(60) {
        clients.iter_mut().chain(&mut servers).for_each(|host| host.step(now));
        left.turn();
        carry(&left, &right);
        right.turn();
        carry(&right, &left);
        left.turn();
        now += smoltcp::time::Duration::from_millis(1);
    }
    for (client, server, tenant) in pairs(&mut clients, &mut servers, tenants) {
        assert_eq!(client.answer.as_deref(), Some(tenant.as_bytes()), "the answer to a ping of {tenant}");
        assert!(client.heard == stream(tenant, 2), "{tenant}: {} bytes arrived", client.heard.len());
        assert!(server.heard == stream(tenant, 1), "{tenant}: {} bytes arrived", server.heard.len());
    }
    for (host, own, others) in [
        (&clients[0], "red", "blue"),
        (&servers[0], "red", "blue"),
        (&clients[1], "blue", "red"),
        (&servers[1], "blue", "red"),
    ] {
        assert!(host.has_seen(own) && !host.has_seen(others), "isolation of {own}");
    }
    for switch in [&left, &right] {
        assert_eq!(switch.drops(), []);
    }
    assert_eq!(left.worker.free_frames(), free);
    assert!(now < Instant::from_secs(5), "without loss it takes little time, not {now}");
}

fn pairs<'a>(
    clients: &'a mut [Host; 2],
    servers: &'a mut [Host; 2],
    tenants: [&'static str; 2],
) -> impl Iterator<Item = (&'a mut Host, &'a mut Host, &'static str)> {
    clients.iter_mut().zip(servers).zip(tenants).map(|((client, server), tenant)| (client, server, tenant))
}

#[test]
fn ipv4_through_ipv4() {
    both_tenants_move_their_data("192.0.2.1", "192.0.2.2", false, false);
}

#[test]
fn ipv6_through_ipv4_with_checksums_left_to_the_device() {
    both_tenants_move_their_data("192.0.2.1", "192.0.2.2", true, true);
}

#[test]
fn ipv4_through_ipv6_with_checksums_left_to_the_device() {
    both_tenants_move_their_data("2001:db8::1", "2001:db8::2", false, true);
}

#[test]
fn ipv6_through_ipv6() {
    both_tenants_move_their_data("2001:db8::1", "2001:db8::2", true, false);
}
