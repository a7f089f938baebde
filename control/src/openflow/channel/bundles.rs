//! Bundles: messages that wait until all of them are done at once, or none (OpenFlow 1.4.1 section 6.8, and the extension of the ONF
//! for older versions). All of them are atomic and ordered here, whether that was asked for or not.
//!
//! What refuses what is as `ofproto/bundles.c` of Open vSwitch has it: a mistake ends the bundle.

use super::tell::{FORWARD_GROUP_MOD, FORWARD_METER_MOD};
use super::{Change, Channel, ConnectionId, Switch, refusal};
use crate::ofproto::{self, remotes_named};
use crate::openflow::{BundleAdd, BundleControl, Code, Envelope, Message, Version, decode_knowing};
use bytes::Bytes;
use datapath::tunnel::OptionMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Remote ends that one bundle can have followed before it is committed. Ways to more are found afterwards.
const REMOTES_MAX: usize = 4096;

/// Bundles that a connection can have open.
pub const BUNDLES_MAX: usize = 16;
/// What waits in the bundles of all connections, in bytes as they came. What they say takes a few times as much.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// A message takes at least so much of it: short ones have a cost of their own.
const MESSAGE_BYTES_MIN: usize = 256;

/// Seconds after which a bundle that nobody goes on with is over, as Open vSwitch has it (`bundle_idle_timeout` in ovs-vswitchd.conf.db(5)).
const IDLE_S: u8 = 10;

/// `OFPBF_ATOMIC` and `OFPBF_ORDERED`.
const FLAGS: u16 = 3;

/// The bundles of a connection.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    open: BTreeMap<u32, Bundle>,
}

#[derive(Debug)]
struct Bundle {
    /// The number of the message that opened it.
    xid: u32,
    /// For how many seconds nothing was said of it.
    idle_s: u8,
    flags: u16,
    closed: bool,
    bytes: usize,
    waiting: Vec<Waiting>,
    /// The remote ends that what waits will send to.
    remotes: BTreeSet<IpAddr>,
}

#[derive(Debug)]
struct Waiting {
    xid: u32,
    nicira: bool,
    raw: Bytes,
    change: Change,
    /// What Geneve options were called when it was read.
    options: Arc<OptionMap>,
}

impl Bundles {
    /// The bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.open.values().map(|bundle| bundle.bytes).sum()
    }

    fn open(&mut self, id: u32, xid: u32, flags: u16) -> Result<&mut Bundle, Code> {
        if flags & !FLAGS != 0 {
            return Err(Code::BundleBadFlags);
        }
        if self.open.len() >= BUNDLES_MAX {
            return Err(Code::BundleOutOfBundles);
        }
        let bundle = Bundle {
            xid,
            idle_s: 0,
            flags,
            closed: false,
            bytes: 0,
            waiting: Vec::new(),
            remotes: BTreeSet::new(),
        };
        Ok(self.open.entry(id).or_insert(bundle))
    }

    /// A second has gone by. The messages that opened bundles which are over for it.
    fn expired(&mut self) -> Vec<u32> {
        let mut expired = Vec::new();
        self.open.retain(|_, bundle| {
            bundle.idle_s += 1;
            let over = bundle.idle_s > IDLE_S;
            if over {
                expired.push(bundle.xid);
            }
            !over
        });
        expired
    }

    /// Takes a bundle out if something is wrong with it.
    fn check(&mut self, id: u32, wrong: impl Fn(&Bundle) -> Option<Code>) -> Result<(), Code> {
        let bundle = self.open.get(&id).ok_or(Code::BundleBadId)?;
        match wrong(bundle) {
            Some(code) => {
                self.open.remove(&id);
                Err(code)
            }
            None => Ok(()),
        }
    }
}

impl Channel {
    /// The remote ends that what waits in bundles will send to.
    pub fn bundled_remotes(&self) -> BTreeSet<IpAddr> {
        let open = self.connections.values().flat_map(|connection| connection.bundles.open.values());
        open.flat_map(|bundle| bundle.remotes.iter().copied()).collect()
    }

