//! The proof that no frame of one tenant is ever seen by another.
//!
//! Every guest says marked words in every way that Ethernet floods: broadcast, multicast, destinations that nobody has and
//! destinations that exist only in the *other* tenant. Strangers send tunnel packets that belong to no tenant. All
//! the while every guest, and every device of a Linux hypervisor, is watched. A frame at the wrong place is a leak,
//! and so is a marked frame on the underlay outside its own tenant's tunnel. The proof holds only if every word
//! was heard at home, by the other guest of its tenant, and no watcher lost a frame.

use std::collections::HashMap;
use std::fmt;
use std::iter;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::network::{GUEST, Guest, Network, TENANTS, Tenant, UNDERLAY};
use super::switch::{Side, VXLAN_PORT};
use crate::lab::{Capture, Mac, Netns, Stop};

/// How often each guest says each of its words.
const ROUNDS: usize = 10;

/// The discard service (RFC 863); nobody listens.
const DISCARD: u16 = 9;

/// How long a frame may still be under way after the last was sent.
const SETTLE: Duration = Duration::from_millis(300);

const NOBODY: Mac = [0x02, 0, 0, 0, 0xee, 0xee];
const STRANGER: &str = "stranger";
const STRANGE_VNI: u32 = 999;

/// A frame where it must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Whose frame it is: a tenant's name, or `stranger`.
    pub of: String,
    /// The place where it was seen.
    pub at: String,
}

/// What the watchers say.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Marked frames sent.
    pub sent: usize,
    /// Marked frames that came to the other guest of their tenant.
    pub home: usize,
    /// Marked frames that should have.
    pub home_expected: usize,
    /// Frames at the wrong place.
    pub leaks: Vec<Leak>,
    /// Frames that a watcher could not look at.
    pub lost: u64,
    /// Namespaces that were watched.
    pub places: usize,
}

impl Verdict {
    /// Whether isolation is proven.
    #[must_use]
    pub fn proven(&self) -> bool {
        self.leaks.is_empty() && self.lost == 0 && self.home > 0 && self.home == self.home_expected
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { sent, home, home_expected, leaks, lost, places } = self;
        if let Some(leak) = leaks.first() {
            let count = leaks.len();
            write!(out, "{count} frames at the wrong place, the first of {} at {}", leak.of, leak.at)
        } else if *lost > 0 {
            write!(out, "not proven: {lost} frames passed unseen")
        } else if home != home_expected {
            write!(out, "not proven: {home} of {home_expected} frames came home")
        } else {
            write!(out, "{sent} sent, {home} came home, 0 elsewhere; {places} places watched")
        }
    }
}

/// Lets everybody shout and watches where it is heard.
///
/// # Errors
/// When a watcher or a socket cannot be made, or the work was stopped.
pub fn prove(network: &Network, stop: &Stop) -> Result<Verdict> {
    let marks = Arc::new(Marks::new());
    let mut watched = Vec::new();
    for place in places(network)? {
        let eyes = Arc::clone(&marks);
        let watch =
            Capture::start(place.netns, move |frame| eyes.owner(frame).is_some() || eyes.inside(frame))?;
        watched.push((place, watch));
    }
    let mut verdict = Verdict { places: watched.len(), ..Verdict::default() };
    for guest in &network.guests {
        let words = shout(network, guest, &marks, stop)?;
        verdict.sent += words;
        verdict.home_expected += words;
    }
    for index in 0..2 {
        verdict.sent += intrude(network, index, &marks)?;
    }
    stop.sleep(SETTLE)?;
    for (place, watch) in watched {
        let caught = watch.finish()?;
        verdict.lost += caught.lost;
        for seen in &caught.frames {
            if let Some(of) = place.leak(seen.device, &seen.bytes, &marks) {
                verdict.leaks.push(Leak { of, at: place.netns.name().to_owned() });
            }
            verdict.home += usize::from(!seen.outgoing && place.is_home(&seen.bytes, &marks));
        }
    }
    Ok(verdict)
}

/// What a watcher expects at one namespace.
struct Place<'a> {
    netns: &'a Netns,
    guest: Option<&'a Guest>,
    /// Devices of tenants, where there are several.
    devices: HashMap<u32, &'static Tenant>,
    underlay: Option<u32>,
}

