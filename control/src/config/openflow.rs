//! Who may change the switch, and how they are reached: `[[controller]]`, `[ssl]`, and what `[bridge]` says of both, in the words of the
//! Bridge, Controller and SSL tables in ovs-vswitchd.conf.db(5).

use super::section::{At, Faults, Section};
use crate::openflow::Version;
use crate::text::suggest::did_you_mean;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// How many controllers a switch may have.
pub const CONTROLLERS_MAX: usize = 16;
/// The port of OpenFlow (IANA).
pub(super) const PORT_DEFAULT: u16 = 6653;

const VERSIONS: [(&str, Version); 4] = [
    ("OpenFlow10", Version::V10),
    ("OpenFlow13", Version::V13),
    ("OpenFlow14", Version::V14),
    ("OpenFlow15", Version::V15),
];

/// Who may change the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFlow {
    /// The versions that are spoken.
    pub protocols: Vec<Version>,
    /// The number of the switch; None: one that is made of the machine's and the bridge's name.
    pub datapath_id: Option<u64>,
    /// What happens while no controller can be reached.
    pub fail_mode: FailMode,
    /// Where the sockets are that `ovs-ofctl` looks for; None: where adit's own socket is.
    pub rundir: Option<PathBuf>,
    /// `[[controller]]`.
    pub controllers: Vec<Controller>,
    /// `[ssl]`.
    pub ssl: Option<Ssl>,
}

impl Default for OpenFlow {
    fn default() -> OpenFlow {
        OpenFlow {
            protocols: Version::ALL.to_vec(),
            datapath_id: None,
            fail_mode: FailMode::Secure,
            rundir: None,
            controllers: Vec::new(),
            ssl: None,
        }
    }
}

/// What happens while no controller can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailMode {
    /// The flows stay as they are.
    #[default]
    Secure,
    /// After a while the switch forwards by what it learns, where no flow says otherwise.
    Standalone,
}

/// A controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Where it is, or where it comes in.
    pub target: Target,
    /// The longest pause between two attempts to reach it, in milliseconds.
    pub max_backoff_ms: u64,
    /// Milliseconds of silence after which it is asked whether it is there; 0: never.
    pub inactivity_probe_ms: u64,
}

/// Where a controller is, or where it comes in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `tcp:HOST:PORT`.
    Tcp(String, u16),
    /// `ssl:HOST:PORT`.
    Ssl(String, u16),
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `ptcp:PORT:ADDRESS`.
    Ptcp(SocketAddr),
    /// `pssl:PORT:ADDRESS`.
    Pssl(SocketAddr),
    /// `punix:PATH`.
    Punix(PathBuf),
}

impl Target {
    /// Whether it takes keys and certificates.
    pub fn is_secret(&self) -> bool {
        matches!(self, Target::Ssl(..) | Target::Pssl(_))
    }

    /// Whether the switch goes there, and does not wait for somebody to come.
    pub fn is_active(&self) -> bool {
        matches!(self, Target::Tcp(..) | Target::Ssl(..) | Target::Unix(_))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_string() };
        let passive = |address: &SocketAddr| match address.ip() {
            IpAddr::V4(ip) => format!("{}:{ip}", address.port()),
            IpAddr::V6(ip) => format!("{}:[{ip}]", address.port()),
        };
        match self {
            Target::Tcp(name, port) => write!(f, "tcp:{}:{port}", host(name)),
            Target::Ssl(name, port) => write!(f, "ssl:{}:{port}", host(name)),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
            Target::Ptcp(address) => write!(f, "ptcp:{}", passive(address)),
            Target::Pssl(address) => write!(f, "pssl:{}", passive(address)),
            Target::Punix(path) => write!(f, "punix:{}", path.display()),
        }
    }
}

/// By what the switch and its controllers know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssl {
    /// The switch's secret, in PEM.
    pub private_key: PathBuf,
    /// Who it is, in PEM.
    pub certificate: PathBuf,
    /// Whose word it takes for who a controller is, in PEM.
    pub ca_cert: PathBuf,
}

/// What `[bridge]` says of it.
pub(super) fn bridge(
    section: &mut Section<'_>,
    directory: &Path,
    openflow: &mut OpenFlow,
    faults: &mut Faults<'_>,
) {
    if let Some(At { value, span }) = section.string("fail_mode", faults) {
        openflow.fail_mode = match value {
            "secure" => FailMode::Secure,
            "standalone" => FailMode::Standalone,
            _ => {
                let near = did_you_mean(value, ["secure", "standalone"]);
                faults.at(&span, format!("fail_mode is secure or standalone, not {value:?}{near}"));
                FailMode::Secure
            }
        };
    }
    if let Some(At { value, span }) = section.string("datapath_id", faults) {
        let digits = value.strip_prefix("0x").unwrap_or(value);
        match u64::from_str_radix(digits, 16) {
            Ok(id) if id != 0 && !digits.starts_with('+') => openflow.datapath_id = Some(id),
            _ => faults.at(&span, "datapath_id is 1 to 16 hexadecimal digits, and not zero"),
        }
    }
    if let Some(At { value, span }) = section.string("rundir", faults) {
        match value {
            "" => faults.at(&span, "rundir is a directory; leave it out for that of adit's own socket"),
            path => openflow.rundir = Some(directory.join(path)),
        }
    }
    let Some(given) = section.array("protocols", VERSIONS.len(), faults) else { return };
    if given.is_empty() {
        faults.at(&section.span, "protocols is empty: leave it out for all that are spoken");
        return;
    }
    openflow.protocols.clear();
    for value in given {
        let name = value.get_ref().as_str().unwrap_or_default();
        match VERSIONS.iter().find(|(known, _)| *known == name) {
            Some((_, version)) => openflow.protocols.push(*version),
            None => {
                let all = VERSIONS.map(|(name, _)| name).join(", ");
                faults.at(&value.span(), format!("a protocol is one of {all}"));
            }
        }
    }
}

