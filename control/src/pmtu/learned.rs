//! The MTUs that the underlay has told us of, and which of what it tells is believed.
//!
//! Anybody can send an ICMP message, so what is said must be of a packet that we may have sent: from an endpoint of ours, to a remote end that
//! we know, of a tunnel that there is, and longer than what is said to fit. Nobody can lower a way's MTU below what Linux allows, or for longer
//! than it remembers such things itself (ip-sysctl, `min_pmtu`, `mtu_expires`); and there is one entry for a remote end.

use super::report::{Carried, Report};
use datapath::tunnel::{Reach, Remote, TunnelSpec, Underlay};
use datapath::wire::{protocol, vxlan};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long an MTU is believed that nobody repeats: RFC 1191 section 6.3 suggests ten minutes, and so Linux has `mtu_expires`.
const EXPIRES: Duration = Duration::from_secs(600);
/// What is believed of IPv4 at the least: `min_pmtu` of Linux.
const IPV4_MIN: u16 = 552;
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
}

impl Known<'_> {
    /// Whether the packet that a report is about may be of ours.
    fn sent(&self, report: &Report) -> bool {
        let leads = |tunnel: &&TunnelSpec| match tunnel.remote {
            Remote::Fixed(remote) => remote == report.remote,
            Remote::Flow => true,
        };
        let carries = |tunnel: &TunnelSpec| match report.carried {
            Carried::Udp { source, destination } => {
                tunnel.kind.port().is_some()
                    && destination == tunnel.dst_port
                    && source >= vxlan::SOURCE_PORT_MIN
            }
            Carried::Gre => tunnel.kind.protocol() == protocol::GRE,
        };
        let from = |tunnel: &TunnelSpec| tunnel.local.is_none_or(|local| local == report.local);
        self.endpoints.contains(&report.local)
            && self.tunnels.iter().filter(leads).any(|tunnel| carries(tunnel) && from(tunnel))
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
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    mtu: u16,
    until: Instant,
}

/// What is believed.
#[derive(Debug, Default)]
pub struct Learned {
    entries: BTreeMap<IpAddr, Entry>,
    refused: u64,
}

