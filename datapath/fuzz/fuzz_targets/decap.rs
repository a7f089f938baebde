//! Bytes behind the outer IP header into ports of every kind of tunnel, configured in every way. A packet that is refused is as it was. What
//! comes out of one that is not goes into the same tunnel again, and comes out of that as it went in. Geneve options are read as the reference interpreter of
//! the tests reads them, which takes them for lists of bytes.
//!
//! The first byte of the input says what the outer headers are ([`Outer`]), the second how the ports are configured ([`tunnels`]), the third which options are mapped
//! ([`options_of`]), and, bit 6, that some of these come and add up, bit 7, that GRE is taken in order; the rest follows the IP header.
#![no_main]

use af_xdp::{ChunkSize, Umem, UmemConfig};
use datapath::flow::{Field, FlowKey, OfPort, Seed};
use datapath::mem::{Frame, FramePool};
use datapath::port::PortId;
use datapath::stats::DropReason;
use datapath::tunnel::{
    Counter, Encap, Key, Kind, Last, Mapping, Marks, OptionMap, Order, Path, Remote, TunnelSpec, TunnelTable,
    decap,
};
use datapath::wire::{MacAddr, ethernet, ethertype, ipv4, ipv6, protocol};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

#[allow(dead_code, reason = "what rules do is not done here")]
#[path = "../../tests/reference/options.rs"]
mod options;

use options::Known;

const MEMORY: UmemConfig =
    UmemConfig { frames: 4, chunk: ChunkSize::K4, headroom: 128, huge: false, tx_metadata: false };

fuzz_target!(|input: &[u8]| {
    let [outer, ports, mapped, payload @ ..] = input else { return };
    if payload.len() > 2048 {
        return;
    }
    let outer = Outer(*outer);
    let mut payload = payload.to_vec();
    if mapped & 0x40 != 0 && outer.is_geneve() {
        add_up(&mut payload);
    }
    let payload = outer.plausible(&payload);
    let packet = outer.around(&payload);
    let in_order = mapped & 0x80 != 0;
    let mut tunnels = tunnels(*ports, &outer, in_order);
    let (map, known) = options_of(*mapped);
    tunnels.set_options(map);
    let umem = Umem::new(&MEMORY).expect("memory");
    let mut pool = FramePool::new(umem.take_frames());
    let mut frame = pool.take().expect("there are frames");
    assert!(frame.copy_from(&packet));
    let mut last = Last::after(Some(Order::new(Seed::new(1))));
    let Ok((tunnel, tunnelled)) = decap(&mut frame, &tunnels, |_| true, &mut last) else {
        assert_eq!(frame.bytes(), packet, "a packet that is refused is as it was");
        return;
    };
    let inner = frame.bytes().to_vec();
    // With what was found before at hand, it is the same again.
    let mut second = pool.take().expect("there are frames");
    assert!(second.copy_from(&packet));
    let again = decap(&mut second, &tunnels, |_| true, &mut last);
    let spec = tunnels.spec(tunnel);
    if spec.in_order && payload[0] & GRE_SEQUENCE != 0 {
        assert_eq!((again, second.bytes()), (Err(DropReason::OutOfSequence), &packet[..]));
    } else {
        assert_eq!((again, second.bytes()), (Ok((tunnel, tunnelled)), &inner[..]));
    }
    pool.give(second);
    let mut says = FlowKey::default();
    if spec.kind == Kind::Geneve {
        let len = usize::from(payload[GENEVE] & 0x3f) * 4;
        let there = &payload[GENEVE + 8..GENEVE + 8 + len];
        options::read(&known, there, &mut says).expect("what is taken can be read");
    }
    assert_eq!(tunnelled.options, says.get(Field::OptionPresence) as u16);
    assert_eq!(given(&last, tunnelled.options), says);
    // A key of GRE that can be a network of NVGRE is taken for that first, where there are ports of both.
    if spec.kind == Kind::Gre && tunnelled.id >> 8 >= 0x1000 {
        return;
    }
    assert_eq!(
        back_and_forth(&mut frame, spec, &tunnels, &outer, tunnelled.id as u32, (&known, &says)),
        inner,
        "{spec:?}"
    );
});

/// Where the Geneve header begins, behind UDP.
const GENEVE: usize = 8;
/// In the first byte of GRE.
const GRE_SEQUENCE: u8 = 0x10;

/// Options that may be mapped: class, type, length, and the number of the field. There is no room for all of them.
const OPTIONS: [(u16, u8, u8, u16); 6] = [
    (0x102, 3, 4, 0),
    (0x102, 0x83, 8, 1),
    (0xffff, 0x80, 20, 2),
    (0, 0, 12, 63),
    (0x102, 4, 16, 5),
    (0x8000, 0x7f, 4, 6),
];

