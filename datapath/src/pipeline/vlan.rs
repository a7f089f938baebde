//! What a bridge port is to NORMAL: whose frames come in by it, and which VLANs it carries, tagged or not.
//!
//! The words are those of the Port table in ovs-vswitchd.conf.db(5): `vlan_mode`, `tag`, `trunks`, `cvlans`, `qinq-ethtype`,
//! `priority-tags`, `protected`. Inside of the switch a frame has the tags that a trunk port would show: what comes in by
//! a port is brought into that form, and brought into the form of each port that it leaves by.

use crate::action::storm::StormSpec;
use crate::wire::ethertype;

/// The bit of a tag here that says it is there; where a wire has the drop eligible indicator.
pub(super) const PRESENT: u16 = 0x1000;
/// The identifier in a tag.
const VID: u16 = 0x0fff;
/// The priority in a tag.
const PCP: u16 = 0xe000;

/// How a port shows VLANs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VlanMode {
    /// Tagged, all VLANs or some.
    #[default]
    Trunk,
    /// One VLAN, without a tag.
    Access,
    /// As a trunk; what comes in without a tag belongs to the native VLAN, which leaves tagged.
    NativeTagged,
    /// As a trunk; frames of the native VLAN have no tag.
    NativeUntagged,
    /// One VLAN, whose tag is put in front of whatever tags the frames have, and taken off again.
    Dot1qTunnel,
}

/// Whether a frame that leaves without a VLAN has a tag all the same, which carries the priority it came in with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PriorityTags {
    /// Never.
    #[default]
    Never,
    /// When the priority is not zero.
    IfNonzero,
    /// Always.
    Always,
}

/// Whose frames come in by a port, and whose leave by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// This tenant's. 0 is the tenant of ports that have none.
    Tenant(u64),
    /// Those of the tenant whose number is the tunnel key: every tenant's. The key 0 is that of ports without a tenant.
    TunnelKey,
    /// The same where there are tenants: the key 0 is nobody's, and nobody's frames leave with it.
    TenantKey,
}

/// What a bridge port is to NORMAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSetup {
    /// Whose it is.
    pub domain: Domain,
    /// How it shows VLANs.
    pub mode: VlanMode,
    /// The VLAN of `Access` and `Dot1qTunnel`, the native VLAN of the others: 0 to 4095.
    pub tag: u16,
    /// The VLANs that a trunk carries, in order; none: all.
    pub trunks: Vec<u16>,
    /// The VLANs that frames of customers may have on a `Dot1qTunnel` port, in order; none: any.
    pub cvlans: Vec<u16>,
    /// The type of the tag that a `Dot1qTunnel` port puts in front: 0x88a8 or 0x8100.
    pub service_tpid: u16,
    /// Whether the priority is kept in a tag without a VLAN.
    pub priority_tags: PriorityTags,
    /// Left out when frames are flooded, by FLOOD and NORMAL.
    pub no_flood: bool,
    /// How much of what comes in by it is sent to all, by FLOOD, ALL and NORMAL.
    pub storm: StormSpec,
    /// Not reached from other protected ports by NORMAL.
    pub protected: bool,
}

impl Default for PortSetup {
    /// A trunk of all VLANs, of no tenant.
    fn default() -> Self {
        PortSetup {
            domain: Domain::Tenant(0),
            mode: VlanMode::Trunk,
            tag: 0,
            trunks: Vec::new(),
            cvlans: Vec::new(),
            service_tpid: ethertype::SERVICE_VLAN,
            priority_tags: PriorityTags::Never,
            no_flood: false,
            storm: StormSpec::default(),
            protected: false,
        }
    }
}

/// The tags of a frame, the outermost first; the two that a key tells, and one that a port has put in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags {
    len: usize,
    tci: [u16; 3],
}

impl Tags {
    /// Of the two fields of a key.
    pub(super) fn of(outer: u16, inner: u16) -> Tags {
        let mut tags = Tags::default();
        [outer, inner].into_iter().take_while(|tci| tci & PRESENT != 0).for_each(|tci| tags.append(tci));
        tags
    }

    fn append(&mut self, tci: u16) {
        self.tci[self.len] = tci;
        self.len += 1;
    }

    fn push(&mut self, tci: u16) {
        self.tci.copy_within(0..2, 1);
        self.tci[0] = tci;
        self.len = (self.len + 1).min(3);
    }

