//! The MTUs that the underlay has told us of, and which of what it tells is believed.
//!
//! Anybody can send an ICMP message, so what is said must be of a packet that we may have sent: from an endpoint of ours, to a remote end that
//! we know, of a tunnel that there is and that was sent into of late, with its key as far as it is quoted, and longer than what is said to fit. Nobody can lower a way's MTU so far
//! that IPv6 of guests does not fit any more, or for longer than Linux remembers such things (ip-sysctl, `mtu_expires`), or more than a few times
//! in that time; and there is one entry for a remote end.

use super::report::{Carried, Report};
use super::sent::Sent;
use crate::allowance::{Allowance, Limit};
use datapath::tunnel::{Key, Kind, Reach, Remote, TunnelSpec, Underlay};
use datapath::wire::{ethernet, vlan, vxlan};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long an MTU is believed that nobody repeats: RFC 1191 section 6.3 suggests ten minutes, and so Linux has `mtu_expires`.
const EXPIRES: Duration = Duration::from_secs(600);
/// How often a way is narrowed within that time: by routers one behind the other.
const LOWERINGS_MAX: u32 = 4;
/// How often any way is: so many times a second, and so many at once after a pause.
const LOWERINGS: Limit = Limit { per_second: 10, burst: 100 };
/// RFC 8200 section 5: no link carries less of IPv6, so nobody can be told to send less.
const INNER_MIN: usize = 1280;
/// What a guest's packet may have in front: Ethernet and two tags.
const INNER_LINK: usize = ethernet::HEADER_LEN + 2 * vlan::HEADER_LEN;
/// RFC 8201 section 4: a message that says less "must be discarded".
const IPV6_MIN: u16 = 1280;
/// RFC 1191 table 7-1: what may fit when a router does not say.
const PLATEAUS: [u16; 9] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296];

/// What there is to hold a report against.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Our addresses at which tunnels end.
    pub endpoints: &'a [IpAddr],
    /// The tunnels.
    pub tunnels: &'a [TunnelSpec],
    /// The remote ends, and what the kernel says of the ways to them.
    pub underlay: &'a Underlay,
    /// Which tunnels were sent into of late.
    pub sent: &'a Sent,
}

impl Known<'_> {
    /// The tunnels whose packet it may be that a report is about.
    fn meant(&self, report: &Report) -> impl Iterator<Item = &TunnelSpec> {
        let ours = self.endpoints.contains(&report.local);
        let from = move |tunnel: &TunnelSpec| tunnel.local.is_none_or(|local| local == report.local);
        let carries = move |tunnel: &&TunnelSpec| ours && carries(tunnel, &report.carried) && from(tunnel);
        self.leading_to(report.remote).filter(carries)
    }

    /// Whether one of them was sent into of late.
    fn sent(&self, report: &Report, now: Instant) -> bool {
        self.meant(report).any(|tunnel| self.sent.lately(tunnel.ofport, now))
    }

    fn leading_to(&self, remote: IpAddr) -> impl Iterator<Item = &TunnelSpec> {
        self.tunnels.iter().filter(move |tunnel| match tunnel.remote {
            Remote::Fixed(fixed) => fixed == remote,
            Remote::Flow => true,
        })
    }

    /// What a way has to carry so that the shortest packet which every link of IPv6 carries fits each of its tunnels, also with tags.
    fn needed(&self, remote: IpAddr) -> usize {
        let headers = |tunnel: &TunnelSpec| tunnel.headers_len(remote.is_ipv6()) - ethernet::HEADER_LEN;
        self.leading_to(remote).map(headers).max().unwrap_or(0) + INNER_LINK + INNER_MIN
    }
}

