//! Frames that do not fit a tunnel's way: in pieces, or back to the sender as a message that says what fits.
//!
//! Nothing here is on the way of a frame that fits.

use super::execute::Executor;
use super::{Back, Means, Rate};
use crate::flow::hash::entropy;
use crate::flow::{Field, FlowKey, Seed};
use crate::mem::Frame;
use crate::port::{PortId, finish_checksum};
use crate::stats::{DropReason, TooLongCounters};
use crate::tunnel::{Cuts, Encap, Marks, Mss, Remedy, answer, mss};

/// How many senders of one tenant a worker tells in a second, of those that come in by one port, so that none can use up what others need.
const TOLD_PER_SECOND: u64 = 100;
/// How many at once after a pause: Linux has 50 (`icmp_msgs_burst`).
const TOLD_AT_ONCE: u64 = 50;
/// How many of all tenants that come in by one port: Linux sends 1,000 a second in all, and at most one a second to each host (icmp(7),
/// `icmp_msgs_per_sec`, `icmp_ratelimit`).
const TOLD_BY_PORT: u64 = 1000;
const TOLD_BY_PORT_AT_ONCE: u64 = 500;
/// Rates of tenants; those of which the hash is the same share one. 10 kB.
const RATES: usize = 256;

/// What the headers of a tunnel say of a frame, and the bytes of Geneve options behind them.
pub(super) type Wrapping<'a> = (Marks, &'a [u8]);

/// What a worker remembers of frames that are too long.
#[derive(Debug)]
pub struct TooLong {
    /// By ports that frames come in by.
    ports: Box<[Rate]>,
    /// By port and tunnel key, which is a tenant, by hash.
    tenants: Box<[Rate]>,
    /// What was done.
    pub counters: TooLongCounters,
}

impl TooLong {
    /// For so many ports.
    pub fn new(ports: usize) -> TooLong {
        let ports = (0..ports).map(|_| Rate::new(TOLD_BY_PORT, TOLD_BY_PORT_AT_ONCE, 1)).collect();
        let tenants = (0..RATES).map(|_| Rate::new(TOLD_PER_SECOND, TOLD_AT_ONCE, 1)).collect();
        TooLong { ports, tenants, counters: TooLongCounters::default() }
    }

    /// Whether one more sender may be told, of a frame that came in by this port with this tunnel key.
    fn may_tell(&self, port: PortId, key: u64, seed: &Seed, now_ns: u64) -> bool {
        let at = seed.pair(port.0.into(), key) as usize % RATES;
        self.tenants[at].take(1, now_ns) && self.ports[usize::from(port.0)].take(1, now_ns)
    }

    /// Lowers the maximum segment size in a SYN, see [`mss::clamp`].
    #[cold]
    pub fn clamp(&mut self, frame: &mut Frame<'_>, mss: Mss, frame_max: usize) {
        self.counters.clamped += u64::from(mss::clamp(frame, mss, frame_max));
    }
}