impl Learned {
    /// Takes a report in.
    pub fn take(&mut self, report: &Report, known: &Known<'_>, now: Instant) -> Lesson {
        let Some((mtu, way)) = believed(report, known) else {
            self.refused += 1;
            return Lesson::Refused;
        };
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
            _ => {
                self.entries.insert(report.remote, Entry { mtu, until });
                Lesson::Lowered(report.remote, mtu)
            }
        }
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
    if !known.sent(report) || report.len > path.mtu.into() || report.mtu >= report.len {
        return None;
    }
    let mtu = match (report.mtu, report.remote) {
        // RFC 1191 section 5: the next plateau below the length of the packet.
        (0, IpAddr::V4(_)) => {
            PLATEAUS.into_iter().find(|plateau| u32::from(*plateau) < report.len)?.max(IPV4_MIN)
        }
        (mtu, IpAddr::V4(_)) => mtu.max(IPV4_MIN.into()) as u16,
        (mtu, IpAddr::V6(_)) => (mtu >= IPV6_MIN.into()).then_some(mtu as u16)?,
    };
    (u32::from(mtu) < report.len).then_some((mtu, path.mtu))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::flow::OfPort;
    use datapath::port::PortId;
    use datapath::tunnel::{Key, Kind, Path};
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
        let carried = Carried::Udp { source: 50_000, destination: 4789 };
        Report { local: ip(HERE[version]), remote: ip(THERE[version]), len: 1500, carried, mtu }
    }

    /// What comes of these reports, one after the other, each a second after the one before.
    fn lessons(reports: &[Report]) -> Vec<Lesson> {
        let (mut learned, start) = (Learned::default(), Instant::now());
        lessons_of(&mut learned, start, reports)
    }

    fn lessons_of(learned: &mut Learned, start: Instant, reports: &[Report]) -> Vec<Lesson> {
        let tunnels = [
            TunnelSpec::new(OfPort(10), Kind::Vxlan, Remote::Flow, Key::Flow),
            TunnelSpec::new(OfPort(11), Kind::Nvgre, Remote::Fixed(ip(THERE[0])), Key::Fixed(5001)),
        ];
        let (endpoints, underlay) = (HERE.map(ip), underlay());
        let known = Known { endpoints: &endpoints, tunnels: &tunnels, underlay: &underlay };
        let times = (0..).map(|n| start + Duration::from_secs(n));
        reports.iter().zip(times).map(|(report, now)| learned.take(report, &known, now)).collect()
    }

    #[test]
    fn an_mtu_is_lowered_and_not_raised() {
        let lowered = |mtu| Lesson::Lowered(ip(THERE[0]), mtu);
        let said = [1400, 1400, 1450, 1300, 0].map(|mtu| report(0, mtu));
        assert_eq!(
            lessons(&said),
            [lowered(1400), Lesson::Known, Lesson::Known, lowered(1300), Lesson::Known]
        );
    }

    #[test]
    fn what_is_said_of_packets_that_we_did_not_send_is_refused() {
        let sent = report(0, 1400);
        let udp = |source, destination| Carried::Udp { source, destination };
        let reports = [
            Report { local: ip("192.0.2.9"), ..sent },
            Report { remote: ip("192.0.2.9"), ..sent },
            Report { carried: udp(50_000, 4790), ..sent },
            Report { carried: udp(1024, 4789), ..sent },
            Report { carried: Carried::Gre, ..report(1, 1400) },
            Report { len: 1501, ..sent },
            Report { len: 1400, ..sent },
            Report { mtu: 1500, ..sent },
            Report { mtu: 9000, ..sent },
        ];
        assert_eq!(lessons(&reports), [Lesson::Refused; 9]);
        let gre = Report { carried: Carried::Gre, ..sent };
        assert_eq!(lessons(&[gre]), [Lesson::Lowered(ip(THERE[0]), 1400)]);
    }

    #[test]
    fn no_mtu_is_lowered_below_what_linux_allows() {
        assert_eq!(lessons(&[report(0, 68)]), [Lesson::Lowered(ip(THERE[0]), 552)]);
        let tiny = Report { len: 500, ..report(0, 68) };
        assert_eq!(lessons(&[tiny]), [Lesson::Refused]);
    }

    #[test]
    fn rfc8201_s4_less_than_1280_is_discarded() {
        assert_eq!(lessons(&[report(1, 1279)]), [Lesson::Refused]);
        assert_eq!(lessons(&[report(1, 1280)]), [Lesson::Lowered(ip(THERE[1]), 1280)]);
        assert_eq!(lessons(&[report(1, 0)]), [Lesson::Refused]);
    }

    #[test]
    fn rfc1191_s5_a_router_that_does_not_say_is_taken_to_mean_the_next_plateau() {
        assert_eq!(lessons(&[report(0, 0)]), [Lesson::Lowered(ip(THERE[0]), 1492)]);
    }

    #[test]
    fn what_is_learned_narrows_the_way_until_it_is_old_or_the_remote_end_is_gone() {
        let (mut learned, start) = (Learned::default(), Instant::now());
        lessons_of(&mut learned, start, &[report(0, 1400), report(1, 1300)]);
        let mtus = |underlay: &Underlay| {
            THERE.map(|there| match underlay.reach(ip(there)) {
                Reach::Via(path) => path.mtu,
                _ => 0,
            })
        };
        assert_eq!(mtus(&learned.applied(&underlay())), [1400, 1300]);
        assert_eq!(learned.of(ip(THERE[0]), start), Some((1400, EXPIRES)));
        assert_eq!(learned.next_end(), Some(start + EXPIRES));
        assert!(learned.forget(&underlay(), start + EXPIRES));
        assert_eq!(mtus(&learned.applied(&underlay())), [1500, 1300]);
        assert!(learned.forget(&Underlay::default(), start));
        assert!(!learned.forget(&underlay(), start));
        assert_eq!((mtus(&learned.applied(&underlay())), learned.next_end()), ([1500, 1500], None));
    }
}