    fn pop(&mut self) {
        self.tci.copy_within(1..3, 0);
        self.tci[2] = 0;
        self.len = self.len.saturating_sub(1);
    }

    /// The tags that there are.
    pub(super) fn all(&self) -> &[u16] {
        &self.tci[..self.len]
    }

    /// The VLAN of a tag; 0 when it is not there.
    fn vid(&self, at: usize) -> u16 {
        self.tci[at] & VID
    }

    /// The VLAN that the frame is in.
    pub(super) fn vlan(&self) -> u16 {
        self.vid(0)
    }
}

impl PortSetup {
    /// A frame with these tags as it is inside of the switch, when it comes in here. None: the port does not take it.
    pub(super) fn enter(&self, tags: Tags) -> Option<Tags> {
        let vid = tags.vlan();
        let native = (tags.tci[0] & PCP) | PRESENT | self.tag;
        let mut inside = tags;
        match self.mode {
            VlanMode::Access if vid == 0 => {
                inside = Tags::default();
                inside.append(native);
            }
            VlanMode::Access => return None,
            VlanMode::NativeTagged | VlanMode::NativeUntagged if vid == 0 => {
                inside.pop();
                inside.push(native);
            }
            VlanMode::Trunk | VlanMode::NativeTagged | VlanMode::NativeUntagged if !self.carries(vid) => {
                return None;
            }
            VlanMode::Trunk | VlanMode::NativeTagged | VlanMode::NativeUntagged => {}
            VlanMode::Dot1qTunnel if !self.takes_customer(vid) => return None,
            VlanMode::Dot1qTunnel => inside.push(PRESENT | self.tag),
        }
        Some(inside)
    }

    /// Whether a frame with these tags inside of the switch may leave here.
    pub(super) fn lets_out(&self, inside: &Tags) -> bool {
        match self.mode {
            VlanMode::Access => inside.vlan() == self.tag && inside.vid(1) == 0,
            VlanMode::Trunk | VlanMode::NativeTagged | VlanMode::NativeUntagged => {
                self.carries(inside.vlan())
            }
            VlanMode::Dot1qTunnel => inside.vlan() == self.tag && self.takes_customer(inside.vid(1)),
        }
    }

    /// The tags that a frame leaves with. `came` are those that it came in with.
    pub(super) fn leave(&self, inside: Tags, came: Tags) -> Tags {
        let mut tags = inside;
        match self.mode {
            VlanMode::Trunk | VlanMode::NativeTagged => {}
            VlanMode::NativeUntagged if inside.vlan() != self.tag => {}
            VlanMode::Access => tags = Tags::default(),
            VlanMode::NativeUntagged | VlanMode::Dot1qTunnel => tags.pop(),
        }
        let priority = came.tci[0] & PCP;
        let first = tags.tci[0] & VID | priority;
        match self.priority_tags {
            PriorityTags::Never => {}
            PriorityTags::IfNonzero if tags.len == 0 && priority == 0 => {}
            _ if tags.len == 0 => tags.push(PRESENT | priority),
            _ => tags.tci[0] = PRESENT | first,
        }
        // A tag that says nothing is none, but for ports that want it. In front of another tag it stays: without it the frame
        // would be in a VLAN that it was not let into.
        if tags.all() == [PRESENT] && self.priority_tags != PriorityTags::Always {
            tags.pop();
        }
        tags
    }

    /// The type of a tag that had to be put in front of a frame that came in here.
    pub(super) fn tpid(&self) -> u16 {
        match self.mode {
            VlanMode::Dot1qTunnel => self.service_tpid,
            _ => ethertype::VLAN,
        }
    }

    fn carries(&self, vid: u16) -> bool {
        let listed = self.trunks.is_empty() || self.trunks.binary_search(&vid).is_ok();
        match self.mode {
            // Without a tag a frame would be in the native VLAN: those of no VLAN are kept out, as `bundle_set` in Open
            // vSwitch's `ofproto/ofproto-dpif.c` does.
            VlanMode::NativeTagged | VlanMode::NativeUntagged => vid == self.tag || vid != 0 && listed,
            _ => listed,
        }
    }

    fn takes_customer(&self, vid: u16) -> bool {
        self.cvlans.is_empty() || self.cvlans.binary_search(&vid).is_ok()
    }
}
