//! The network of the demo: who is where, with which addresses. No switch yet; see [`super::switch`].
//!
//! ```text
//! red  guest-1 10.0.0.1 eth0 --- red1  hv1  eth1 --- eth1  hv2  red2  --- eth0 red  guest-2 10.0.0.2
//! blue guest-1 10.0.0.1 eth0 --- blue1     192.0.2.1/2          blue2 --- eth0 blue guest-2 10.0.0.2
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::switch::{Side, Switch};
use crate::lab::{End, Mac, Netns, Stop, link_local, veth};

/// A customer of the two hypervisors.
#[derive(Debug, PartialEq, Eq)]
pub struct Tenant {
    /// For people.
    pub name: &'static str,
    /// For the wire: the VXLAN network identifier.
    pub vni: u32,
}

/// The tenants; their guests have the same addresses.
pub static TENANTS: [Tenant; 2] = [Tenant { name: "red", vni: 100 }, Tenant { name: "blue", vni: 200 }];

/// The device of the underlay, in both hypervisors.
pub(super) const UNDERLAY: &str = "eth1";

/// The device of a guest, inside the guest.
pub(super) const GUEST: &str = "eth0";

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What switches on hv1 and on hv2.
    pub sides: [Side; 2],
    /// The `adit` program, where one side is adit.
    pub program: PathBuf,
    /// Where its configuration goes.
    pub folder: PathBuf,
    /// Its `mode`: how it attaches to devices.
    pub mode: String,
    /// Largest IP packet between the hypervisors.
    pub underlay_mtu: u32,
    /// Largest IP packet of the guests.
    pub guest_mtu: u32,
}

/// A machine that guests run on.
#[derive(Debug)]
pub struct Hypervisor {
    /// `hv1` or `hv2`.
    pub name: &'static str,
    /// Where it is.
    pub netns: Netns,
    /// Its own address, which is also its tunnel endpoint.
    pub addr: Ipv4Addr,
    /// What carries frames between guests and tunnel; none until the network is started.
    pub switch: Option<Switch>,
}

/// A machine of a tenant.
#[derive(Debug)]
pub struct Guest {
    /// Whose it is.
    pub tenant: &'static Tenant,
    /// 1 on the first hypervisor, 2 on the second.
    pub number: u8,
    /// Where it is.
    pub netns: Netns,
    /// Its Ethernet address, unlike every other.
    pub mac: Mac,
    /// Its IPv4 address, the same as the other tenant's guest of this number.
    pub addr: Ipv4Addr,
    /// Its IPv6 address, if the kernel has IPv6.
    pub link_local: Option<Ipv6Addr>,
    /// The hypervisor's end of its cable.
    pub port: String,
}

/// Two hypervisors and four guests, cabled.
#[derive(Debug)]
pub struct Network {
    /// hv1 and hv2.
    pub hypervisors: [Hypervisor; 2],
    /// Of each tenant two.
    pub guests: Vec<Guest>,
    /// What was asked for.
    pub plan: Plan,
}

impl Network {
    /// Builds everything but the switches.
    ///
    /// # Errors
    /// When the kernel refuses a namespace, a cable or an address.
    pub fn build(plan: Plan) -> Result<Network> {
        let hypervisors = [hypervisor("hv1", 1)?, hypervisor("hv2", 2)?];
        let [one, two] = &hypervisors;
        let end = |hypervisor| End { netns: hypervisor, device: UNDERLAY, mac: None };
        veth(end(&one.netns), end(&two.netns), plan.underlay_mtu)?;
        for hypervisor in &hypervisors {
            hypervisor.netns.addr(UNDERLAY, hypervisor.addr.into(), 24)?;
        }
        let mut guests = Vec::new();
        for tenant in &TENANTS {
            for (number, hypervisor) in (1..).zip(&hypervisors) {
                guests.push(guest(tenant, number, &hypervisor.netns, plan.guest_mtu)?);
            }
        }
        Ok(Network { hypervisors, guests, plan })
    }

    /// Starts the switches that the plan names.
    ///
    /// # Errors
    /// When the kernel refuses, or adit does not get ready.
    pub fn start(&mut self, stop: &Stop) -> Result<()> {
        for index in 0..2 {
            let switch = Switch::start(self, index, stop)?;
            self.hypervisors[index].switch = Some(switch);
        }
        Ok(())
    }

    /// Starts those switches again that were ended.
    ///
    /// # Errors
    /// See [`Network::start`].
    pub fn restart_ended(&mut self, stop: &Stop) -> Result<()> {
        for index in 0..2 {
            if self.hypervisors[index].switch.is_none() {
                let switch = Switch::start(self, index, stop)?;
                self.hypervisors[index].switch = Some(switch);
            }
        }
        Ok(())
    }

    /// The guest of this tenant with this number.
    #[must_use]
    pub fn guest(&self, tenant: &Tenant, number: u8) -> &Guest {
        let found = self.guests.iter().find(|guest| guest.tenant == tenant && guest.number == number);
        found.expect("every tenant has guests 1 and 2")
    }

    /// The guests on a hypervisor.
    pub fn guests_on(&self, index: usize) -> impl Iterator<Item = &Guest> {
        self.guests.iter().filter(move |guest| usize::from(guest.number) == index + 1)
    }

    /// All namespaces with their names.
    pub fn places(&self) -> impl Iterator<Item = (&str, &Netns)> {
        let hypervisors = self.hypervisors.iter().map(|hypervisor| &hypervisor.netns);
        hypervisors.chain(self.guests.iter().map(|guest| &guest.netns)).map(|netns| (netns.name(), netns))
    }

    /// What adit on a hypervisor was asked to write about itself.
    pub(super) fn file(&self, hypervisor: &Hypervisor, extension: &str) -> PathBuf {
        Path::new(&self.plan.folder).join(hypervisor.name).with_extension(extension)
    }
}

fn hypervisor(name: &'static str, number: u8) -> Result<Hypervisor> {
    let netns = Netns::new(name)?;
    // A hypervisor's ends of the guests' cables say nothing of their own; a kernel without IPv6 needs no telling.
    let _ = netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
    // Bridged frames are not the firewall's business; where there is no such firewall there is no such switch.
    for family in ["iptables", "ip6tables", "arptables"] {
        let _ = netns.sysctl(&format!("net/bridge/bridge-nf-call-{family}"), "0");
    }
    Ok(Hypervisor { name, netns, addr: Ipv4Addr::new(192, 0, 2, number), switch: None })
}

fn guest(tenant: &'static Tenant, number: u8, hypervisor: &Netns, mtu: u32) -> Result<Guest> {
    let netns = Netns::new(&format!("{} guest-{number}", tenant.name))?;
    // Its IPv6 address is there at once, without a second of asking around whether somebody else has it.
    for scope in ["all", "default"] {
        let _ = netns.sysctl(&format!("net/ipv6/conf/{scope}/accept_dad"), "0");
    }
    let mac = [0x02, 0x00, 0x00, 0x00, tenant.vni as u8, number];
    let addr = Ipv4Addr::new(10, 0, 0, number);
    let port = format!("{}{number}", tenant.name);
    let far = End { netns: hypervisor, device: &port, mac: None };
    veth(End { netns: &netns, device: GUEST, mac: Some(mac) }, far, mtu)?;
    netns.addr(GUEST, addr.into(), 24)?;
    let ipv6 = netns.run(|| Path::new("/proc/thread-self/net/if_inet6").exists())?;
    Ok(Guest { tenant, number, netns, mac, addr, link_local: ipv6.then(|| link_local(mac)), port })
}
