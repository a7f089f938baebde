//! GRE and NVGRE look alike: NVGRE is GRE whose key has a network in its upper 24 bits. Tunnels of both kinds from the same remote end can
//! ask for the same packets, which is allowed and goes by the key (`datapath/src/tunnel/decap.rs`), and which somebody should know who
//! thinks that a key has only one of the two.

use super::{Config, Tunnel};
use datapath::tunnel::{Key, Kind, Remote, VSID_MIN};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The first key that is a network of NVGRE before it is a key of GRE.
const NETWORKS: u64 = (VSID_MIN as u64) << 8;

impl Config {
    /// Which keys tunnels of both kinds would take from the same remote end, and which of the two gets them. One line for each tunnel of NVGRE.
    pub(super) fn look_alikes(&self) -> Vec<String> {
        let of = |kind| self.tunnels.iter().filter(move |tunnel| tunnel.spec.kind == kind);
        let first = |nvgre: &Tunnel| of(Kind::Gre).find_map(|gre| both_take(gre, nvgre));
        of(Kind::Nvgre).filter_map(first).collect()
    }
}

/// What to say of these two, if there are packets that both ask for.
fn both_take(gre: &Tunnel, nvgre: &Tunnel) -> Option<String> {
    let (one, other) = (&gre.spec, &nvgre.spec);
    let fixed = |remote| match remote {
        Remote::Fixed(remote) => Some(remote),
        Remote::Flow => None,
    };
    let (from, to) = (shared(fixed(one.remote), fixed(other.remote))?, shared(one.local, other.local)?);
    if from.zip(to).is_some_and(|(from, to)| from.is_ipv4() != to.is_ipv4()) {
        return None;
    }
    let (keys, networks) = (keys(one.key), networks(other.key));
    let (first, last) = (*keys.start().max(networks.start()), *keys.end().min(networks.end()));
    let (winner, loser) = if last >= NETWORKS { (nvgre, gre) } else { (gre, nvgre) };
    if first > last {
        return None;
    }
    let what = match first == last {
        true => format!("the key {first}"),
        false => format!("keys from {first} to {last}"),
    };
    let from = from.map_or_else(|| "any remote end".to_string(), |from| from.to_string());
    Some(format!(
        "{} takes GRE with {what} from {from}, which {} asks for too: GRE and NVGRE look alike",
        winner.name, loser.name
    ))
}

/// The addresses that both ask for: none, if there are no such, or any.
fn shared(one: Option<IpAddr>, other: Option<IpAddr>) -> Option<Option<IpAddr>> {
    match (one, other) {
        (Some(one), Some(other)) => (one == other).then_some(Some(one)),
        (one, other) => Some(one.or(other)),
    }
}

/// The keys that a tunnel of GRE asks for. No key is the key 0.
fn keys(key: Key) -> RangeInclusive<u64> {
    match key {
        Key::Absent => 0..=0,
        Key::Fixed(key) => key..=key,
        Key::Flow => 0..=Kind::Gre.key_max(),
    }
}

/// The keys of GRE that one of NVGRE asks for; where it is for all networks, for those that somebody may have (RFC 7637 section 3.2).
fn networks(key: Key) -> RangeInclusive<u64> {
    match key {
        Key::Fixed(network) => network << 8..=network << 8 | 0xff,
        Key::Absent | Key::Flow => NETWORKS..=Kind::Gre.key_max(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use std::path::Path;

    /// What is said of a tunnel of each kind with these lines.
    fn said(gre: &str, nvgre: &str) -> Vec<String> {
        let tunnel = |kind, ofport, lines: &str| {
            format!(
                "[[tunnel]]\nname = \"{kind}0\"\nofport = {ofport}\ntype = \"{kind}\"\n{}\n",
                lines.replace("; ", "\n")
            )
        };
        let tunnels = tunnel("gre", 10, gre) + &tunnel("nvgre", 11, nvgre);
        let uplink = "[[uplink]]\ndevice = \"eth1\"\nendpoints = [\"192.0.2.1\", \"192.0.2.9\"]\n";
        let text = format!("[bridge]\nname = \"br0\"\n{uplink}{tunnels}");
        parse("adit.toml", Path::new(""), &text).expect("it is allowed").look_alikes()
    }

    #[test]
    fn gre_and_nvgre_for_the_same_packets_are_told_of() {
        let one = r#"remote_ip = "192.0.2.2"; key = "#;
        let any = r#"remote_ip = "flow"; key = "#;
        let keys = |gre: &str, nvgre: &str| said(&format!("{one}{gre}"), &format!("{any}{nvgre}"));
        let takes = |winner, what, loser| {
            let alike = "GRE and NVGRE look alike";
            vec![format!(
                "{winner} takes GRE with {what} from 192.0.2.2, which {loser} asks for too: {alike}"
            )]
        };
        assert_eq!(keys("\"flow\"", "\"flow\""), takes("nvgre0", "keys from 1048576 to 4294967295", "gre0"));
        assert_eq!(keys("\"flow\"", "5001"), takes("nvgre0", "keys from 1280256 to 1280511", "gre0"));
        assert_eq!(keys("\"flow\"", "7"), takes("gre0", "keys from 1792 to 2047", "nvgre0"));
        assert_eq!(keys("1280300", "5001"), takes("nvgre0", "the key 1280300", "gre0"));
        assert_eq!(keys("1800", "7"), takes("gre0", "the key 1800", "nvgre0"));
    }

    #[test]
    fn what_differs_in_keys_or_ends_is_not() {
        let (here, there) = (r#"remote_ip = "192.0.2.2"; "#, r#"remote_ip = "192.0.2.3"; "#);
        let none = Vec::<String>::new();
        for (gre, nvgre) in [("7", "5001"), ("1280512", "5001"), ("7", "\"flow\""), ("1048575", "\"flow\"")] {
            assert_eq!(said(&format!("{here}key = {gre}"), &format!("{here}key = {nvgre}")), none);
        }
        assert_eq!(said(here, &format!("{here}key = \"flow\"")), none, "no network of NVGRE");
        let flow = "key = \"flow\"";
        assert_eq!(said(&format!("{here}{flow}"), &format!("{there}{flow}")), none);
        let v6 = format!(r#"remote_ip = "2001:db8::2"; {flow}"#);
        assert_eq!(said(&format!("{here}{flow}"), &v6), none);
        let local = |local| format!(r#"{here}local_ip = "{local}"; {flow}"#);
        assert_eq!(said(&local("192.0.2.1"), &local("192.0.2.9")), none);
        let open = format!(r#"remote_ip = "flow"; local_ip = "192.0.2.1"; {flow}"#);
        assert_eq!(said(&open, &v6), none, "of different families");
        assert_eq!(said(&open, &format!(r#"remote_ip = "flow"; {flow}"#)).len(), 1);
    }
}
