//! Putting a frame into a tunnel: the headers are made once per remote endpoint, copied in front of each frame, and the
//! few fields that differ from frame to frame are written over.
//!
//! VXLAN and Geneve over IPv4, without checksum, have a way of their own: one copy of 50 bytes and five fields. All others take the
//! general one.

use super::headers::{self, HEADERS_MAX, IP};
use super::mss::Mss;
use super::options::OPTIONS_MAX;
use super::spec::{Key, Kind, TunnelSpec};
use super::too_long::Remedy;
use super::underlay::Path;
use crate::mem::{Frame, LONG_MAX};
use crate::port::{PortId, finish_checksum};
use crate::stats::DropReason;
use crate::wire::checksum::{Sum, pseudo_v4, pseudo_v6};
use crate::wire::{Vni, ethernet, geneve, gre, ipv4, ipv6, nvgre, protocol, udp, vlan, vxlan};
use af_xdp::{KERNEL_HEADROOM, TX_METADATA_LEN};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Index of an encapsulation in its pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncapId(pub u32);

/// The largest encapsulation; every frame has at least this headroom.
pub const ENCAP_MAX: usize = HEADERS_MAX + OPTIONS_MAX;

const _: () = assert!(
    ENCAP_MAX + TX_METADATA_LEN as usize <= KERNEL_HEADROOM as usize,
    "the kernel leaves room for all that is put in front"
);

/// UDP over IPv4, and eight bytes more.
const PLAIN: usize = UDP4 + udp::HEADER_LEN + vxlan::HEADER_LEN;
const UDP4: usize = IP + ipv4::HEADER_LEN;
/// Where the key is then, the last thing.
const KEY: usize = UDP4 + udp::HEADER_LEN + vxlan::at::VNI;

/// What the headers say of one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marks {
    /// Tunnel key.
    pub key: u32,
    /// Group policy of VXLAN, as in [`Tunnelled::policy`](crate::flow::Tunnelled::policy).
    pub policy: u32,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// The first two bytes of a Geneve header: how many words of options there are, and flags.
    pub geneve: u16,
}

impl Marks {
    /// In [`Marks::geneve`]: a control message.
    pub const CONTROL: u16 = (geneve::FLAG_CONTROL as u16);
    const CRITICAL: u16 = geneve::FLAG_CRITICAL as u16;
    /// How far to the left the length of options is, in words of four bytes.
    const OPTIONS: u32 = 8;

    /// What [`Marks::geneve`] says of so many bytes of options.
    pub(crate) fn options(len: usize, critical: bool) -> u16 {
        ((len / 4) as u16) << Marks::OPTIONS | if critical { Marks::CRITICAL } else { 0 }
    }

    /// The same with options.
    pub(crate) fn with_options(self, options: u16) -> Marks {
        Marks { geneve: self.geneve | options, ..self }
    }

    /// What the headers of this port say of a frame that no rule has marked.
    fn usual(spec: &TunnelSpec, id: u32) -> Marks {
        let key = match spec.key {
            Key::Fixed(key) => key as u32,
            Key::Absent => 0,
            Key::Flow => id,
        };
        let (tos, ttl) = headers::usual(spec);
        Marks { key, policy: 0, tos, ttl, geneve: 0 }
    }

    /// All that the headers of one tunnel say of a flow, but for its key.
    #[inline]
    fn look(&self) -> u32 {
        u32::from(self.geneve) | u32::from(self.tos) << 16 | u32::from(self.ttl) << 24
    }

    /// Whether a [`Stamp`] says the same of both, but for the key: where there is group policy, there is no stamp.
    #[inline]
    pub(crate) fn differs_by_key(&self, other: &Marks) -> bool {
        self.look() == other.look()
    }

    /// The key as the last four bytes of VXLAN and Geneve: the one behind it is reserved, and zero (RFC 7348 section 5, RFC 8926
    /// section 3.4).
    #[inline]
    fn vni(&self) -> [u8; 4] {
        (self.key << 8).to_be_bytes()
    }

    /// Bytes of options.
    #[inline]
    pub fn options_len(&self) -> usize {
        usize::from(self.geneve >> Marks::OPTIONS) * 4
    }
}

/// Longest packet with its outer IP header: what the other end can take if it is like us.
pub const PACKET_MAX: u16 = LONG_MAX as u16 - ethernet::HEADER_LEN as u16;

/// The headers that lead from one tunnel port to one remote endpoint.
#[derive(Clone, Debug)]
pub struct Encap {
    spec: TunnelSpec,
    uplink: PortId,
    remote: IpAddr,
    mtu: usize,
    /// How the headers look as they are here.
    usual: u32,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Plain(Plain),
    General { headers: Box<[u8; HEADERS_MAX]>, len: usize, checksum: bool },
}

