//! Tunnel packets whose outer headers say what those of an earlier packet said: they are recognised by five words under a mask.
//!
//! What is remembered of a packet that [`decap`](super::decap()) took out of its tunnel is every bit that decided about it. What is left over
//! is checked again for each packet, lengths and the checksum of the IPv4 header, or decides nothing (addresses of the link, identification,
//! entropy). So a packet that is recognised is taken out as `decap` would have done it; the law is in `tests/familiar.rs`. Remembered
//! are the common ones: IPv4 without options and without marks of congestion, and in it UDP without checksum with VXLAN, or with Geneve
//! that has no options, or GRE and NVGRE with nothing but a key. All others go the general way, each time.
//!
//! It holds for one set of tunnel ports, endpoints and known remote ends, and one [`Scope`]; whoever keeps it has it
//! [forget](Familiar::forget) when that changes.

use super::mss::Mss;
use super::spec::{Kind, TunnelSpec};
use super::table::TunnelId;
use super::{VSID_MIN, ecn};
use crate::flow::{Origin, Scope, Seed, Tunnelled};
use crate::mem::Frame;
use crate::wire::{ethernet, ipv4, protocol, udp, vlan, vxlan};

/// Tunnels that are remembered, by remote end and key, each in the one place that a hash of them names.
const PLACES: usize = 4096;

/// The words begin with the Ethernet type.
const FIRST: usize = 12;
const WORDS: usize = 5;
/// So much of a packet is looked at.
const HEAD: usize = FIRST + 8 * WORDS;
const IP: usize = ethernet::HEADER_LEN;
const TRANSPORT: usize = IP + ipv4::HEADER_LEN;
/// How far apart the places of packets are that differ by one in the type of service. Odd, so that no two of a key share a place; and so that
/// ECT(0), which half the frames of a sender have, is further from them than a thousand keys that follow one another.
const TOS_APART: u32 = 1349;
/// Where GRE has its key, and VXLAN and Geneve theirs.
const GRE_KEY: usize = TRANSPORT + 4;
const UDP_KEY: usize = TRANSPORT + udp::HEADER_LEN + vxlan::at::VNI;
/// The first two bytes of GRE with a key and nothing else.
const KEY_ALONE: [u8; 2] = [0x20, 0];

/// Which bits of a packet decide, and where its parts are.
#[derive(Debug)]
struct Shape {
    mask: [u64; WORDS],
    /// Where the inner frame starts.
    start: usize,
    udp: bool,
    /// RFC 7637 section 3.2: the inner frame must not have an 802.1Q tag.
    untagged: bool,
}

impl Shape {
    /// `transport` is the mask of what is behind IPv4.
    const fn new(transport: [u8; HEAD - TRANSPORT], start: usize) -> Shape {
        // Not the length, the identification, and the checksum; of the fragment field not whether it may be fragmented.
        let ip = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff, 0, 0];
        let mut bytes = [0xff; HEAD - FIRST];
        let mut at = 0;
        while at < ip.len() {
            bytes[at] = ip[at];
            at += 1;
        }
        let mut at = 0;
        while at < transport.len() {
            bytes[TRANSPORT - FIRST + at] = transport[at];
            at += 1;
        }
        let (words, _) = bytes.as_chunks::<8>();
        let mut mask = [0; WORDS];
        let mut at = 0;
        while at < WORDS {
            mask[at] = u64::from_ne_bytes(words[at]);
            at += 1;
        }
        Shape { mask, start, udp: false, untagged: false }
    }
}