/// Whether a tunnel sends such packets.
fn carries(tunnel: &TunnelSpec, carried: &Carried) -> bool {
    // What is not quoted may be right.
    let fits = |key: u32| match tunnel.key {
        Key::Fixed(fixed) => u64::from(key) == fixed,
        Key::Absent => key == 0,
        Key::Flow => true,
    };
    match (*carried, tunnel.kind) {
        (Carried::Udp { source, destination, vni }, Kind::Vxlan | Kind::Geneve) => {
            destination == tunnel.dst_port && source >= vxlan::SOURCE_PORT_MIN && vni.is_none_or(fits)
        }
        (Carried::Gre { key }, Kind::Nvgre) => key.is_none_or(|key| key.is_some_and(|key| fits(key >> 8))),
        (Carried::Gre { key }, Kind::Gre) => {
            key.is_none_or(|key| key.is_some() == (tunnel.key != Key::Absent) && key.is_none_or(fits))
        }
        _ => false,
    }
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// It is not believed.
    Refused,
    /// It says what is known.
    Known,
    /// The way to this remote end has a smaller MTU from now on.
    Lowered(IpAddr, u16),
    /// It may be so, and comes too often.
    Limited,
    /// It could be so, if there had been a packet: nothing is known of one that was sent of late.
    Unsent,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    mtu: u16,
    until: Instant,
    /// How often it was lowered since it is there.
    lowered: u32,
}

/// What is believed.
#[derive(Debug)]
pub struct Learned {
    entries: BTreeMap<IpAddr, Entry>,
    refused: u64,
    since: Instant,
    allowance: Allowance,
}

impl Default for Learned {
    fn default() -> Learned {
        let (since, allowance) = (Instant::now(), Allowance::default());
        Learned { entries: BTreeMap::new(), refused: 0, since, allowance }
    }
}

impl Learned {
    /// Takes a report in. One that is [`Lesson::Unsent`] changes nothing, and is not counted yet as refused.
    pub fn take(&mut self, report: &Report, known: &Known<'_>, now: Instant) -> Lesson {
        let Some((mtu, way)) = believed(report, known) else {
            self.refused += 1;
            return Lesson::Refused;
        };
        if !known.sent(report, now) {
            return Lesson::Unsent;
        }
        let until = now + EXPIRES;
        match self.entries.get_mut(&report.remote) {
            // Packets that were under way when it was lowered are told of too, and a router nearer to us does not know of the one behind it.
            Some(entry) if entry.mtu <= mtu => {
                if entry.mtu == mtu {
                    entry.until = until;
                }
                Lesson::Known
            }
            _ if mtu >= way => Lesson::Known,
            Some(entry) if entry.lowered == LOWERINGS_MAX => self.limit(),
            had => {
                let lowered = had.map_or(0, |entry| entry.lowered) + 1;
                let ms = now.saturating_duration_since(self.since).as_millis() as u64;
                if !self.allowance.take(LOWERINGS, ms) {
                    return self.limit();
                }
                self.entries.insert(report.remote, Entry { mtu, until, lowered });
                Lesson::Lowered(report.remote, mtu)
            }
        }
    }

    /// Does not believe a report that was [`Lesson::Unsent`].
    pub fn refuse(&mut self) {
        self.refused += 1;
    }

    fn limit(&mut self) -> Lesson {
        self.refused += 1;
        Lesson::Limited
    }

    /// Forgets what is too old, and what is of remote ends that are not known any more. True when that was something.
    pub fn forget(&mut self, underlay: &Underlay, now: Instant) -> bool {
        let before = self.entries.len();
        self.entries
            .retain(|remote, entry| entry.until > now && underlay.iter().any(|(known, _)| known == remote));
        self.entries.len() != before
    }

    /// When there is something to forget.
    pub fn next_end(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.until).min()
    }

    /// The ways that the kernel knows, no wider than what is believed of them.
    pub fn applied(&self, underlay: &Underlay) -> Underlay {
        let mut applied = underlay.clone();
        for (remote, entry) in &self.entries {
            if let Reach::Via(mut path) = underlay.reach(*remote) {
                path.mtu = path.mtu.min(entry.mtu);
                applied.insert(*remote, Reach::Via(path));
            }
        }
        applied
    }

    /// What is believed of a remote end, and for how much longer.
    pub fn of(&self, remote: IpAddr, now: Instant) -> Option<(u16, Duration)> {
        self.entries.get(&remote).map(|entry| (entry.mtu, entry.until.saturating_duration_since(now)))
    }

    /// How many reports were not believed.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// What a report says, if it is believed, and what the kernel says of the way.