impl<'u> Executor<'_, 'u> {
    /// The end of a frame that does not fit the way of `encap`. `key` is the frame's as it came in.
    #[cold]
    #[inline(never)]
    pub(super) fn too_long(
        &mut self,
        mut frame: Frame<'u>,
        key: &FlowKey,
        encap: &Encap,
        marks: Wrapping<'_>,
        means: &impl Means,
    ) {
        match encap.remedy(frame.bytes(), marks.1.len()) {
            Remedy::Trim(len) => {
                frame.truncate(len);
                self.wrap(frame, key, encap, marks);
            }
            Remedy::Fragment(cuts) => self.send_in_pieces(frame, cuts, key, encap, marks),
            Remedy::Tell(mtu) => {
                self.count(DropReason::ExceedsMtu);
                self.tell(frame, key, mtu, means);
            }
            Remedy::Nothing => self.drop(frame, DropReason::ExceedsMtu),
        }
    }

    fn wrap(&mut self, mut frame: Frame<'u>, key: &FlowKey, encap: &Encap, (marks, options): Wrapping<'_>) {
        match encap.push_with_options(&mut frame, options, marks, entropy(key, self.seed)) {
            Ok(()) => drop(self.send(frame, encap.uplink())),
            Err(reason) => self.drop(frame, reason),
        }
    }

    /// All pieces or none: of a packet that lacks one, the others are of no use.
    fn send_in_pieces(
        &mut self,
        mut frame: Frame<'u>,
        cuts: Cuts,
        key: &FlowKey,
        encap: &Encap,
        marks: Wrapping<'_>,
    ) {
        let count = cuts.count();
        // The pieces of a long frame may each be sent in several.
        let (others, one_each) = match frame.is_long() {
            true => (frame.len().div_ceil(self.pool.room().max(1)) + count, self.pool.long() > 0),
            false => (count - 1, true),
        };
        if self.pool.len() < others || !one_each {
            return self.drop(frame, DropReason::PoolEmpty);
        }
        // What is summed is the whole.
        finish_checksum(&mut frame);
        self.too_long.counters.fragmented += 1;
        for number in 0..count - 1 {
            let Some(mut piece) = self.pool.copy(&frame) else {
                return self.drop(frame, DropReason::PoolEmpty);
            };
            self.send_piece(cuts.cut(number, &mut piece), piece, key, encap, marks);
        }
        self.send_piece(cuts.cut(count - 1, &mut frame), frame, key, encap, marks);
    }

    fn send_piece(
        &mut self,
        cut: Option<()>,
        piece: Frame<'u>,
        key: &FlowKey,
        encap: &Encap,
        marks: Wrapping<'_>,
    ) {
        if cut.is_none() {
            return self.drop(piece, DropReason::ExceedsMtu);
        }
        self.too_long.counters.fragments += 1;
        self.wrap(piece, key, encap, marks);
    }

    /// Sends a message back that says what fits, if the sender may be told. The frame itself has been counted.
    fn tell(&mut self, mut frame: Frame<'u>, key: &FlowKey, mtu: u16, means: &impl Means) {
        let back = means.back(key).filter(|_| answer::may_be_told(key));
        let (Some(back), Some(in_port)) = (back, self.in_port) else {
            self.too_long.counters.untold += 1;
            return self.pool.give(frame);
        };
        let tenant = key.get(Field::TunId) as u64;
        if !self.too_long.may_tell(in_port, tenant, self.seed, self.now_ns) {
            self.too_long.counters.limited += 1;
            return self.pool.give(frame);
        }
        let frame_max = match back {
            Back::Port(_) => usize::MAX,
            Back::Tunnel(encap, _) => encap.frame_max(),
        };
        let made = answer::answer(&mut frame, key, mtu, frame_max);
        let port = match (made, back) {
            (None, _) => None,
            (Some(()), Back::Port(port)) => Some(port),
            (Some(()), Back::Tunnel(encap, marks)) => {
                encap.push(&mut frame, marks, entropy(key, self.seed)).ok().map(|()| encap.uplink())
            }
        };
        match port {
            Some(port) => {
                self.too_long.counters.told += 1;
                self.send(frame, port);
            }
            None => {
                self.too_long.counters.untold += 1;
                self.pool.give(frame);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_uses_up_what_is_its_own() {
        let (too_long, seed, port) = (TooLong::new(2), Seed::new(1), PortId(1));
        let told = |key, ms: u64| {
            (0..1000).filter(|_| too_long.may_tell(port, key, &seed, ms * 1_000_000)).count() as u64
        };
        assert_eq!([told(1, 1000), told(2, 1000), told(1, 2000)], [TOLD_AT_ONCE, TOLD_AT_ONCE, TOLD_AT_ONCE]);
        let all: u64 = (0..1000).map(|key| told(key, 10_000)).sum();
        assert_eq!(all, TOLD_BY_PORT_AT_ONCE, "all of a port together");
    }
}