/// VXLAN and Geneve: not the source port and the length.
static UDP: Shape = Shape {
    udp: true,
    ..Shape::new(
        [0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        TRANSPORT + udp::HEADER_LEN + vxlan::HEADER_LEN,
    )
};
static GRE: Shape =
    Shape::new([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], TRANSPORT + 4);
static GRE_WITH_KEY: Shape =
    Shape::new([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], TRANSPORT + 8);
/// Not the identifier of the conversation.
static NVGRE: Shape = Shape {
    untagged: true,
    ..Shape::new([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], TRANSPORT + 8)
};

/// What is known of a packet that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Where the inner frame comes from.
    pub origin: Origin,
    /// The port that took it.
    pub tunnel: TunnelId,
    /// What segments of TCP are held to.
    pub mss: Option<Mss>,
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Place {
    words: [u64; WORDS],
    shape: &'static Shape,
    /// Of the set of tunnels; another one, and the place is empty.
    epoch: u32,
    /// Sum of 16-bit words of the IPv4 header, in the order of this machine, that are the same in every packet: its first one, and those
    /// behind the first half of the source.
    sum: u32,
    known: Recognised,
}

/// The tunnels whose packets are recognised.
#[derive(Debug)]
pub struct Familiar {
    places: Box<[Place; PLACES]>,
    epoch: u32,
    multiplier: u64,
}

impl Familiar {
    /// Recognises nothing yet. `seed` keeps who sends from choosing the places.
    pub fn new(seed: Seed) -> Familiar {
        let origin = Origin::port(crate::flow::OfPort(0), &Scope::nothing(seed));
        let known = Recognised { origin, tunnel: TunnelId(0), mss: None };
        let place = Place { words: [0; WORDS], shape: &UDP, epoch: 0, sum: 0, known };
        let places = vec![place; PLACES].into_boxed_slice().try_into().expect("as many as were made");
        Familiar { places, epoch: 1, multiplier: seed.pair(0, 0) | 1 }
    }

    /// From now on nothing is known: the tunnels are others, or what of a key is hashed.
    pub fn forget(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.places.iter_mut().for_each(|place| place.epoch = 0);
            self.epoch = 1;
        }
    }

    /// Takes a packet out of its tunnel, if it is recognised; else it is as it was.
    #[inline(always)]
    pub fn take_out(&self, frame: &mut Frame<'_>) -> Option<&Recognised> {
        let packet = frame.bytes();
        let head: &[u8; HEAD] = packet.first_chunk()?;
        let place = &self.places[self.place_of(head)];
        let shape = place.shape;
        let said = words(head);
        let differing = |at: usize| (said[at] ^ place.words[at]) & shape.mask[at];
        // The last word apart: four are compared as a vector, without making one word of them.
        let first = differing(0) | differing(1) | differing(2) | differing(3);
        if first != 0 || differing(WORDS - 1) != 0 || place.epoch != self.epoch {
            return None;
        }
        let ip_end = IP + usize::from(be16(head, IP + ipv4::at::TOTAL_LEN));
        let end = match shape.udp {
            true => TRANSPORT + usize::from(be16(head, TRANSPORT + udp::at::LENGTH)),
            false => ip_end,
        };
        let fits = ip_end <= packet.len() && end <= ip_end && end >= shape.start + ethernet::HEADER_LEN;
        if !fits || !checksum_ok(place.sum, head) || shape.untagged && is_tagged(packet, shape.start) {
            return None;
        }
        frame.narrow(shape.start, end)?;
        Some(&place.known)
    }

    /// From now on packets like this one are recognised, if they are of the common kind: `head` is the beginning of one that came out
    /// of that tunnel, and `outer` what was said of it then.
    #[cold]
    pub fn remember(
        &mut self,
        head: &Head,
        (tunnel, spec): (TunnelId, &TunnelSpec),
        outer: &Tunnelled,
        scope: &Scope,
    ) {
        let Some((head, shape)) = head.0.as_ref().and_then(|head| Some((head, shape_of(head, spec.kind)?)))
        else {
            return;
        };
        let sum = [0, 14, 16, 18].map(|at| u32::from(ne16(head, IP + at))).iter().sum();
        let origin = Origin::tunnel(spec.ofport, outer, scope);
        let known = Recognised { origin, tunnel, mss: spec.mss };
        let place = self.place_of(head);
        self.places[place] = Place { words: words(head), shape, epoch: self.epoch, sum, known };
    }

    /// Where what is known of the remote end and the key of a packet is kept: keys that follow one another, as those of tenants mostly do,
    /// beside one another, so that none takes another's place.
    #[inline(always)]
    fn place_of(&self, head: &[u8; HEAD]) -> usize {
        let remote = ne32(head, IP + ipv4::at::SOURCE);
        let key = if head[IP + ipv4::at::PROTOCOL] == protocol::UDP {
            // The type of service may follow that of the inner frames.
            let vni = u32::from_be(ne32(head, UDP_KEY)) >> 8;
            vni ^ (u32::from(head[IP + ipv4::at::TOS]) * TOS_APART)
        } else {
            let key = u32::from_be(ne32(head, GRE_KEY));
            // The last byte of NVGRE is another in each conversation.
            if key >> 8 >= VSID_MIN { key >> 8 } else { key }
        };
        let of_remote = u64::from(remote).wrapping_mul(self.multiplier) >> (u64::BITS - PLACES.ilog2());
        (of_remote as u32 ^ key) as usize % PLACES
    }
}