impl Encap {
    /// The headers for `spec` to `remote` along `path`. None if the two ends are not of one address family.
    pub fn new(spec: &TunnelSpec, remote: IpAddr, path: &Path) -> Option<Encap> {
        let headers = headers::template(spec, spec.local.unwrap_or(path.local), remote, path)?;
        let checksum = spec.sends_checksum(remote.is_ipv6());
        let plain = remote.is_ipv4()
            && matches!(spec.kind, Kind::Vxlan | Kind::Geneve)
            && spec.dont_fragment
            && !(checksum || spec.group_policy);
        let mtu = path.mtu.min(PACKET_MAX).into();
        let form = match headers.first_chunk() {
            Some(headers) if plain => Form::Plain(Plain::of(*headers, mtu)),
            _ => {
                let len = spec.headers_len(remote.is_ipv6());
                Form::General { headers: Box::new(headers), len, checksum }
            }
        };
        let usual = Marks::usual(spec, 0).look();
        Some(Encap { spec: spec.clone(), uplink: path.uplink, remote, mtu, usual, form })
    }

    /// The port that the encapsulated frame leaves by.
    #[inline]
    pub fn uplink(&self) -> PortId {
        self.uplink
    }

    /// The endpoint that the headers lead to.
    pub fn remote(&self) -> IpAddr {
        self.remote
    }

    /// How frames are wrapped.
    pub fn kind(&self) -> Kind {
        self.spec.kind
    }

    /// The longest frame that fits the way, and the other end, without the headers.
    pub fn frame_max(&self) -> usize {
        (self.mtu + IP).saturating_sub(self.spec.headers_len(self.remote.is_ipv6()))
    }

    /// What can be done about a frame that [`Encap::push`] has found too long, with so many bytes of options.
    #[cold]
    pub fn remedy(&self, frame: &[u8], options: usize) -> Remedy {
        Remedy::of(frame, self.frame_max().saturating_sub(options), self.spec.fragmenting)
    }

    /// What segments of TCP are held to.
    #[inline]
    pub fn mss(&self) -> Option<Mss> {
        self.spec.mss
    }

    /// What the headers say of a frame that no rule has marked. `id` is the key where the port leaves it open.
    pub fn usual_marks(&self, id: u32) -> Marks {
        Marks::usual(&self.spec, id)
    }

    /// [`Encap::push`], with options between the headers and the frame: as many bytes as `marks` says.
    ///
    /// # Errors
    /// As of [`Encap::push`]; the frame is as it was then.
    #[cold]
    pub fn push_with_options(
        &self,
        frame: &mut Frame<'_>,
        options: &[u8],
        marks: Marks,
        entropy: u64,
    ) -> Result<(), DropReason> {
        debug_assert_eq!(options.len(), marks.options_len());
        frame.push(options.len()).ok_or(DropReason::NoHeadroom)?.copy_from_slice(options);
        let pushed = self.push(frame, marks, entropy);
        if pushed.is_err() {
            let _ = frame.pull(options.len());
        }
        pushed
    }

    /// Puts the headers in front of `frame`. `entropy` is a hash of the inner conversation.
    ///
    /// # Errors
    /// When the packet would be longer than the way carries, or there is no room in front of it.
    pub fn push(&self, frame: &mut Frame<'_>, marks: Marks, entropy: u64) -> Result<(), DropReason> {
        match &self.form {
            Form::Plain(plain) if marks.look() == self.usual => plain.push(frame, marks.vni(), entropy),
            Form::Plain(plain) => self.marked(plain, marks).push(frame, marks.vni(), entropy),
            Form::General { headers, len, checksum } => {
                self.push_general(&headers[..*len], *checksum, frame, marks, entropy)
            }
        }
    }

