//! Numbers as people write them on a command line.

use datapath::wire::MacAddr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// A number with or without `k`, `M` or `G` behind it: `1.5M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub u64);

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Amount, String> {
        let (number, factor) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 1e6),
            Some(b'g' | b'G') => (&text[..text.len() - 1], 1e9),
            _ => (text, 1.0),
        };
        if factor == 1.0 {
            return text
                .parse()
                .map(Amount)
                .map_err(|_| format!("{text} is no number (such as 1000, 10k, 1.5M)"));
        }
        match number.parse::<f64>() {
            Ok(number) if number >= 0.0 && number * factor < 1e18 => {
                Ok(Amount((number * factor).round() as u64))
            }
            _ => Err(format!("{text} is no number (such as 1000, 10k, 1.5M)")),
        }
    }
}

/// A time in seconds, or with `ms`, `s` or `m` behind it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, factor) = [("ms", 1e-3), ("s", 1.0), ("m", 60.0)]
        .into_iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))
        .unwrap_or((text, 1.0));
    let seconds = number.parse::<f64>().ok().map(|number| number * factor);
    seconds
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0 && *seconds <= 30.0 * 86_400.0)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{text} is no time (such as 10, 500ms, 2m), or longer than a month"))
}

/// Lengths of frames that take turns: `64`, `64,570,1514`, `64..128`, `imix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// In their order.
    pub list: Vec<u16>,
    /// They are those of frames without a tunnel around them, and the short ones may be as short as can be.
    pub mix: bool,
}

/// How many lengths can take turns.
const SIZES_MAX: usize = ebpf::traffic::TURNS_MAX as usize;
/// The longest frame.
const SIZE_MAX: u16 = 9216;
/// The mix of sizes that is customary: of twelve frames seven short, four middling, one long; 64, 570 and 1518 bytes on the wire,
/// which without their checksum are these.
const IMIX: [u16; 12] = [60, 60, 566, 60, 60, 566, 60, 566, 60, 1514, 60, 566];

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Sizes, String> {
        if text == "imix" {
            return Ok(Sizes { list: IMIX.to_vec(), mix: true });
        }
        let size = |text: &str| match text.trim().parse::<u16>() {
            Ok(size) if size <= SIZE_MAX => Ok(size),
            Ok(_) => Err(format!("{text} bytes are too many: {SIZE_MAX} at most")),
            Err(_) => {
                Err(format!("{text} is no length of a frame (such as 64, 64,570,1514, 64..128, or imix)"))
            }
        };
        let sizes: Vec<u16> = match text.split_once("..") {
            Some((first, last)) => {
                let (first, last) = (size(first)?, size(last.trim_start_matches('='))?);
                if first > last {
                    return Err(format!("{text}: the first length is above the last"));
                }
                spread(first, last)
            }
            None => text.split(',').map(size).collect::<Result<_, _>>()?,
        };
        if sizes.len() > SIZES_MAX {
            return Err(format!("{} lengths are too many: {SIZES_MAX} at most", sizes.len()));
        }
        Ok(Sizes { list: sizes, mix: false })
    }
}

/// Every length from `first` to `last`, or as many as there may be, evenly.
fn spread(first: u16, last: u16) -> Vec<u16> {
    let (first, span) = (usize::from(first), usize::from(last - first));
    let steps = span.min(SIZES_MAX - 1);
    (0..=steps).map(|step| (first + span * step / steps.max(1)) as u16).collect()
}

/// Addresses that flows take one after another: `198.18.0.1` for all, `198.18.0.1/16` for 65,536 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPrefix {
    first: IpAddr,
    /// How many low bits change.
    free: u32,
}

impl IpPrefix {
    /// This address for all.
    pub const fn one(first: IpAddr) -> IpPrefix {
        IpPrefix { first, free: 0 }
    }

    /// The address of a flow.
    pub fn nth(&self, flow: u32) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => {
                Ipv4Addr::from_bits(counted(first.to_bits().into(), self.free, flow) as u32).into()
            }
            IpAddr::V6(first) => Ipv6Addr::from_bits(counted(first.to_bits(), self.free, flow)).into(),
        }
    }

    /// Whether these are addresses of IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.first.is_ipv6()
    }
}