/// All guests, and the hypervisors whose frames can be seen: a socket of adit is handed its frames before, or after,
/// the kernel shows them to watchers.
fn places(network: &Network) -> Result<Vec<Place<'_>>> {
    let mut places = Vec::new();
    for guest in &network.guests {
        places.push(Place {
            netns: &guest.netns,
            guest: Some(guest),
            devices: HashMap::new(),
            underlay: None,
        });
    }
    for (index, hypervisor) in network.hypervisors.iter().enumerate() {
        if network.plan.sides[index] != Side::Linux {
            continue;
        }
        let mut devices = HashMap::new();
        for guest in network.guests_on(index) {
            for device in [guest.tenant.name, &guest.port, &format!("vx-{}", guest.tenant.name)] {
                devices.insert(hypervisor.netns.index(device)?, guest.tenant);
            }
        }
        let underlay = Some(hypervisor.netns.index(UNDERLAY)?);
        places.push(Place { netns: &hypervisor.netns, guest: None, devices, underlay });
    }
    Ok(places)
}

impl Place<'_> {
    /// Whose frame this is, if it must not be here.
    fn leak(&self, device: u32, frame: &[u8], marks: &Marks) -> Option<String> {
        if self.underlay == Some(device) {
            let (owner, tenant) = match tunnelled(frame) {
                Some((vni, inner)) => (marks.owner(inner)?, TENANTS.iter().find(|tenant| tenant.vni == vni)),
                None => (marks.owner(frame)?, None),
            };
            // A stranger's packet may be on the underlay; it must not come further.
            let right = owner == STRANGER || tenant.is_some_and(|tenant| tenant.name == owner);
            return (!right).then_some(owner);
        }
        let owner = marks.owner(frame)?;
        let tenant = self.guest.map(|guest| guest.tenant).or_else(|| self.devices.get(&device).copied());
        tenant.is_none_or(|tenant| tenant.name != owner).then_some(owner)
    }

    /// Whether this is a word of the other guest of the same tenant.
    fn is_home(&self, frame: &[u8], marks: &Marks) -> bool {
        let (Some(guest), Some(word)) = (self.guest, marks.word(frame)) else { return false };
        word == marks.text(guest.tenant.name, 3 - guest.number)
    }
}

/// How marked frames are told from all others.
struct Marks {
    prefix: String,
}

/// Letters after the prefix: the tenant's name, padded, and the guest's number.
const WORD: usize = 10;

impl Marks {
    fn new() -> Marks {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Marks { prefix: format!("adit-mark {:x} {now:x} ", std::process::id()) }
    }

    fn text(&self, of: &str, number: u8) -> String {
        format!("{of:<9}{number}")
    }

    /// What a guest says.
    fn payload(&self, of: &str, number: u8) -> Vec<u8> {
        format!("{}{}", self.prefix, self.text(of, number)).into_bytes()
    }

    /// The word in a frame, wherever it stands.
    fn word(&self, frame: &[u8]) -> Option<String> {
        let prefix = self.prefix.as_bytes();
        let at = frame.windows(prefix.len()).position(|window| window == prefix)? + prefix.len();
        Some(String::from_utf8_lossy(frame.get(at..at + WORD)?).into_owned())
    }

    /// Who a frame belongs to: by the word in it, else by its source, as for ARP.
    fn owner(&self, frame: &[u8]) -> Option<String> {
        if let Some(word) = self.word(frame) {
            return Some(word.split(' ').next().unwrap_or_default().to_owned());
        }
        let source = frame.get(6..12)?;
        let tenant = TENANTS.iter().find(|tenant| source.starts_with(&[2, 0, 0, 0, tenant.vni as u8]))?;
        Some(tenant.name.to_owned())
    }

    /// Whether a tunnel packet carries a frame that has an owner.
    fn inside(&self, frame: &[u8]) -> bool {
        tunnelled(frame).is_some_and(|(_, inner)| self.owner(inner).is_some())
    }
}

/// The VNI and the inner frame of a VXLAN packet over IPv4 (RFC 7348, section 5).
fn tunnelled(frame: &[u8]) -> Option<(u32, &[u8])> {
    let ip = frame.get(14..).filter(|_| frame[12..14] == [0x08, 0x00])?;
    let udp = ip.get(usize::from(ip.first()? & 0x0f) * 4..).filter(|_| ip.get(9) == Some(&17))?;
    let vxlan = udp.get(8..).filter(|_| udp[2..4] == VXLAN_PORT.to_be_bytes())?;
    let vni = u32::from_be_bytes(vxlan.get(4..8)?.try_into().ok()?) >> 8;
    Some((vni, &vxlan[8..]))
}