/// Those of them whose bits are set, as the switch has them and as the interpreter has them.
fn options_of(mapped: u8) -> (OptionMap, Vec<Known>) {
    let mut map = OptionMap::default();
    for (at, (class, kind, len, index)) in OPTIONS.into_iter().enumerate() {
        if mapped >> at & 1 != 0 {
            let _ = map.add(Mapping { class, kind, len, index });
        }
    }
    // They are sent by the numbers of their fields.
    let known = map.iter().map(|Mapping { class, kind, len, index }| {
        let presence = map.presence(index).expect("it is mapped").into();
        Known { class, kind, len: len.into(), presence, pieces: map.pieces(index).collect() }
    });
    let known = known.collect();
    (map, known)
}

/// Makes what follows a Geneve header options that fill their length, most of them such as may be mapped.
fn add_up(payload: &mut [u8]) {
    let Some(wanted) = payload.get(GENEVE).map(|first| usize::from(first & 0x3f) * 4) else { return };
    let mut at = GENEVE + 8;
    while at < GENEVE + 8 + wanted {
        let Some(head) = payload.get_mut(at..at + 4) else { break };
        if let Some((class, kind, len, _)) = OPTIONS.get(usize::from(head[0] % 8)) {
            head[..2].copy_from_slice(&class.to_be_bytes());
            head[2..].copy_from_slice(&[*kind, len / 4]);
        }
        let len = 4 + usize::from(head[3] & 0x1f) * 4;
        if at + len > (GENEVE + 8 + 0x3f * 4).min(payload.len()) {
            break;
        }
        at += len;
    }
    payload[GENEVE] = payload[GENEVE] & 0xc0 | ((at - GENEVE - 8) / 4) as u8;
}

/// A key with the options that were read last, if there were any.
fn given(last: &Last, options: u16) -> FlowKey {
    let mut key = FlowKey::default();
    if options != 0 {
        last.give_options(&mut key);
    }
    key
}

/// Into the tunnel and out of it, with these options.
fn back_and_forth(
    frame: &mut Frame<'_>,
    spec: &TunnelSpec,
    tunnels: &TunnelTable,
    outer: &Outer,
    key: u32,
    (known, says): (&[Known], &FlowKey),
) -> Vec<u8> {
    let path = Path {
        uplink: PortId(0),
        local: outer.there(),
        src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
        mtu: u16::MAX,
    };
    // From the other end to us, so that the same port takes it.
    let theirs = TunnelSpec { local: None, ..spec.clone() };
    let encap = Encap::new(&theirs, outer.here(), &path).expect("of one family");
    let (options, critical) = options::emitted(known, says);
    let control = if spec.control { Marks::CONTROL } else { 0 };
    let geneve = ((options.len() / 4) as u16) << 8 | if critical { 0x40 } else { 0 } | control;
    let marks = Marks { key, policy: 0x1234_4800, tos: 0xb8, ttl: 9, geneve };
    match options.is_empty() {
        true => encap.push(frame, marks, 0x1234_5678_9abc),
        false => encap.push_with_options(frame, &options, marks, 0x1234_5678_9abc),
    }
    .expect("room for the headers");
    let mut last = Last::default();
    let (_, tunnelled) = decap(frame, tunnels, |_| true, &mut last).expect("what we send is right");
    assert_eq!((tunnelled.id as u32, tunnelled.tos, tunnelled.ttl), (key, 0xb8, 9));
    assert_eq!(given(&last, tunnelled.options), *says);
    frame.bytes().to_vec()
}

/// What is in front of the input. Bit 0: IPv6; 1: GRE; 2: the port and the length of UDP or the protocol type of GRE are put right, which a
/// switch would not look behind otherwise; 3: Geneve; 4: the checksum is put right; 5: so is what a tunnel header must say; 6 and 7: congestion.
struct Outer(u8);

impl Outer {
    fn has(&self, bit: u8) -> bool {
        self.0 >> bit & 1 != 0
    }

    fn address(&self, last: u8) -> IpAddr {
        match self.has(0) {
            false => [192, 0, 2, last].into(),
            true => [last; 16].into(),
        }
    }

    fn here(&self) -> IpAddr {
        self.address(1)
    }

    fn there(&self) -> IpAddr {
        self.address(2)
    }

    fn is_geneve(&self) -> bool {
        self.has(3) && !self.has(1)
    }

    fn protocol(&self) -> u8 {
        if self.has(1) { protocol::GRE } else { protocol::UDP }
    }