impl FromStr for IpPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<IpPrefix, String> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let wrong =
            || format!("{text} is no address, alone or with a length of prefix (such as 198.18.0.1/16)");
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if first.is_ipv4() { 32 } else { 128 };
        let bits: u32 = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        let free = width.checked_sub(bits).ok_or_else(wrong)?;
        Ok(IpPrefix { first, free })
    }
}

/// Ethernet addresses that flows take one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacPrefix {
    first: MacAddr,
    free: u32,
}

impl MacPrefix {
    /// This address for all.
    pub const fn one(first: MacAddr) -> MacPrefix {
        MacPrefix { first, free: 0 }
    }

    /// The address of a flow.
    pub fn nth(&self, flow: u32) -> MacAddr {
        let [a, b, c, d, e, f] = self.first.octets();
        let first = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let [_, _, octets @ ..] = (counted(first.into(), self.free, flow) as u64).to_be_bytes();
        MacAddr(octets)
    }
}

impl FromStr for MacPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<MacPrefix, String> {
        let (address, bits) = text.split_once('/').unwrap_or((text, "48"));
        let wrong = || {
            format!(
                "{text} is no Ethernet address, alone or with a length of prefix (such as 02:00:00:00:00:01/32)"
            )
        };
        let first: MacAddr = address.parse().map_err(|_| wrong())?;
        let bits: u32 = bits.parse().map_err(|_| wrong())?;
        let free = 48_u32.checked_sub(bits).ok_or_else(wrong)?;
        Ok(MacPrefix { first, free })
    }
}

/// `first`, with `n` added to so many low bits.
fn counted(first: u128, free: u32, n: u32) -> u128 {
    let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1);
    (first & !mask) | (first.wrapping_add(n.into()) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        let read = |text: &str| text.parse::<Amount>().ok().map(|amount| amount.0);
        assert_eq!(["12", "1.5M", "10k", "2G"].map(read), [12, 1_500_000, 10_000, 2_000_000_000].map(Some));
        assert_eq!(["", "k", "-1", "-1k", "1e99M", "x", "1.5", "infM", "nanM"].map(read), [None; 9]);
    }

    #[test]
    fn times_have_units() {
        assert_eq!(
            ["2", "1.5s", "20ms", "2m"].map(|text| duration(text).unwrap().as_millis()),
            [2000, 1500, 20, 120_000]
        );
        for wrong in ["0", "-1", "", "x", "inf", "nan", "99999999"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_one_or_many() {
        let read = |text: &str| text.parse::<Sizes>().map(|sizes| sizes.list);
        assert_eq!(read("64"), Ok(vec![64]));
        assert_eq!(read("64,9000"), Ok(vec![64, 9000]));
        assert_eq!(read("64..67"), Ok(vec![64, 65, 66, 67]));
        assert_eq!(read("imix").unwrap().len(), 12);
        let many = read("64..9000").unwrap();
        assert_eq!((many.len(), many[0], many[63]), (64, 64, 9000));
        for wrong in ["", "x", "64,", "9217", "99999", "70..64", "64..", "-1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_are_counted_within_their_prefix() {
        let prefix: IpPrefix = "198.18.255.254/16".parse().unwrap();
        assert_eq!(
            [0, 1, 2].map(|n| prefix.nth(n).to_string()),
            ["198.18.255.254", "198.18.255.255", "198.18.0.0"]
        );
        let one: IpPrefix = "2001:2::1".parse().unwrap();
        assert_eq!(one.nth(5).to_string(), "2001:2::1");
        let all: IpPrefix = "::/0".parse().unwrap();
        assert_eq!(all.nth(5).to_string(), "::5");
        let mac: MacPrefix = "02:00:00:00:ff:ff/32".parse().unwrap();
        assert_eq!(mac.nth(1).to_string(), "02:00:00:00:00:00");
        for wrong in ["", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/x"] {
            assert!(wrong.parse::<IpPrefix>().is_err(), "{wrong}");
        }
        assert!("02:00:00:00:00:01/49".parse::<MacPrefix>().is_err());
    }
}