    /// The same, if it may be something else than when this was asked last.
    pub fn bundled_remotes_changed(&mut self) -> Option<BTreeSet<IpAddr>> {
        std::mem::take(&mut self.bundles_changed).then(|| self.bundled_remotes())
    }

    /// A second has gone by: bundles that nobody goes on with are over, and those who opened them are told (OpenFlow 1.4.1 section 7.4.4,
    /// `OFPBFC_TIMEOUT`).
    pub fn second(&mut self) {
        for (id, connection) in &mut self.connections {
            let expired = connection.bundles.expired();
            self.bundles_changed |= !expired.is_empty();
            self.told.extend(
                expired.into_iter().map(|xid| (*id, refusal(xid, Code::BundleTimeout, &Bytes::new()))),
            );
        }
    }

    /// A step of a bundle. What is said about it, the reply last.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn bundle_control(
        &mut self,
        id: ConnectionId,
        xid: u32,
        control: BundleControl,
        switch: &mut dyn Switch,
        said: &mut Vec<Envelope>,
    ) -> Result<BundleControl, Code> {
        let BundleControl { bundle, kind, flags } = control;
        self.bundles_changed = true;
        let connection = self.connections.get_mut(&id).ok_or(Code::BundleBadId)?;
        let (version, names_tables) = (connection.version, connection.tables_named());
        let bundles = &mut connection.bundles;
        let other_flags = |open: &Bundle| (open.flags != flags).then_some(Code::BundleBadFlags);
        match kind {
            // Open.
            0 => {
                if bundles.open.remove(&bundle).is_some() {
                    return Err(Code::BundleBadId);
                }
                bundles.open(bundle, xid, flags)?;
            }
            // Close.
            2 => {
                let closed = |open: &Bundle| open.closed.then_some(Code::BundleClosed);
                bundles.check(bundle, |open| closed(open).or_else(|| other_flags(open)))?;
                bundles.open.entry(bundle).and_modify(|open| (open.closed, open.idle_s) = (true, 0));
            }
            // Commit: whatever comes of it, the bundle is over.
            4 => {
                bundles.check(bundle, other_flags)?;
                let mut waiting = bundles.open.remove(&bundle).map_or(Vec::new(), |open| open.waiting);
                let options = switch.options();
                for waiting in waiting.iter_mut().filter(|waiting| waiting.options != options) {
                    if let Err(code) = waiting.read_again(version, names_tables, &options) {
                        said.push(refusal(waiting.xid, code, &waiting.raw));
                        return Err(Code::BundleMsgFailed);
                    }
                }
                // Others may want to know what it has asked for.
                let forwards = match self.forwards() {
                    true => waiting.iter().filter_map(Waiting::forwarded).collect(),
                    false => Vec::new(),
                };
                let (told, changes): (Vec<_>, Vec<_>) =
                    waiting.into_iter().map(|waiting| ((waiting.xid, waiting.raw), waiting.change)).unzip();
                if let Err((at, code)) = switch.bundle(changes) {
                    // The message that failed is told under its own number, the commit under its own.
                    said.extend(told.get(at).map(|(xid, raw)| refusal(*xid, code, raw)));
                    return Err(Code::BundleMsgFailed);
                }
                forwards.into_iter().for_each(|(reason, request)| self.forward(id, reason, request));
            }
            // Discard.
            6 => drop(bundles.open.remove(&bundle).ok_or(Code::BundleBadId)?),
            _ => return Err(Code::BundleBadType),
        }
        Ok(BundleControl { bundle, kind: kind + 1, flags })
    }

    /// Puts a message into a bundle. One that is not open yet is opened by it (OpenFlow 1.4.1 section 7.3.9.7).
    ///
    /// # Errors
    /// Why it is not put there.
    pub(super) fn bundle_add(
        &mut self,
        id: ConnectionId,
        xid: u32,
        add: BundleAdd,
        options: Arc<OptionMap>,
    ) -> Result<(), Code> {
        let bytes = self.bundled_bytes();
        let connection = self.connections.get_mut(&id).ok_or(Code::BundleBadId)?;
        let names_tables = connection.tables_named();
        let (bundles, changed) = (&mut connection.bundles, &mut self.bundles_changed);
        let BundleAdd { bundle, flags, inner, raw } = add;
        if inner.xid != xid {
            return Err(Code::BundleMsgBadXid);
        }
        let nicira = inner.nicira;
        let change = change_of(inner.message, names_tables)?;
        if bundles.open.contains_key(&bundle) {
            bundles
                .check(bundle, |open| match () {
                    () if open.closed => Some(Code::BundleClosed),
                    () if open.flags != flags => Some(Code::BundleBadFlags),
                    () => None,
                })
                // It is over then, and so is what it would have sent to.
                .inspect_err(|_| *changed = true)?;
        } else {
            bundles.open(bundle, xid, flags)?;
        }
        let takes = raw.len().max(MESSAGE_BYTES_MIN);
        if bytes + takes > BUNDLE_BYTES_MAX {
            return Err(Code::BundleMsgTooMany);
        }
        // A copy: a part of a buffer would keep the whole of it.
        let waiting = Waiting { xid, nicira, raw: Bytes::copy_from_slice(&raw), change, options };
        bundles.open.entry(bundle).and_modify(|open| {
            if let Change::Request(request) = &waiting.change
                && open.remotes.len() < REMOTES_MAX
            {
                let had = open.remotes.len();
                open.remotes.extend(remotes_named(std::slice::from_ref(request)));
                *changed |= open.remotes.len() > had;
            }
            open.bytes += takes;
            open.idle_s = 0;
            open.waiting.push(waiting);
        });
        Ok(())
    }
}