    fn plausible(&self, payload: &[u8]) -> Vec<u8> {
        let mut payload = payload.to_vec();
        if self.has(2) {
            self.address_ports(&mut payload);
        }
        if self.has(4) {
            self.sum(&mut payload);
        }
        payload
    }

    fn address_ports(&self, payload: &mut [u8]) {
        let len = payload.len() as u16;
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = payload.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        if self.has(1) {
            put(2, &0x6558_u16.to_be_bytes());
            return;
        }
        let port: u16 = if self.has(3) { 6081 } else { 4789 };
        put(2, &[port.to_be_bytes(), len.to_be_bytes(), [0; 2]].concat());
        match (self.has(5), self.has(3)) {
            (true, false) => put(8, &[8]),
            (true, true) => put(10, &0x6558_u16.to_be_bytes()),
            _ => {}
        }
    }

    fn sum(&self, payload: &mut [u8]) {
        let (at, pseudo) = match self.has(1) {
            // Only where the header says that there is one.
            true if payload.first().is_none_or(|flags| flags & 0x80 == 0) => return,
            true => (4, Vec::new()),
            false => (6, self.pseudo(payload.len())),
        };
        let Some(place) = payload.get_mut(at..at + 2) else { return };
        place.fill(0);
        let sum = match checksum(&[&pseudo[..], payload].concat()) {
            0 if !self.has(1) => 0xffff,
            sum => sum,
        };
        payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// RFC 768, RFC 8200 section 8.1.
    fn pseudo(&self, len: usize) -> Vec<u8> {
        let address = |ip| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        [address(self.there()), address(self.here()), vec![0, 17], (len as u16).to_be_bytes().to_vec()]
            .concat()
    }

    /// Ethernet and IP around the input.
    fn around(&self, payload: &[u8]) -> Vec<u8> {
        let (source, destination) = (MacAddr([2, 0, 0, 0, 0, 2]), MacAddr([2, 0, 0, 0, 0, 1]));
        let link = |ethertype| ethernet::Repr { destination, source, ethertype }.to_bytes().to_vec();
        let (ecn, protocol) = (self.0 >> 6, self.protocol());
        let (from, to) = (self.there(), self.here());
        match (from, to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let ip = ipv4::Repr {
                    dscp: 0,
                    ecn,
                    total_len: (20 + payload.len()) as u16,
                    identification: 0,
                    dont_fragment: true,
                    more_fragments: false,
                    fragment_offset: 0,
                    ttl: 64,
                    protocol,
                    source,
                    destination,
                };
                [link(ethertype::IPV4), ip.to_bytes().to_vec(), payload.to_vec()].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let ip = ipv6::Repr {
                    dscp: 0,
                    ecn,
                    flow_label: 0,
                    payload_len: payload.len() as u16,
                    next_header: protocol,
                    hop_limit: 64,
                    source,
                    destination,
                };
                [link(ethertype::IPV6), ip.to_bytes().to_vec(), payload.to_vec()].concat()
            }
            _ => unreachable!("both are of one version"),
        }
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum = words.sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// One port of each kind. Bit 0: strict; 1: the other end is a peer; 2: it is the only one that a port is for; 3 and 4: any key, one, none,
/// or one and any of two ports; 5: checksums and sequence numbers are sent, and UDP without checksum is taken over IPv6; 6: group policy
/// and control messages; 7: ports have a local end.
fn tunnels(ports: u8, outer: &Outer, in_order: bool) -> TunnelTable {
    let has = |bit: u8| ports >> bit & 1 != 0;
    let keys: &[Key] = match ports >> 3 & 3 {
        0 => &[Key::Flow],
        1 => &[Key::Fixed(0x12_3456)],
        2 => &[Key::Absent],
        _ => &[Key::Fixed(0x12_3456), Key::Flow],
    };
    let each = Kind::ALL.into_iter().flat_map(|kind| keys.iter().map(move |key| (kind, *key)));
    let specs = each.zip(10..).map(|((kind, key), ofport)| TunnelSpec {
        strict: has(0),
        local: has(7).then(|| outer.here()),
        group_policy: has(6),
        zero_checksum_rx: has(5),
        control: has(6) && kind == Kind::Geneve,
        checksum: (has(5) && kind != Kind::Nvgre).then_some(true),
        sequence: (has(5) && kind == Kind::Gre).then(Counter::default),
        in_order: in_order && kind == Kind::Gre,
        ..TunnelSpec::new(
            OfPort(ofport),
            kind,
            if has(2) { Remote::Fixed(outer.there()) } else { Remote::Flow },
            key,
        )
    });
    let mut tunnels = TunnelTable::new(specs.collect(), Seed::new(1)).expect("tunnels that differ");
    if has(1) {
        tunnels.set_peers([outer.there()]);
    }
    tunnels
}
