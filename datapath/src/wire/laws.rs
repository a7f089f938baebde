//! Laws that hold for all codecs together: no bytes make them panic, what is shown lies inside what was given,
//! and what another library builds reads the same here.

use etherparse::{IpNumber, PacketBuilder};
use proptest::collection::vec;
use proptest::prelude::*;

use super::checksum::{Sum, pseudo_v4, pseudo_v6};
use super::*;

// scapy: Ether(dst='02:00:00:00:00:02', src='02:00:00:00:00:01')
//        /IP(src='192.0.2.1', dst='192.0.2.2', id=0, flags='DF')/UDP(sport=50000, dport=4789, chksum=0)
//        /VXLAN(flags=0x08, vni=100)/Ether(dst='52:54:00:00:00:02', src='52:54:00:00:00:01')
//        /IP(src='10.0.0.1', dst='10.0.0.2')/ICMP(id=1, seq=2)
const TUNNELLED: [u8; 92] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x45, 0x00, 0x00,
    0x4e, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb6, 0x9b, 0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0x02,
    0xc3, 0x50, 0x12, 0xb5, 0x00, 0x3a, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x64, 0x00, 0x52,
    0x54, 0x00, 0x00, 0x00, 0x02, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x45, 0x00, 0x00, 0x1c,
    0x00, 0x01, 0x00, 0x00, 0x40, 0x01, 0x66, 0xde, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02, 0x08,
    0x00, 0xf7, 0xfc, 0x00, 0x01, 0x00, 0x02,
];

// scapy: Ether(dst='33:33:ff:00:00:02', src='52:54:00:00:00:01')/Dot1Q(vlan=100)
//        /IPv6(src='2001:db8::1', dst='ff02::1:ff00:2')/IPv6ExtHdrHopByHop()/IPv6ExtHdrFragment()
//        /ICMPv6ND_NS(tgt='2001:db8::2')/ICMPv6NDOptSrcLLAddr(lladdr='52:54:00:00:00:01')
const SOLICITATION: [u8; 106] = [
    0x33, 0x33, 0xff, 0x00, 0x00, 0x02, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0x81, 0x00, 0x00, 0x64, 0x86,
    0xdd, 0x60, 0x00, 0x00, 0x00, 0x00, 0x30, 0x00, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x01, 0xff, 0x00, 0x00, 0x02, 0x2c, 0x00, 0x01, 0x04, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x87, 0x00, 0xcb, 0xd2, 0x00, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d,
    0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x01, 0x01, 0x52, 0x54,
    0x00, 0x00, 0x00, 0x01,
];

// scapy: Ether(dst='ff:ff:ff:ff:ff:ff', src='52:54:00:00:00:01')/Dot1AD(vlan=5)/Dot1Q(vlan=6)
//        /ARP(op=1, hwsrc='52:54:00:00:00:01', psrc='192.0.2.1', pdst='192.0.2.2')
const QUESTION: [u8; 50] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0x88, 0xa8, 0x00, 0x05, 0x81,
    0x00, 0x00, 0x06, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x52, 0x54, 0x00, 0x00,
    0x00, 0x01, 0xc0, 0x00, 0x02, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x02, 0x02,
];

// scapy: Ether(dst='52:54:00:00:00:02', src='52:54:00:00:00:01')
//        /IP(src='192.0.2.1', dst='198.51.100.2', options=[IPOption_Router_Alert()])
//        /TCP(sport=51000, dport=443, flags='S', options=[('MSS', 1460)])
const SYN: [u8; 62] = [
    0x52, 0x54, 0x00, 0x00, 0x00, 0x02, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x46, 0x00, 0x00,
    0x30, 0x00, 0x01, 0x00, 0x00, 0x40, 0x06, 0xf9, 0x8b, 0xc0, 0x00, 0x02, 0x01, 0xc6, 0x33, 0x64, 0x02,
    0x94, 0x04, 0x00, 0x00, 0xc7, 0x38, 0x01, 0xbb, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x60,
    0x02, 0x20, 0x00, 0xc2, 0xfb, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4,
];

// scapy: Ether(dst='02:00:00:00:00:02', src='02:00:00:00:00:01')
//        /IPv6(src='2001:db8::1', dst='2001:db8::2', nh=47)
//        /GRE(chksum_present=1, key_present=1, seqnum_present=1, proto=0x6558, key=0x6400, seqence_number=7)
//        /Ether(dst='52:54:00:00:00:02', src='52:54:00:00:00:01')/ARP(hwsrc='52:54:00:00:00:01', psrc='10.0.0.1', pdst='10.0.0.2')
const ROUTED: [u8; 112] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x86, 0xdd, 0x60, 0x00, 0x00,
    0x00, 0x00, 0x3a, 0x2f, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x02, 0xb0, 0x00, 0x65, 0x58, 0x65, 0x8f, 0x00, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00,
    0x00, 0x07, 0x52, 0x54, 0x00, 0x00, 0x00, 0x02, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00,
    0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x02,
];

