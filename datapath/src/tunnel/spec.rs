//! A tunnel port as the operator writes it: the vocabulary of ovs-vsctl (`type`, `remote_ip`, `local_ip`, `key`,
//! `dst_port`, `csum`, ...), after parsing.

use super::counter::Counter;
use super::mss::Mss;
use super::too_long::Fragmenting;
use crate::flow::OfPort;
use crate::wire::{ethernet, geneve, gre, ipv4, ipv6, nvgre, protocol, udp, vxlan};
use std::fmt;
use std::net::IpAddr;

/// The time to live that Open vSwitch and Linux give to outer headers unless told otherwise.
pub const TTL_DEFAULT: u8 = 64;

/// How frames are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 7348.
    Vxlan,
    /// RFC 2784 and RFC 2890, with Ethernet frames inside.
    Gre,
    /// RFC 7637.
    Nvgre,
    /// RFC 8926.
    Geneve,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Vxlan, Kind::Gre, Kind::Nvgre, Kind::Geneve];

    /// Its name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Vxlan => "vxlan",
            Kind::Gre => "gre",
            Kind::Nvgre => "nvgre",
            Kind::Geneve => "geneve",
        }
    }

    /// The UDP port that IANA has assigned. None: it is no UDP.
    pub const fn port(self) -> Option<u16> {
        match self {
            Kind::Vxlan => Some(vxlan::PORT),
            Kind::Geneve => Some(geneve::PORT),
            Kind::Gre | Kind::Nvgre => None,
        }
    }

    /// The IP protocol that it travels in.
    pub const fn protocol(self) -> u8 {
        if self.port().is_some() { protocol::UDP } else { protocol::GRE }
    }

    /// The largest tunnel key.
    pub const fn key_max(self) -> u64 {
        match self {
            Kind::Gre => u32::MAX as u64,
            Kind::Vxlan | Kind::Nvgre | Kind::Geneve => 0xff_ffff,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// This address only.
    Fixed(IpAddr),
    /// Whoever the flow names in `tun_dst`; frames from anybody, or from known peers, see [`TunnelSpec::strict`].
    Flow,
}

/// Which tunnel key a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// None, where the header can do without (GRE), otherwise 0.
    Absent,
    /// This key only.
    Fixed(u64),
    /// Whichever the flow names in `tun_id`; frames with any.
    Flow,
}

/// What an outer field says that the inner header has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outer {
    /// This.
    Fixed(u8),
    /// What the inner header says, if that is IP; otherwise the default.
    Inherit,
}

/// A tunnel port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSpec {
    /// Its number on the bridge.
    pub ofport: OfPort,
    /// How frames are wrapped.
    pub kind: Kind,
    /// Our end. None: any of our endpoints.
    pub local: Option<IpAddr>,
    /// The other end.
    pub remote: Remote,
    /// The tunnel key.
    pub key: Key,
    /// UDP destination port; 0 for kinds that are no UDP.
    pub dst_port: u16,
    /// Outer type of service, but for the two bits of congestion notification, which always follow RFC 6040.
    pub tos: Outer,
    /// Outer time to live.
    pub ttl: Outer,
    /// Whether to send a checksum of all that follows the outer IP header. None: over IPv6 in UDP, otherwise not.
    pub checksum: Option<bool>,
    /// Take UDP without checksum over IPv6 (RFC 6935).
    pub zero_checksum_rx: bool,
    /// Nobody may fragment the outer packet.
    pub dont_fragment: bool,
    /// Send sequence numbers (GRE), counted here.
    pub sequence: Option<Counter>,
    /// Take no packet whose sequence number comes too late (GRE).
    pub in_order: bool,
    /// Counts the outer packets that may be fragmented: one for all tunnels of a switch.
    pub identification: Counter,
    /// Speak the group policy extension (VXLAN).
    pub group_policy: bool,
    /// Take packets from known peers only: the remote ends of tunnel ports, and those that rules name.
    pub strict: bool,
    /// Leave control messages (Geneve) to the rules, as Open vSwitch does, instead of dropping them.
    pub control: bool,
    /// What is done with inner packets that are too long and may be fragmented.
    pub fragmenting: Fragmenting,
    /// What segments of TCP are held to, both ways.
    pub mss: Option<Mss>,
}

impl TunnelSpec {
    /// A port with the defaults of Open vSwitch.
    pub fn new(ofport: OfPort, kind: Kind, remote: Remote, key: Key) -> TunnelSpec {
        TunnelSpec {
            ofport,
            kind,
            local: None,
            remote,
            key,
            dst_port: kind.port().unwrap_or(0),
            tos: Outer::Fixed(0),
            ttl: Outer::Fixed(TTL_DEFAULT),
            checksum: None,
            zero_checksum_rx: false,
            dont_fragment: true,
            sequence: None,
            in_order: false,
            identification: Counter::default(),
            group_policy: false,
            strict: false,
            control: false,
            fragmenting: Fragmenting::Inner,
            mss: None,
        }
    }

    /// Whether packets are sent with a checksum.
    pub fn sends_checksum(&self, ipv6: bool) -> bool {
        // RFC 8200 section 8.1: over IPv6 UDP has a checksum, unless somebody has decided otherwise (RFC 6935).
        self.checksum.unwrap_or(ipv6 && self.kind.protocol() == protocol::UDP)
    }

    /// The GRE header of packets that are sent; key and sequence number are written frame by frame.
    pub(super) fn gre(&self) -> gre::Repr {
        gre::Repr {
            protocol: gre::ETHERNET,
            checksum: self.checksum == Some(true),
            key: (self.key != Key::Absent).then_some(0),
            sequence: self.sequence.is_some().then_some(0),
        }
    }

    /// How many bytes are put in front of a frame, outer Ethernet header included: by as much it grows.
    pub fn headers_len(&self, ipv6: bool) -> usize {
        let tunnel = match self.kind {
            Kind::Vxlan => udp::HEADER_LEN + vxlan::HEADER_LEN,
            Kind::Geneve => udp::HEADER_LEN + geneve::HEADER_LEN,
            Kind::Nvgre => nvgre::HEADER_LEN,
            Kind::Gre => self.gre().header_len(),
        };
        ethernet::HEADER_LEN + if ipv6 { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN } + tunnel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_grows_by_what_its_kind_needs() {
        let grows = |kind| TunnelSpec::new(OfPort(1), kind, Remote::Flow, Key::Flow).headers_len(false);
        assert_eq!(Kind::ALL.map(grows), [50, 42, 42, 50]);
        let bare = TunnelSpec::new(OfPort(1), Kind::Gre, Remote::Flow, Key::Absent);
        assert_eq!((bare.headers_len(false), bare.headers_len(true)), (38, 58));
        let full = TunnelSpec {
            key: Key::Fixed(1),
            checksum: Some(true),
            sequence: Some(Counter::default()),
            ..bare
        };
        assert_eq!(full.headers_len(false), 50);
    }

    #[test]
    fn rfc8200_s8_1_only_udp_over_ipv6_has_a_checksum_by_default() {
        for kind in Kind::ALL {
            let mut spec = TunnelSpec::new(OfPort(1), kind, Remote::Flow, Key::Flow);
            assert!(!spec.sends_checksum(false));
            assert_eq!(spec.sends_checksum(true), kind.port().is_some());
            spec.checksum = Some(false);
            assert!(!spec.sends_checksum(true), "RFC 6935");
        }
    }
}