    /// What does as [`Encap::push`] with these marks, and is all that has to be done to frames that go this way. None: there is more to it.
    #[inline]
    pub fn stamp(&self, marks: &Marks) -> Option<Stamp<'_>> {
        match &self.form {
            Form::Plain(plain) if marks.look() == self.usual && self.spec.mss.is_none() => {
                Some(Stamp { plain, vni: marks.vni() })
            }
            _ => None,
        }
    }

    /// For flows that ask for what few do.
    #[cold]
    fn marked(&self, plain: &Plain, marks: Marks) -> Plain {
        let mut headers = plain.headers;
        headers[IP + ipv4::at::TOS] = marks.tos;
        headers[IP + ipv4::at::TTL] = marks.ttl;
        if self.spec.kind == Kind::Geneve {
            put(&mut headers, UDP4 + udp::HEADER_LEN + geneve::at::OPTIONS_LEN, marks.geneve);
        }
        Plain::of(headers, plain.mtu)
    }

    fn push_general(
        &self,
        headers: &[u8],
        checksum: bool,
        frame: &mut Frame<'_>,
        marks: Marks,
        entropy: u64,
    ) -> Result<(), DropReason> {
        // RFC 7637 section 3.2: "The encapsulating NVE MUST remove any existing 802.1Q tag".
        while self.spec.kind == Kind::Nvgre && untag(frame) {}
        let ip_len = frame.len() + headers.len() - IP;
        if ip_len > self.mtu {
            return Err(DropReason::ExceedsMtu);
        }
        if checksum {
            // The outer checksum covers the inner one, so that has to be there first.
            finish_checksum(frame);
        }
        frame.push(headers.len()).ok_or(DropReason::NoHeadroom)?.copy_from_slice(headers);
        let room = frame.bytes_mut();
        let transport = match self.remote {
            IpAddr::V4(_) => self.write_ipv4(room, ip_len as u16, marks),
            IpAddr::V6(_) => write_ipv6(room, (ip_len - ipv6::HEADER_LEN) as u16, marks),
        };
        match self.spec.kind {
            Kind::Vxlan | Kind::Geneve => self.write_udp(&mut room[transport..], marks, entropy),
            Kind::Nvgre => {
                put_vni(room, transport + nvgre::at::VSID, marks.key);
                room[transport + nvgre::at::FLOW_ID] = nvgre::flow_id(entropy as u32);
            }
            Kind::Gre => self.write_gre(&mut room[transport..], marks),
        }
        match self.spec.kind.protocol() {
            protocol::UDP if checksum => fill_udp_checksum(room, transport),
            protocol::GRE if checksum => gre::fill_checksum(&mut room[transport..]),
            _ => {}
        }
        Ok(())
    }

    /// Returns where the header behind it starts.
    fn write_ipv4(&self, packet: &mut [u8], len: u16, marks: Marks) -> usize {
        put(packet, IP + ipv4::at::TOTAL_LEN, len);
        packet[IP + ipv4::at::TOS] = marks.tos;
        packet[IP + ipv4::at::TTL] = marks.ttl;
        if !self.spec.dont_fragment {
            // RFC 6864 section 4: whatever may be fragmented has an identification that is not used again soon.
            put(packet, IP + ipv4::at::IDENTIFICATION, self.spec.identification.next() as u16);
        }
        put(packet, IP + ipv4::at::CHECKSUM, 0);
        let checksum = Sum::of(&packet[IP..UDP4]).checksum();
        put(packet, IP + ipv4::at::CHECKSUM, checksum);
        UDP4
    }

    /// `packet` begins with UDP.
    fn write_udp(&self, packet: &mut [u8], marks: Marks, entropy: u64) {
        let len = packet.len() as u16;
        put(packet, udp::at::SOURCE_PORT, vxlan::source_port(entropy as u32));
        put(packet, udp::at::LENGTH, len);
        let tunnel = &mut packet[udp::HEADER_LEN..];
        put_vni(tunnel, vxlan::at::VNI, marks.key);
        if self.spec.kind == Kind::Geneve {
            put(tunnel, geneve::at::OPTIONS_LEN, marks.geneve);
        } else if self.spec.group_policy && marks.policy != 0 {
            let [id_high, id_low, flags, _] = marks.policy.to_be_bytes();
            let policy = vxlan::Policy { flags, id: u16::from_be_bytes([id_high, id_low]) };
            let [flags @ .., _, _, _, _] = vxlan::Repr { vni: Vni::ZERO, policy: Some(policy) }.to_bytes();
            tunnel[..flags.len()].copy_from_slice(&flags);
        }
    }

    /// `packet` begins with GRE.
    fn write_gre(&self, packet: &mut [u8], marks: Marks) {
        let header = self.spec.gre();
        let mut put = |at: usize, value: u32| packet[at..at + 4].copy_from_slice(&value.to_be_bytes());
        if self.spec.key != Key::Absent {
            put(header.key_at(), marks.key);
        }
        if let Some(sequence) = &self.spec.sequence {
            put(header.sequence_at(), sequence.next());
        }
    }
}

/// What puts the headers of one tunnel and key in front of frames.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    plain: &'a Plain,
    vni: [u8; 4],
}