/// A guest says its word in every way; returns how many frames that were.
fn shout(network: &Network, guest: &Guest, marks: &Marks, stop: &Stop) -> Result<usize> {
    let other = TENANTS.iter().find(|tenant| *tenant != guest.tenant).context("there are two tenants")?;
    let partner = network.guest(guest.tenant, 3 - guest.number);
    let strangers = [network.guest(other, 1).mac, network.guest(other, 2).mac, NOBODY];
    let mut targets = vec![partner.addr, Ipv4Addr::new(10, 0, 0, 255), Ipv4Addr::new(224, 0, 0, 77)];
    for (number, mac) in (101..).zip(strangers) {
        let addr = Ipv4Addr::new(10, 0, 0, number);
        guest.netns.neighbour(GUEST, addr.into(), mac)?;
        targets.push(addr);
    }
    let socket = guest.netns.run(|| UdpSocket::bind((guest.addr, 0)))??;
    socket.set_broadcast(true)?;
    let word = marks.payload(guest.tenant.name, guest.number);
    let mut sent = 0;
    for target in iter::repeat_n(&targets, ROUNDS).flatten() {
        stop.check()?;
        socket
            .send_to(&word, (*target, DISCARD))
            .with_context(|| format!("{} to {target}", guest.netns.name()))?;
        sent += 1;
    }
    if guest.link_local.is_some() {
        let socket = guest.netns.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)))??;
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x77);
        let target = SocketAddrV6::new(group, DISCARD, 0, guest.netns.index(GUEST)?);
        for _ in 0..ROUNDS {
            socket.send_to(&word, target).with_context(|| format!("{} to {group}", guest.netns.name()))?;
            sent += 1;
        }
    }
    Ok(sent)
}

/// A hypervisor sends the other tunnel packets that belong to no tenant: an unknown VNI, and a known one whose flag says
/// that it is not valid (RFC 7348: the I flag MUST be set). To everybody and to a guest that exists.
fn intrude(network: &Network, index: usize, marks: &Marks) -> Result<usize> {
    let (here, there) = (&network.hypervisors[index], &network.hypervisors[1 - index]);
    let socket = here.netns.run(|| UdpSocket::bind((here.addr, 0)))??;
    let victim = network.guests_on(1 - index).next().context("every hypervisor has guests")?;
    let mut sent = 0;
    for (flags, vni) in [(0x08, STRANGE_VNI), (0x00, victim.tenant.vni)] {
        for target in [[0xff; 6], victim.mac] {
            let mut packet = vec![flags, 0, 0, 0];
            packet.extend((vni << 8).to_be_bytes());
            packet.extend(target);
            packet.extend(NOBODY);
            // Local experimental EtherType (IEEE 802).
            packet.extend([0x88, 0xb5]);
            packet.extend(marks.payload(STRANGER, 0));
            for _ in 0..ROUNDS {
                socket.send_to(&packet, (there.addr, VXLAN_PORT))?;
                sent += 1;
            }
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel_packet(vni: u32, inner: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45]);
        frame.extend([0; 8]);
        frame.push(17);
        frame.extend([0; 10]);
        frame.extend([0xc0, 0x00]);
        frame.extend(VXLAN_PORT.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend([8, 0, 0, 0]);
        frame.extend((vni << 8).to_be_bytes());
        frame.extend(inner);
        frame
    }

    #[test]
    fn a_word_is_found_in_its_frame_and_inside_a_tunnel() {
        let marks = Marks::new();
        let mut inner = vec![0xff; 14];
        inner.extend(marks.payload("blue", 2));
        assert_eq!(marks.word(&inner).as_deref(), Some("blue     2"));
        assert_eq!(marks.owner(&inner).as_deref(), Some("blue"));
        let outer = tunnel_packet(200, &inner);
        assert_eq!(tunnelled(&outer), Some((200, &inner[..])));
        assert!(marks.inside(&outer));
        for len in 0..outer.len() {
            let cut = &outer[..len];
            assert!(tunnelled(cut).is_none_or(|(vni, _)| vni == 200), "cut to {len}");
            assert!(marks.word(cut).is_none(), "cut to {len}");
        }
    }

    #[test]
    fn a_frame_without_a_word_belongs_to_its_source() {
        let marks = Marks::new();
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 100, 1]);
        assert_eq!(marks.owner(&frame).as_deref(), Some("red"));
        frame[10] = 7;
        assert_eq!(marks.owner(&frame), None);
    }

    #[test]
    fn silence_proves_nothing() {
        assert!(!Verdict::default().proven());
        let heard = Verdict { home: 9, home_expected: 10, ..Verdict::default() };
        assert!(!heard.proven());
        assert!(Verdict { home: 10, ..heard.clone() }.proven());
        assert!(!Verdict { home: 10, lost: 1, ..heard }.proven());
    }
}