fn believed(report: &Report, known: &Known<'_>) -> Option<(u16, u16)> {
    let Reach::Via(path) = known.underlay.reach(report.remote) else { return None };
    if known.meant(report).next().is_none() || report.len > path.mtu.into() || report.mtu >= report.len {
        return None;
    }
    let mtu = match (report.mtu, report.remote) {
        // RFC 1191 section 5: the next plateau below the length of the packet.
        (0, IpAddr::V4(_)) => PLATEAUS.into_iter().find(|plateau| u32::from(*plateau) < report.len)?,
        (mtu, IpAddr::V4(_)) => mtu as u16,
        (mtu, IpAddr::V6(_)) => (mtu >= IPV6_MIN.into()).then_some(mtu as u16)?,
    };
    let mtu = mtu.max(u16::try_from(known.needed(report.remote)).ok()?);
    (u32::from(mtu) < report.len).then_some((mtu, path.mtu))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::flow::OfPort;
    use datapath::port::PortId;
    use datapath::tunnel::Path;
    use datapath::wire::MacAddr;

    const HERE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
    const THERE: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn underlay() -> Underlay {
        let mut underlay = Underlay::default();
        for (here, there) in HERE.into_iter().zip(THERE) {
            let path = Path {
                uplink: PortId(0),
                local: ip(here),
                src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
                dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
                mtu: 1500,
            };
            underlay.insert(ip(there), Reach::Via(path));
        }
        underlay
    }

    fn report(version: usize, mtu: u32) -> Report {
        let carried = Carried::Udp { source: 50_000, destination: 4789, vni: None };
        Report { local: ip(HERE[version]), remote: ip(THERE[version]), len: 1500, carried, mtu }
    }

    /// What comes of these reports, one after the other, each a second after the one before.
    fn lessons(reports: &[Report]) -> Vec<Lesson> {
        let (mut learned, start) = (Learned::default(), Instant::now());
        lessons_of(&mut learned, start, reports)
    }

    fn lessons_of(learned: &mut Learned, start: Instant, reports: &[Report]) -> Vec<Lesson> {
        let mut sent = Sent::default();
        sent.note([(OfPort(10), 1), (OfPort(11), 1)], start);
        lessons_when(learned, &sent, start, reports)
    }

    /// The same where this was sent.
    fn lessons_when(learned: &mut Learned, sent: &Sent, start: Instant, reports: &[Report]) -> Vec<Lesson> {
        let tunnels = [
            TunnelSpec::new(OfPort(10), Kind::Vxlan, Remote::Flow, Key::Flow),
            TunnelSpec::new(OfPort(11), Kind::Nvgre, Remote::Fixed(ip(THERE[0])), Key::Fixed(5001)),
        ];
        let (endpoints, underlay) = (HERE.map(ip), underlay());
        let known = Known { endpoints: &endpoints, tunnels: &tunnels, underlay: &underlay, sent };
        let times = (0..).map(|n| start + Duration::from_secs(n));
        reports.iter().zip(times).map(|(report, now)| learned.take(report, &known, now)).collect()
    }

    #[test]
    fn an_mtu_is_lowered_and_not_raised() {
        let lowered = |mtu| Lesson::Lowered(ip(THERE[0]), mtu);
        let said = [1400, 1400, 1450, 1350, 0].map(|mtu| report(0, mtu));
        assert_eq!(
            lessons(&said),
            [lowered(1400), Lesson::Known, Lesson::Known, lowered(1350), Lesson::Known]
        );
    }

    #[test]
    fn what_is_said_of_packets_that_we_did_not_send_is_refused() {
        let sent = report(0, 1400);
        let udp = |source, destination| Carried::Udp { source, destination, vni: None };
        let key = |key| Carried::Gre { key: Some(key) };
        let reports = [
            Report { local: ip("192.0.2.9"), ..sent },
            Report { remote: ip("192.0.2.9"), ..sent },
            Report { carried: udp(50_000, 4790), ..sent },
            Report { carried: udp(1024, 4789), ..sent },
            Report { carried: key(Some(5001 << 8)), ..report(1, 1400) },
            Report { carried: key(Some(5002 << 8)), ..sent },
            Report { carried: key(None), ..sent },
            Report { len: 1501, ..sent },
            Report { len: 1400, ..sent },
            Report { mtu: 1500, ..sent },
            Report { mtu: 9000, ..sent },
        ];
        assert_eq!(lessons(&reports), [Lesson::Refused; 11]);
        for key in [None, Some(Some(5001 << 8 | 9))] {
            let gre = Report { carried: Carried::Gre { key }, ..sent };
            assert_eq!(lessons(&[gre]), [Lesson::Lowered(ip(THERE[0]), 1400)]);
        }
    }

    #[test]
    fn nothing_is_learned_of_a_tunnel_that_was_not_sent_into_of_late() {
        let (mut learned, start) = (Learned::default(), Instant::now());
        let nvgre = Report { carried: Carried::Gre { key: Some(Some(5001 << 8)) }, ..report(0, 1400) };
        // Of the other tunnel.
        let mut sent = Sent::default();
        sent.note([(OfPort(10), 0), (OfPort(11), 7)], start);
        assert_eq!(lessons_when(&mut learned, &sent, start, &[report(0, 1400)]), [Lesson::Unsent]);
        assert_eq!((learned.refused(), learned.of(ip(THERE[0]), start)), (0, None));
        let lowered = Lesson::Lowered(ip(THERE[0]), 1400);
        assert_eq!(lessons_when(&mut learned, &sent, start, &[nvgre]), [lowered]);
        // Nor is it believed for longer.
        let later = start + Duration::from_secs(100);
        assert_eq!(lessons_when(&mut learned, &sent, later, &[nvgre]), [Lesson::Unsent]);
        assert_eq!(learned.next_end(), Some(start + EXPIRES));
    }

    /// VXLAN: 36 bytes over IPv4 and 56 over IPv6, Ethernet with two tags, and 1280.
    #[test]
    fn rfc8200_s5_what_every_link_of_ipv6_carries_fits_whatever_is_said() {
        assert_eq!(lessons(&[report(0, 68)]), [Lesson::Lowered(ip(THERE[0]), 36 + 22 + 1280)]);
        assert_eq!(lessons(&[report(1, 1280)]), [Lesson::Lowered(ip(THERE[1]), 56 + 22 + 1280)]);
        let tiny = Report { len: 1338, ..report(0, 68) };
        assert_eq!(lessons(&[tiny]), [Lesson::Refused]);
    }

    #[test]
    fn a_way_is_narrowed_a_few_times_and_not_again_and_again() {
        let said = [1490, 1480, 1470, 1460, 1450].map(|mtu| report(0, mtu));
        assert_eq!(lessons(&said)[3..], [Lesson::Lowered(ip(THERE[0]), 1460), Lesson::Limited]);
    }

    #[test]
    fn rfc8201_s4_less_than_1280_is_discarded() {
        assert_eq!(lessons(&[report(1, 1279)]), [Lesson::Refused]);
        assert_eq!(lessons(&[report(1, 1400)]), [Lesson::Lowered(ip(THERE[1]), 1400)]);
        assert_eq!(lessons(&[report(1, 0)]), [Lesson::Refused]);
    }

    #[test]
    fn rfc1191_s5_a_router_that_does_not_say_is_taken_to_mean_the_next_plateau() {
        assert_eq!(lessons(&[report(0, 0)]), [Lesson::Lowered(ip(THERE[0]), 1492)]);
    }

    #[test]
    fn what_is_learned_narrows_the_way_until_it_is_old_or_the_remote_end_is_gone() {
        let (mut learned, start) = (Learned::default(), Instant::now());
        lessons_of(&mut learned, start, &[report(0, 1400), report(1, 1360)]);
        let mtus = |underlay: &Underlay| {
            THERE.map(|there| match underlay.reach(ip(there)) {
                Reach::Via(path) => path.mtu,
                _ => 0,
            })
        };
        assert_eq!(mtus(&learned.applied(&underlay())), [1400, 1360]);
        assert_eq!(learned.of(ip(THERE[0]), start), Some((1400, EXPIRES)));
        assert_eq!(learned.next_end(), Some(start + EXPIRES));
        assert!(learned.forget(&underlay(), start + EXPIRES));
        assert_eq!(mtus(&learned.applied(&underlay())), [1500, 1360]);
        assert!(learned.forget(&Underlay::default(), start));
        assert!(!learned.forget(&underlay(), start));
        assert_eq!((mtus(&learned.applied(&underlay())), learned.next_end()), ([1500, 1500], None));
    }
}