impl Stamp<'_> {
    /// The same with the key of these marks, which are otherwise like those that it is of.
    #[inline]
    pub(crate) fn with_key_of(self, marks: &Marks) -> Self {
        Stamp { vni: marks.vni(), ..self }
    }

    /// [`Encap::push`].
    ///
    /// # Errors
    /// As there.
    #[inline(always)]
    pub fn push(&self, frame: &mut Frame<'_>, entropy: u64) -> Result<(), DropReason> {
        self.plain.push(frame, self.vni, entropy)
    }
}

/// Headers without lengths, checksum, entropy and key.
#[derive(Clone, Debug)]
struct Plain {
    headers: [u8; PLAIN],
    /// That of the IPv4 header as it is here.
    checksum: u16,
    mtu: usize,
}

impl Plain {
    fn of(mut headers: [u8; PLAIN], mtu: usize) -> Plain {
        put(&mut headers, IP + ipv4::at::CHECKSUM, 0);
        Plain { checksum: Sum::of(&headers[IP..UDP4]).checksum(), headers, mtu }
    }

    #[inline(always)]
    fn push(&self, frame: &mut Frame<'_>, vni: [u8; 4], entropy: u64) -> Result<(), DropReason> {
        let ip_len = frame.len() + PLAIN - IP;
        if ip_len > self.mtu {
            return Err(DropReason::ExceedsMtu);
        }
        let room = frame.push(PLAIN).and_then(|room| room.first_chunk_mut::<PLAIN>());
        let room = room.ok_or(DropReason::NoHeadroom)?;
        *room = self.headers;
        let ip_len = ip_len as u16;
        // RFC 1624 section 4, where what was there is zero.
        let (checksum, borrow) = self.checksum.overflowing_sub(ip_len);
        put(room, IP + ipv4::at::TOTAL_LEN, ip_len);
        put(room, IP + ipv4::at::CHECKSUM, checksum - u16::from(borrow));
        put(room, UDP4 + udp::at::SOURCE_PORT, vxlan::source_port(entropy as u32));
        put(room, UDP4 + udp::at::LENGTH, ip_len - ipv4::HEADER_LEN as u16);
        room[KEY..].copy_from_slice(&vni);
        Ok(())
    }
}

/// Returns where the header behind it starts.
fn write_ipv6(packet: &mut [u8], payload_len: u16, marks: Marks) -> usize {
    put(packet, IP + ipv6::at::PAYLOAD_LEN, payload_len);
    packet[IP] = packet[IP] & 0xf0 | marks.tos >> 4;
    packet[IP + 1] = packet[IP + 1] & 0x0f | marks.tos << 4;
    packet[IP + ipv6::at::HOP_LIMIT] = marks.ttl;
    IP + ipv6::HEADER_LEN
}

/// Takes the outermost tag away, if there is one.
fn untag(frame: &mut Frame<'_>) -> bool {
    const ADDRESSES: usize = 12;
    let tagged = ethernet::View::parse(frame.bytes())
        .is_ok_and(|view| vlan::is_tag(view.ethertype()) && vlan::View::parse(view.payload()).is_ok());
    if tagged {
        frame.bytes_mut().copy_within(0..ADDRESSES, vlan::HEADER_LEN);
    }
    tagged && frame.pull(vlan::HEADER_LEN).is_some()
}

fn fill_udp_checksum(packet: &mut [u8], udp: usize) {
    let len = (packet.len() - udp) as u16;
    let pseudo = if udp == UDP4 {
        let address = |at: usize| Ipv4Addr::from(octets::<4>(packet, IP + at));
        let (source, destination) = (address(ipv4::at::SOURCE), address(ipv4::at::DESTINATION));
        pseudo_v4(source, destination, protocol::UDP, len)
    } else {
        let address = |at: usize| Ipv6Addr::from(octets::<16>(packet, IP + at));
        let (source, destination) = (address(ipv6::at::SOURCE), address(ipv6::at::DESTINATION));
        pseudo_v6(source, destination, protocol::UDP, len.into())
    };
    let checksum = pseudo.combine(Sum::of(&packet[udp..])).udp_checksum();
    put(packet, udp + udp::at::CHECKSUM, checksum);
}

fn octets<const N: usize>(packet: &[u8], at: usize) -> [u8; N] {
    packet[at..].first_chunk().copied().unwrap_or([0; N])
}

#[inline]
fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[inline]
fn put_vni(bytes: &mut [u8], at: usize, key: u32) {
    let [_, a, b, c] = key.to_be_bytes();
    bytes[at..at + 3].copy_from_slice(&[a, b, c]);
}