/// A `[[controller]]`.
pub(super) fn controller(
    mut section: Section<'_>,
    directory: &Path,
    faults: &mut Faults<'_>,
) -> Option<At<Controller>> {
    let target = section.string("target", faults);
    let target = section.needed("target", target, "\"tcp:192.0.2.10:6653\"", faults);
    let backoff = section.number("max_backoff", 1000..=3_600_000, faults);
    let probe = section.number("inactivity_probe", 0..=3_600_000, faults);
    if let Some(At { value, span }) = section.string("connection_mode", faults)
        && value != "out-of-band"
    {
        faults.at(&span, "connection_mode is out-of-band: controllers are reached by the host's own network");
    }
    section.finish(&["is_connected", "enable_async_messages", "local_ip"], faults);
    let At { value, span } = target?;
    match target_of(value, directory) {
        Ok(target) => Some(At {
            value: Controller {
                target,
                max_backoff_ms: backoff.map_or(8000, |backoff| backoff.value),
                inactivity_probe_ms: probe.map_or(5000, |probe| probe.value),
            },
            span,
        }),
        Err(message) => {
            faults.at(&span, message);
            None
        }
    }
}

/// `[ssl]`.
pub(super) fn ssl(mut section: Section<'_>, directory: &Path, faults: &mut Faults<'_>) -> Option<Ssl> {
    let mut file = |key: &'static str, section: &mut Section<'_>| {
        let path = section.string(key, faults);
        section.needed(key, path, "\"FILE.pem\"", faults).map(|path| directory.join(path.value))
    };
    let private_key = file("private_key", &mut section);
    let certificate = file("certificate", &mut section);
    let ca_cert = file("ca_cert", &mut section);
    section.finish(&["bootstrap_ca_cert"], faults);
    Some(Ssl { private_key: private_key?, certificate: certificate?, ca_cert: ca_cert? })
}

/// A target as ovs-vsctl(8) writes it. Relative paths are relative to `directory`.
fn target_of(text: &str, directory: &Path) -> Result<Target, String> {
    const FORMS: &str = "tcp:HOST[:PORT], ssl:HOST[:PORT], unix:FILE, ptcp:[PORT][:ADDRESS], pssl:[PORT][:ADDRESS] or punix:FILE";
    let wrong = || format!("a target is {FORMS}, not {text:?}");
    let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
    let file = || match rest {
        "" => Err(wrong()),
        path if path.contains('\0') => Err(wrong()),
        path => Ok(directory.join(path)),
    };
    Ok(match kind {
        "tcp" => {
            let (host, port) = active(rest).ok_or_else(wrong)?;
            Target::Tcp(host, port)
        }
        "ssl" => {
            let (host, port) = active(rest).ok_or_else(wrong)?;
            Target::Ssl(host, port)
        }
        "ptcp" => Target::Ptcp(passive(rest).ok_or_else(wrong)?),
        "pssl" => Target::Pssl(passive(rest).ok_or_else(wrong)?),
        "unix" => Target::Unix(file()?),
        "punix" => Target::Punix(file()?),
        _ => return Err(wrong()),
    })
}

/// `HOST[:PORT]`; an address of IPv6 stands in brackets.
fn active(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    let named = !host.is_empty() && host.len() <= 253 && host.chars().all(fits);
    Some((host.to_string(), number(port)?)).filter(|_| named)
}

/// `[PORT][:ADDRESS]`.
fn passive(text: &str) -> Option<SocketAddr> {
    let (port, address) = text.split_once(':').unwrap_or((text, ""));
    let address = match address.trim_start_matches('[').trim_end_matches(']') {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        address => address.parse().ok()?,
    };
    Some(SocketAddr::new(address, number(port)?))
}

/// A port; the usual one when none is given.
fn number(text: &str) -> Option<u16> {
    match text {
        "" => Some(PORT_DEFAULT),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().filter(|n| *n > 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_ovs_vsctl() {
        let shown = |text: &str| target_of(text, Path::new("/etc/adit")).map(|target| target.to_string());
        for (text, whole) in [
            ("tcp:192.0.2.1", "tcp:192.0.2.1:6653"),
            ("tcp:192.0.2.1:6633", "tcp:192.0.2.1:6633"),
            ("ssl:[2001:db8::1]:7000", "ssl:[2001:db8::1]:7000"),
            ("ssl:[2001:db8::1]", "ssl:[2001:db8::1]:6653"),
            ("tcp:controller.example", "tcp:controller.example:6653"),
            ("unix:c.sock", "unix:/etc/adit/c.sock"),
            ("punix:/run/c.sock", "punix:/run/c.sock"),
            ("ptcp:", "ptcp:6653:0.0.0.0"),
            ("ptcp:6633", "ptcp:6633:0.0.0.0"),
            ("ptcp:6633:127.0.0.1", "ptcp:6633:127.0.0.1"),
            ("pssl:6640:[::1]", "pssl:6640:[::1]"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(whole), "{text}");
        }
        for text in [
            "",
            "tcp",
            "tcp:",
            "tcp::1",
            "udp:1.2.3.4",
            "tcp:a:b",
            "tcp:a:0",
            "ptcp:1:x",
            "unix:",
            "ptcp:70000",
        ] {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