// scapy: Ether(dst='02:00:00:00:00:02', src='02:00:00:00:00:01')
//        /IP(src='192.0.2.1', dst='192.0.2.2', id=0, flags='DF')/UDP(sport=50000, dport=6081)
//        /GENEVE(vni=100, critical=1, options=GeneveOptions(classid=0x102, type=0x80, data=bytes(4)))
//        /Ether(dst='52:54:00:00:00:02', src='52:54:00:00:00:01')/ARP(hwsrc='52:54:00:00:00:01', psrc='10.0.0.1', pdst='10.0.0.2')
const OPTIONED: [u8; 100] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x45, 0x00, 0x00,
    0x56, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb6, 0x93, 0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0x02,
    0xc3, 0x50, 0x17, 0xc1, 0x00, 0x42, 0x32, 0xa8, 0x02, 0x40, 0x65, 0x58, 0x00, 0x00, 0x64, 0x00, 0x01,
    0x02, 0x80, 0x01, 0x00, 0x00, 0x00, 0x00, 0x52, 0x54, 0x00, 0x00, 0x00, 0x02, 0x52, 0x54, 0x00, 0x00,
    0x00, 0x01, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x52, 0x54, 0x00, 0x00, 0x00,
    0x01, 0x0a, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x02,
];

const FRAMES: [&[u8]; 6] = [&TUNNELLED, &SOLICITATION, &QUESTION, &SYN, &ROUTED, &OPTIONED];

/// Takes a frame apart as deep as it goes, tunnels included, and returns the names of its layers.
fn dissect(frame: &[u8]) -> Result<Vec<Layer>, Error> {
    let mut layers = vec![Layer::Ethernet];
    let ethernet = ethernet::View::parse(frame)?;
    emitted_is_inside(&ethernet::Repr::parse(&ethernet).to_bytes(), frame);
    let (mut ethertype, mut rest) = (ethernet.ethertype(), ethernet.payload());
    while vlan::is_tag(ethertype) {
        layers.push(Layer::Vlan);
        let tag = vlan::View::parse(rest)?;
        emitted_is_inside(&vlan::Repr::parse(&tag).to_bytes(), rest);
        (ethertype, rest) = (tag.ethertype(), tag.payload());
    }
    match ethertype {
        ethertype::ARP => {
            layers.push(Layer::Arp);
            let arp = arp::View::parse(rest)?;
            emitted_is_inside(&arp::Repr::parse(&arp).to_bytes(), rest);
        }
        ethertype::IPV4 => {
            layers.push(Layer::Ipv4);
            let ip = ipv4::View::parse(rest)?;
            assert_eq!(ip.header_len() + ip.payload().len() + ip.trailer().len(), rest.len());
            let _ = (ipv4::Repr::parse(&ip).to_bytes(), ip.checksum(), ip.checksum_ok(), ip.fragment());
            if ip.fragment() == Fragment::Whole {
                let len = ip.payload().len() as u16;
                let pseudo = pseudo_v4(ip.source(), ip.destination(), ip.protocol(), len);
                layers.extend(transport(ip.protocol(), ip.payload(), pseudo)?);
            }
        }
        ethertype::IPV6 => {
            layers.push(Layer::Ipv6);
            let ip = ipv6::View::parse(rest)?;
            assert_eq!(ip.payload_offset() + ip.payload().len() + ip.trailer().len(), rest.len());
            emitted_is_inside(&ipv6::Repr::parse(&ip).to_bytes(), rest);
            if ip.fragment() == Fragment::Whole {
                let len = ip.payload().len() as u32;
                let pseudo = pseudo_v6(ip.source(), ip.destination(), ip.protocol(), len);
                layers.extend(transport(ip.protocol(), ip.payload(), pseudo)?);
            }
        }
        _ => {}
    }
    Ok(layers)
}