/// The beginning of a packet, as it was before it was taken out of its tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Head(Option<[u8; HEAD]>);

impl Head {
    /// That of this packet.
    pub fn of(packet: &[u8]) -> Head {
        Head(packet.first_chunk().copied())
    }
}

/// Of a packet that was taken out of a tunnel of that kind: which bits decided, if it is of the common kind.
fn shape_of(head: &[u8; HEAD], kind: Kind) -> Option<&'static Shape> {
    let plain =
        head[FIRST..IP] == [0x08, 0x00] && head[IP] == 0x45 && head[IP + ipv4::at::TOS] & ecn::ECT_1 == 0;
    let gre: [u8; 2] = *head[TRANSPORT..].first_chunk()?;
    match (head[IP + ipv4::at::PROTOCOL], kind) {
        _ if !plain => None,
        (protocol::UDP, Kind::Vxlan | Kind::Geneve) => {
            const LENGTH_OF_OPTIONS: u8 = 0x3f;
            let first = head[TRANSPORT + udp::HEADER_LEN];
            let options = kind == Kind::Geneve && first & LENGTH_OF_OPTIONS != 0;
            (be16(head, TRANSPORT + udp::at::CHECKSUM) == 0 && !options).then_some(&UDP)
        }
        (protocol::GRE, Kind::Gre) if gre == [0, 0] => Some(&GRE),
        (protocol::GRE, Kind::Gre) if gre == KEY_ALONE => Some(&GRE_WITH_KEY),
        // A network below that may be the key of a GRE port too, with all its bytes.
        (protocol::GRE, Kind::Nvgre) if gre == KEY_ALONE => {
            (u32::from_be(ne32(head, GRE_KEY)) >> 8 >= VSID_MIN).then_some(&NVGRE)
        }
        _ => None,
    }
}

/// Whether the sum over the IPv4 header, of which `sum` is known, is all ones: no header sums up to zero, so that is to be congruent to it
/// modulo 65,535, in any order of bytes (RFC 1071 section 2).
#[inline(always)]
fn checksum_ok(sum: u32, head: &[u8; HEAD]) -> bool {
    let length_and_identification = u64::from(ne32(head, IP + ipv4::at::TOTAL_LEN));
    let from_fragment_on =
        head[IP + ipv4::at::FRAGMENT..].first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
    // 2^64 is congruent to one, too.
    let (sum, carry) = from_fragment_on.overflowing_add(u64::from(sum) + length_and_identification);
    (sum + u64::from(carry)).is_multiple_of(0xffff)
}

fn is_tagged(packet: &[u8], start: usize) -> bool {
    ethernet::View::parse(&packet[start..]).is_ok_and(|inner| vlan::is_tag(inner.ethertype()))
}

#[inline(always)]
fn words(head: &[u8; HEAD]) -> [u64; WORDS] {
    let (words, _) = head[FIRST..].as_chunks::<8>();
    std::array::from_fn(|i| u64::from_ne_bytes(words[i]))
}

#[inline(always)]
fn ne32(head: &[u8; HEAD], at: usize) -> u32 {
    head[at..].first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

#[inline(always)]
fn ne16(head: &[u8; HEAD], at: usize) -> u16 {
    head[at..].first_chunk().map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

#[inline(always)]
fn be16(head: &[u8; HEAD], at: usize) -> u16 {
    u16::from_be(ne16(head, at))
}
