//! The order of GRE packets: which sequence numbers come too late (RFC 2890 section 2.2).
//!
//! A packet is late when its number is the last one of its flow or one of the 2^31 - 1 before that; any other is taken, also past a
//! gap, and one without a number always. A flow is what goes from one endpoint to one of ours with one key. Nothing is kept back to be put in order.
//!
//! The header has no word for "from here on anew", so the first number that is heard of a flow is believed, and so is one when nothing of the flow was
//! in order for ten seconds: a sender that starts again counts from zero.
//!
//! Each worker has one such memory of fixed size. Where it is full, the flow that was silent longest gives way.

use crate::flow::Seed;
use std::net::IpAddr;

use super::table::bits;

/// Sets of flows; a flow is in the set that its hash names.
const SETS: usize = 256;
/// Flows in a set.
const WAYS: usize = 4;
/// After so long without a packet in order, a flow begins anew; in nanoseconds of the turns' clock.
const ANEW_NS: u64 = 10_000_000_000;

/// What was heard of a flow.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// Hash of the flow. Two that have the same are taken for one.
    flow: u64,
    /// When a packet was last taken; 0: never, the place is free.
    taken_ns: u64,
    /// Its number.
    number: u32,
}

/// The last sequence number of each flow.
#[derive(Clone, Debug)]
pub struct Order {
    heard: Box<[[Heard; WAYS]; SETS]>,
    seed: Seed,
    now_ns: u64,
}

impl Order {
    /// Knows no flow. Hashes with `seed`.
    pub fn new(seed: Seed) -> Order {
        Order { heard: Box::new([[Heard::default(); WAYS]; SETS]), seed, now_ns: 1 }
    }

    /// The time of the turn, in nanoseconds.
    #[inline]
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns.max(1);
    }

    /// Whether a packet of this flow with this number is in time. If it is, it is the last one from now on.
    pub fn takes(&mut self, local: IpAddr, remote: IpAddr, key: Option<u32>, number: u32) -> bool {
        let flow = self.flow(local, remote, key);
        let now_ns = self.now_ns;
        let set = &mut self.heard[flow as usize % SETS];
        let known = set.iter_mut().find(|heard| heard.flow == flow && heard.taken_ns != 0);
        if let Some(heard) = known {
            let anew = now_ns.saturating_sub(heard.taken_ns) >= ANEW_NS;
            if !anew && is_late(number, heard.number) {
                return false;
            }
            (heard.number, heard.taken_ns) = (number, now_ns);
        } else if let Some(oldest) = set.iter_mut().min_by_key(|heard| heard.taken_ns) {
            *oldest = Heard { flow, taken_ns: now_ns, number };
        }
        true
    }

    fn flow(&self, local: IpAddr, remote: IpAddr, key: Option<u32>) -> u64 {
        let address = |address: IpAddr| {
            let bits = bits(address);
            self.seed.pair(bits as u64, (bits >> 64) as u64 ^ u64::from(address.is_ipv6()) << 32)
        };
        // RFC 2890 section 2.2: "If the Key present bit is set, the sequence number is specific to the traffic flow identified by
        // the Key field." No key is another flow than the key 0.
        let key = key.map_or(1 << 32, u64::from);
        self.seed.pair(self.seed.pair(address(local), address(remote).rotate_left(32)), key)
    }
}

/// RFC 2890 section 2.2: a number is late "if its value lies in the range of the last received sequence number and the preceding 2**31-1
/// values, inclusive".
fn is_late(number: u32, last: u32) -> bool {
    last.wrapping_sub(number) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "192.0.2.1";
    const REMOTE: &str = "192.0.2.2";
    const SECOND: u64 = 1_000_000_000;

    fn order() -> Order {
        Order::new(Seed::new(1))
    }

    fn takes(order: &mut Order, remote: &str, key: Option<u32>, number: u32) -> bool {
        order.takes(LOCAL.parse().unwrap(), remote.parse().unwrap(), key, number)
    }

    #[test]
    fn rfc2890_s2_2_what_is_not_behind_the_last_one_is_late() {
        let mut order = order();
        let taken = [0, 1, 2, 2, 1, 5, 3, 4, 5, 6].map(|number| takes(&mut order, REMOTE, Some(7), number));
        assert_eq!(taken, [true, true, true, false, false, true, false, false, false, true]);
    }

    #[test]
    fn rfc2890_s2_2_late_are_the_last_number_and_the_2_to_the_31_minus_1_before() {
        for last in [0_u32, 5, 1 << 31, u32::MAX] {
            assert!(is_late(last, last));
            assert!(is_late(last.wrapping_sub((1 << 31) - 1), last));
            assert!(!is_late(last.wrapping_sub(1 << 31), last));
            assert!(!is_late(last.wrapping_add(1), last));
        }
    }

    #[test]
    fn rfc2890_s2_2_numbers_run_on_from_the_largest_to_zero() {
        let mut order = order();
        let taken =
            [u32::MAX - 1, u32::MAX, 0, u32::MAX, 1].map(|number| takes(&mut order, REMOTE, None, number));
        assert_eq!(taken, [true, true, true, false, true]);
    }

    #[test]
    fn rfc2890_s2_2_each_key_and_each_endpoint_has_numbers_of_its_own() {
        let mut order = order();
        assert!(takes(&mut order, REMOTE, Some(7), 9));
        for (remote, key) in [
            (REMOTE, Some(8)),
            (REMOTE, None),
            (REMOTE, Some(0)),
            ("192.0.2.3", Some(7)),
            ("::ffff:192.0.2.2", Some(7)),
        ] {
            assert!(takes(&mut order, remote, key, 3), "{remote} {key:?}");
        }
        assert!(!takes(&mut order, REMOTE, Some(7), 3));
    }

    #[test]
    fn a_sender_that_starts_again_is_believed_after_ten_seconds_without_order() {
        let mut order = order();
        order.set_now(SECOND);
        assert!(takes(&mut order, REMOTE, Some(7), 1000));
        order.set_now(10 * SECOND);
        assert!(!takes(&mut order, REMOTE, Some(7), 0));
        order.set_now(11 * SECOND);
        assert!(takes(&mut order, REMOTE, Some(7), 1));
        assert!(!takes(&mut order, REMOTE, Some(7), 1));
    }

    #[test]
    fn whoever_was_silent_longest_gives_way_and_others_keep_their_order() {
        let mut order = order();
        for key in 0..100_000 {
            order.set_now(u64::from(key) + 1);
            assert!(takes(&mut order, REMOTE, Some(key), 5));
        }
        assert!(!takes(&mut order, REMOTE, Some(99_999), 5));
        assert!(takes(&mut order, REMOTE, Some(0), 5), "forgotten");
    }
}