fn transport(protocol: u8, bytes: &[u8], pseudo: Sum) -> Result<Vec<Layer>, Error> {
    let mut layers = Vec::new();
    match protocol {
        protocol::UDP => {
            layers.push(Layer::Udp);
            let udp = udp::View::parse(bytes)?;
            emitted_is_inside(&udp::Repr::parse(&udp).to_bytes(), bytes);
            assert_eq!(ports(bytes), Some((udp.source_port(), udp.destination_port())));
            let _ = udp.checksum_ok(pseudo);
            if udp.destination_port() == vxlan::PORT {
                layers.push(Layer::Vxlan);
                let vxlan = vxlan::View::parse(udp.payload())?;
                let _ = vxlan::Repr::parse(&vxlan).to_bytes();
                layers.extend(dissect(vxlan.payload())?);
            }
            if udp.destination_port() == geneve::PORT {
                layers.push(Layer::Geneve);
                let geneve = geneve::View::parse(udp.payload())?;
                let _ = (geneve::Repr::parse(&geneve).to_bytes(), geneve.has_critical());
                let _ = geneve.options().collect::<Result<Vec<_>, _>>()?;
                layers.extend(dissect(geneve.payload())?);
            }
        }
        protocol::GRE => {
            layers.push(Layer::Gre);
            let gre = gre::View::parse(bytes)?;
            let repr = gre::Repr::parse(&gre);
            assert_eq!(repr.header_len() + gre.payload().len(), bytes.len());
            let _ = (nvgre::View::of(&gre).map(|nvgre| nvgre::Repr::parse(&nvgre).to_bytes()), gre.summed());
            if gre.protocol() == gre::ETHERNET {
                layers.extend(dissect(gre.payload())?);
            }
        }
        protocol::TCP => {
            layers.push(Layer::Tcp);
            let tcp = tcp::View::parse(bytes)?;
            assert_eq!(tcp.header_len() + tcp.payload().len(), bytes.len());
            let _ = (tcp::Repr::parse(&tcp).to_bytes(), tcp.options(), tcp.checksum_ok(pseudo));
        }
        protocol::ICMP | protocol::ICMPV6 => {
            layers.push(Layer::Icmp);
            let icmp = icmp::View::parse(bytes)?;
            emitted_is_inside(&icmp::Repr::parse(&icmp).to_bytes(), bytes);
            let _ = (icmp.identifier(), icmp.sequence(), icmp.mtu(), icmp.checksum_ok(pseudo));
            if protocol == protocol::ICMPV6 && icmp.kind() == icmp::v6::NEIGHBOR_SOLICITATION {
                layers.push(Layer::Nd);
                let nd = nd::View::parse(bytes)?;
                assert_eq!(nd::HEADER_LEN + nd.payload().len(), bytes.len());
                let _ = (nd::Repr::parse(&nd), nd.checksum());
            }
        }
        _ => {}
    }
    Ok(layers)
}

fn emitted_is_inside(emitted: &[u8], bytes: &[u8]) {
    assert!(bytes.starts_with(emitted), "emit(parse(x)) == x");
}

#[test]
fn whole_frames_are_taken_apart_to_the_end() {
    use Layer::*;
    let layers = [
        vec![Ethernet, Ipv4, Udp, Vxlan, Ethernet, Ipv4, Icmp],
        vec![Ethernet, Vlan, Ipv6, Icmp, Nd],
        vec![Ethernet, Vlan, Vlan, Arp],
        vec![Ethernet, Ipv4, Tcp],
        vec![Ethernet, Ipv6, Gre, Ethernet, Arp],
        vec![Ethernet, Ipv4, Udp, Geneve, Ethernet, Arp],
    ];
    for (frame, layers) in FRAMES.iter().zip(layers) {
        assert_eq!(dissect(frame), Ok(layers));
    }
}

#[test]
fn every_frame_cut_anywhere_is_refused() {
    for frame in FRAMES {
        for len in 0..frame.len() {
            let error = dissect(&frame[..len]).expect_err("part of a frame");
            assert!(!error.to_string().is_empty() && error.to_string().starts_with(error.layer().name()));
        }
    }
}

#[test]
fn rfc7348_s5_a_udp_checksum_of_zero_must_be_accepted() {
    let udp = udp::View::parse(&TUNNELLED[34..]).unwrap();
    assert_eq!(udp.checksum(), 0);
    assert!(udp.checksum_ok(pseudo_v4([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), 17, udp.length())));
    assert_eq!(vxlan::View::parse(udp.payload()).unwrap().vni().number(), 100);
}