impl Waiting {
    /// Reads it once more: a field is meant by its number, whatever is called so now.
    fn read_again(
        &mut self,
        version: Version,
        names_tables: bool,
        options: &Arc<OptionMap>,
    ) -> Result<(), Code> {
        let inner = decode_knowing(version, options, &self.raw).map_err(|(_, code)| code)?;
        self.change = change_of(inner.message, names_tables)?;
        self.options = options.clone();
        Ok(())
    }

    /// What others hear of it, and why, if it changes groups or meters.
    fn forwarded(&self) -> Option<(u8, Envelope)> {
        let Change::Request(request) = &self.change else { return None };
        let (reason, message) = match request {
            ofproto::Request::Group(group) => (FORWARD_GROUP_MOD, Message::GroupMod(group.clone())),
            ofproto::Request::Buckets(buckets) => (FORWARD_GROUP_MOD, Message::BucketMod(buckets.clone())),
            ofproto::Request::Meter(meter) => (FORWARD_METER_MOD, Message::MeterMod(meter.clone())),
            _ => return None,
        };
        Some((reason, Envelope { xid: self.xid, nicira: self.nicira, message }))
    }
}

/// What of a message can wait.
fn change_of(message: Message, names_tables: bool) -> Result<Change, Code> {
    Ok(match message {
        Message::FlowMod(_, Some(_)) => return Err(Code::BufferUnknown),
        Message::FlowMod(flow, None) => {
            Change::Request(ofproto::Request::Flow(super::hear::table_named(flow, names_tables)?))
        }
        Message::GroupMod(group) => Change::Request(ofproto::Request::Group(group)),
        Message::MeterMod(meter) => Change::Request(ofproto::Request::Meter(meter)),
        Message::BucketMod(buckets) => Change::Request(ofproto::Request::Buckets(buckets)),
        Message::PortMod(port) => Change::Port(port),
        Message::PacketOut(packet) if packet.buffer_id.is_some() => return Err(Code::BufferUnknown),
        Message::PacketOut(packet) => Change::Packet(Box::new(packet)),
        _ => return Err(Code::BundleMsgUnsup),
    })
}
