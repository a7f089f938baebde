//! What happens to the devices while the switch runs: they go, they come back as others of the same name, their addresses and
//! MTUs change.
//!
//! A tap or veth of a guest is deleted and made again whenever the guest is; to the kernel that is another device. It gets a
//! program and sockets as the first one did. Sockets live in the memory of a worker, which is made once: so the workers are
//! ended and started again, which stops the other ports for a moment too, and forgets nothing but caches. So they are when a
//! device is to carry longer packets than their memory was made for; when such memory cannot be had, that MTU is not tried again, and a device that
//! cannot be used only after a while ([`Returns`](super::returns::Returns)).

use super::Daemon;
use super::ports::PortState;
use crate::causes::in_one_line;
use crate::netlink::Presence;
use anyhow::Result;
use datapath::worker::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tokio::time::Instant;

impl Daemon {
    /// Adapts to the devices and the underlay as the watcher knows them now.
    pub(super) async fn follow(&mut self) -> Result<()> {
        self.learned.forget(self.watcher.current(), Instant::now().into_std());
        let present = self.watcher.present().clone();
        self.note_the_gone();
        let moved = self.follow_endpoints(&present);
        let grown = self.note_mtus(&present);
        let back = self.reclaim_the_returned(&present).await;
        self.silence.keep(self.ports.exposed());
        let relinked = self.note_links(&present);
        if !(back.is_empty() && grown.is_empty()) {
            self.start_over(&back, &grown)?;
        } else if moved || relinked || self.published != self.underlay() {
            let pipeline = self.compile()?;
            self.workers.publish(&pipeline);
        }
        self.warn_of_mtu();
        self.tell_ports();
        Ok(())
    }

    /// Which guests' links are up: what groups watch. True when that is news.
    fn note_links(&mut self, present: &BTreeMap<String, Presence>) -> bool {
        let mut news = false;
        for port in &self.ports.list {
            if let Role::Guest(number) = port.role {
                let up = !port.gone && present.get(&port.device).is_none_or(|device| device.running);
                news |= self.switch.pipeline_mut().set_link(number, up);
            }
        }
        news
    }

    /// What the devices carry now. Those that carry more than there is room for, with what there is room for.
    fn note_mtus(&mut self, present: &BTreeMap<String, Presence>) -> Vec<(usize, u32)> {
        let mut grown = Vec::new();
        for index in 0..self.ports.list.len() {
            let port = &self.ports.list[index];
            let device =
                present.get(&port.device).filter(|device| !port.gone && device.index == port.ifindex);
            let (Some(device), room) = (device, port.longest) else { continue };
            if self.ports.set_mtu(index, device.mtu) {
                grown.push((index, room));
            }
        }
        grown
    }

    fn note_the_gone(&mut self) {
        for port in self.ports.list.iter_mut().filter(|port| !port.gone) {
            if !self.watcher.exists(port.ifindex) {
                port.lose();
                eprintln!(
                    "adit: {}: the device is gone; adit takes up the next one of that name",
                    port.device
                );
            }
        }
    }

    /// Attaches to devices of the right name where one was gone. A device that is down carries nothing yet: it may be half made.
    async fn reclaim_the_returned(&mut self, present: &BTreeMap<String, Presence>) -> Vec<usize> {
        let is_up = |name: &str| present.get(name).filter(|device| device.up).map(|device| device.index);
        self.returns.keep(|name, index| is_up(name) == Some(index));
        let returned = |port: &PortState| {
            let index = is_up(&port.device).filter(|_| port.gone)?;
            self.returns.may_try(&port.device, index, Instant::now()).then_some(index)
        };
        let returned: Vec<(usize, u32)> = (0..self.ports.list.len())
            .filter_map(|i| returned(&self.ports.list[i]).map(|index| (i, index)))
            .collect();
        let mut back = Vec::new();
        for (i, index) in returned {
            match self.ports.reclaim(i, &self.config, self.workers.count()).await {
                Ok(()) => back.push(i),
                Err(error) => {
                    let device = &self.ports.list[i].device;
                    let pause = self.returns.failed(device, index, Instant::now());
                    eprintln!(
                        "adit: {device}: a device of that name is there again and cannot be used, it is tried again in {} s: {}",
                        pause.as_secs(),
                        in_one_line(&error)
                    );
                }
            }
        }
        back
    }

    /// When a device that could not be used is tried again.
    pub(super) fn try_again_at(&self) -> Option<Instant> {
        self.returns.until()
    }

    /// New workers, with sockets on the devices that are back, and room for what others carry now.
    fn start_over(&mut self, back: &[usize], grown: &[(usize, u32)]) -> Result<()> {
        let pipeline = self.compile()?;
        self.workers.stop();
        if let Err(error) = self.workers.start(&mut self.ports, &pipeline) {
            eprintln!("adit: going on without what came back or was changed: {}", in_one_line(&error));
            for index in back {
                let port = &mut self.ports.list[*index];
                self.returns.failed(&port.device, port.ifindex, Instant::now());
                port.lose();
            }
            grown.iter().for_each(|(index, room)| self.ports.list[*index].refuse_mtu(*room));
            return self.workers.start(&mut self.ports, &pipeline);
        }
        for index in back {
            let port = &self.ports.list[*index];
            self.returns.keep(|name, _| name != port.device);
            eprintln!("adit: {}: the device is back ({})", port.device, port.mode);
        }
        for (index, _) in grown {
            let port = &self.ports.list[*index];
            eprintln!("adit: {}: there is room for an MTU of {} now ({})", port.device, port.mtu, port.mode);
        }
        Ok(())
    }

    /// Addresses of uplinks for which no endpoints are configured. True when they are others than before.
    fn follow_endpoints(&mut self, present: &BTreeMap<String, Presence>) -> bool {
        let mut endpoints: Vec<IpAddr> = Vec::new();
        for uplink in &self.config.uplinks {
            match &uplink.endpoints {
                Some(configured) => endpoints.extend(configured),
                None => {
                    endpoints.extend(present.get(&uplink.device).iter().flat_map(|device| &device.endpoints))
                }
            }
        }
        let as_set = |list: &[IpAddr]| list.iter().copied().collect::<BTreeSet<IpAddr>>();
        if as_set(&endpoints) == as_set(&self.ports.endpoints) {
            return false;
        }
        let list: Vec<String> = endpoints.iter().map(IpAddr::to_string).collect();
        match list.is_empty() {
            true => eprintln!("adit: the uplinks have no address any more at which tunnels could end"),
            false => eprintln!("adit: tunnels end at {} now", list.join(", ")),
        }
        if let Err(error) = self.ports.set_endpoints(endpoints.clone()) {
            eprintln!("adit: {}", in_one_line(&error));
        }
        self.bridge.endpoints = endpoints;
        true
    }
}