#[test]
fn the_tunnelled_frame_is_built_from_its_headers() {
    let outer = ethernet::Repr {
        destination: MacAddr([2, 0, 0, 0, 0, 2]),
        source: MacAddr([2, 0, 0, 0, 0, 1]),
        ethertype: ethertype::IPV4,
    };
    let ip = ipv4::Repr {
        dscp: 0,
        ecn: 0,
        total_len: 78,
        identification: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        ttl: 64,
        protocol: protocol::UDP,
        source: [192, 0, 2, 1].into(),
        destination: [192, 0, 2, 2].into(),
    };
    let udp = udp::Repr { source_port: 50000, destination_port: vxlan::PORT, length: 58, checksum: 0 };
    let vxlan = vxlan::Repr { vni: Vni::new(100).unwrap(), policy: None };

    let mut frame = TUNNELLED;
    frame[..50].fill(0xaa);
    let rest = outer.emit(&mut frame).unwrap();
    let rest = vxlan.emit(udp.emit(ip.emit(rest).unwrap()).unwrap()).unwrap();
    assert_eq!(rest.len(), 42);
    assert_eq!(frame, TUNNELLED);
}

proptest! {
    #[test]
    fn no_bytes_make_a_codec_panic(bytes in vec(any::<u8>(), 0..256)) {
        let _ = dissect(&bytes);
        let _ = arp::View::parse(&bytes).map(|view| arp::Repr::parse(&view));
        let _ = ipv4::View::parse(&bytes).map(|view| ipv4::Repr::parse(&view));
        let _ = ipv6::View::parse(&bytes).map(|view| ipv6::Repr::parse(&view));
        let _ = nd::View::parse(&bytes).map(|view| nd::Repr::parse(&view));
        for protocol in [protocol::UDP, protocol::TCP, protocol::ICMP, protocol::ICMPV6, protocol::GRE] {
            let _ = transport(protocol, &bytes, Sum::ZERO);
        }
    }

    #[test]
    fn no_damage_to_a_frame_makes_a_codec_panic(
        frame in prop::sample::select(&FRAMES[..]),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = frame.to_vec();
        for (at, value) in damage {
            *at.get_mut(&mut frame) = value;
        }
        let _ = dissect(&frame);
        frame.truncate(cut.index(frame.len()));
        let _ = dissect(&frame);
    }

    /// Second opinion: etherparse builds, sums included.
    #[test]
    fn what_etherparse_builds_over_ipv4_reads_the_same(
        macs: [[u8; 6]; 2], ips: [[u8; 4]; 2], ttl: u8, ports: [u16; 2], payload in vec(any::<u8>(), 0..64),
    ) {
        let builder = PacketBuilder::ethernet2(macs[0], macs[1]).ipv4(ips[0], ips[1], ttl);
        let builder = builder.udp(ports[0], ports[1]);
        let mut frame = Vec::new();
        builder.write(&mut frame, &payload).unwrap();

        let eth = ethernet::View::parse(&frame).unwrap();
        prop_assert_eq!((eth.source().octets(), eth.destination().octets()), (macs[0], macs[1]));
        let ip = ipv4::View::parse(eth.payload()).unwrap();
        prop_assert_eq!((ip.source().octets(), ip.destination().octets(), ip.ttl()), (ips[0], ips[1], ttl));
        prop_assert!(ip.checksum_ok());
        prop_assert_eq!(ip.protocol(), IpNumber::UDP.0);
        let udp = udp::View::parse(ip.payload()).unwrap();
        prop_assert_eq!((udp.source_port(), udp.destination_port()), (ports[0], ports[1]));
        prop_assert!(udp.checksum_ok(pseudo_v4(ip.source(), ip.destination(), ip.protocol(), udp.length())));
        prop_assert_eq!(udp.payload(), payload);
    }

    #[test]
    fn what_etherparse_builds_over_ipv6_reads_the_same(
        ips: [[u8; 16]; 2], hops: u8, ports: [u16; 2], sequence: u32, window: u16,
        payload in vec(any::<u8>(), 0..64),
    ) {
        let builder = PacketBuilder::ipv6(ips[0], ips[1], hops).tcp(ports[0], ports[1], sequence, window).syn();
        let mut packet = Vec::new();
        builder.write(&mut packet, &payload).unwrap();

        let ip = ipv6::View::parse(&packet).unwrap();
        prop_assert_eq!((ip.source().octets(), ip.destination().octets()), (ips[0], ips[1]));
        prop_assert_eq!((ip.hop_limit(), ip.protocol()), (hops, IpNumber::TCP.0));
        let tcp = tcp::View::parse(ip.payload()).unwrap();
        prop_assert_eq!((tcp.source_port(), tcp.destination_port()), (ports[0], ports[1]));
        prop_assert_eq!((tcp.sequence(), tcp.window(), tcp.flags()), (sequence, window, tcp::flags::SYN));
        let len = ip.payload().len() as u32;
        prop_assert!(tcp.checksum_ok(pseudo_v6(ip.source(), ip.destination(), ip.protocol(), len)));
        prop_assert_eq!(tcp.payload(), payload);
    }
}
