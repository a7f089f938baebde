//! What a match says about the frames that fit it, and what that allows.
//!
//! A field of a header exists only in frames that carry the header. OpenFlow calls the conditions that make sure of it
//! *prerequisites* (OpenFlow 1.3 section 7.2.3.6); a flow that lacks them is refused, with the word that is missing.

use datapath::flow::{Field, FlowKey, FlowMask};
use datapath::pipeline::{Match, RuleAction};
use datapath::wire::{ethertype, mpls};

/// Ethernet type of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// Ethernet type of IPv6.
pub(crate) const IPV6: u16 = 0x86dd;
/// Ethernet type of ARP.
pub(crate) const ARP: u16 = 0x0806;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// IP protocol number of ICMPv6.
pub(crate) const ICMP6: u8 = 58;
const SCTP: u8 = 132;
const NEIGHBOUR_SOLICITATION: u16 = 135;
const NEIGHBOUR_ADVERTISEMENT: u16 = 136;
/// Bit of `nw_frag`: not the first fragment, so there is no header after that of IP.
pub(crate) const FRAGMENT_LATER: u128 = 2;
/// Bit of `vlan_tci`: there is a tag.
pub(crate) const TAG_PRESENT: u128 = 0x1000;

/// What must be known about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Tag,
    Ip4,
    Ip6,
    Ip,
    Arp,
    Ip4OrArp,
    IpOrArp,
    Tcp,
    Udp,
    Sctp,
    /// TCP, UDP, SCTP or ICMP.
    Transport,
    Icmp,
    Icmp6,
    AnyIcmp,
    Nd,
    NdSolicit,
    NdAdvert,
    Mpls,
    Backbone,
}

impl Needs {
    /// All of them.
    pub(crate) const ALL: [Needs; 20] = [
        Needs::Nothing,
        Needs::Tag,
        Needs::Ip4,
        Needs::Ip6,
        Needs::Ip,
        Needs::Arp,
        Needs::Ip4OrArp,
        Needs::IpOrArp,
        Needs::Tcp,
        Needs::Udp,
        Needs::Sctp,
        Needs::Transport,
        Needs::Icmp,
        Needs::Icmp6,
        Needs::AnyIcmp,
        Needs::Nd,
        Needs::NdSolicit,
        Needs::NdAdvert,
        Needs::Mpls,
        Needs::Backbone,
    ];

    /// What to write so that the need is met.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Needs::Nothing => "nothing",
            Needs::Tag => "a VLAN tag: match dl_vlan=... or vlan_tci=0x1000/0x1000, or push_vlan first",
            Needs::Ip4 => "IPv4: add ip (or tcp, udp, sctp, icmp)",
            Needs::Ip6 => "IPv6: add ipv6 (or tcp6, udp6, sctp6, icmp6)",
            Needs::Ip => "IP: add ip or ipv6 (or tcp, udp, icmp, tcp6, udp6, icmp6, ...)",
            Needs::Arp => "ARP: add arp",
            Needs::Ip4OrArp => "IPv4 or ARP: add ip (or tcp, udp, icmp) or arp",
            Needs::IpOrArp => "IP or ARP: add ip, ipv6 or arp",
            Needs::Tcp => "TCP: add tcp or tcp6",
            Needs::Udp => "UDP: add udp or udp6",
            Needs::Sctp => "SCTP: add sctp or sctp6",
            Needs::Transport => "a transport protocol: add tcp, udp or sctp (or tcp6, udp6, sctp6)",
            Needs::Icmp => "ICMP: add icmp",
            Needs::Icmp6 => "ICMPv6: add icmp6",
            Needs::AnyIcmp => "ICMP: add icmp or icmp6",
            Needs::Nd => {
                "neighbour discovery: add icmp6,icmp_type=135 or icmp6,icmp_type=136 (icmp_code 0 or absent)"
            }
            Needs::NdSolicit => "a neighbour solicitation: add icmp6,icmp_type=135 (icmp_code 0 or absent)",
            Needs::Mpls => "MPLS: add mpls or mplsm, or push_mpls first",
            Needs::Backbone => "a provider backbone: add dl_type=0x88e7, or push_pbb first",
            Needs::NdAdvert => "a neighbour advertisement: add icmp6,icmp_type=136 (icmp_code 0 or absent)",
        }
    }
}

/// Whether the frames of a flow carry a VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Present,
    Absent,
    Unknown,
}

/// What a match says about every frame that fits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// Ethernet type, if it is one only.
    pub(crate) eth_type: Option<u16>,
    /// IP protocol, if it is one only.
    pub(crate) protocol: Option<u8>,
    icmp_type: Option<u16>,
    /// The ICMP code, if any value of it is asked for.
    icmp_code: Option<u16>,
    later_fragment: bool,
    pub(crate) tag: Tag,
    /// Nothing is asked: what a frame does not have is passed over when it comes.
    lenient: bool,
}

/// What conditions on a tag say.
fn tag_of(value: u128, mask: u128) -> Tag {
    match (value, mask) {
        (_, mask) if mask & TAG_PRESENT == 0 => Tag::Unknown,
        (value, _) if value & TAG_PRESENT == 0 => Tag::Absent,
        _ => Tag::Present,
    }
}

impl Context {
    /// What a match says.
    pub(crate) fn of(matching: &Match) -> Context {
        Context::of_key(&matching.key(), &matching.mask())
    }

    /// What a match says that is still being put together.
    pub(crate) fn of_key(key: &FlowKey, mask: &FlowMask) -> Context {
        let tci = (key.get(Field::VlanTci), mask.get(Field::VlanTci));
        let fragment = key.get(Field::NwFrag) & mask.get(Field::NwFrag);
        let exactly = |field: Field| (mask.get(field) == field.max()).then(|| key.get(field));
        let context = Context {
            eth_type: exactly(Field::EthType).map(|v| v as u16),
            protocol: exactly(Field::NwProto).map(|v| v as u8),
            icmp_type: exactly(Field::TpSrc).map(|v| v as u16),
            icmp_code: (mask.get(Field::TpDst) != 0).then(|| key.get(Field::TpDst) as u16),
            later_fragment: fragment & FRAGMENT_LATER != 0,
            lenient: false,
            tag: tag_of(tci.0, tci.1),
        };
        context.without_ports()
    }

    /// Of a match without conditions.
    pub(crate) const ANY: Context = Context {
        eth_type: None,
        protocol: None,
        icmp_type: None,
        icmp_code: None,
        later_fragment: false,
        lenient: false,
        tag: Tag::Unknown,
    };

    /// One more condition on a field, which is all that the match says of it. [`Context::without_ports`] when there are no more.
    pub(crate) fn note(&mut self, field: Field, value: u128, mask: u128) {
        let exactly = || (mask == field.max()).then_some(value);
        match field {
            Field::EthType => self.eth_type = exactly().map(|v| v as u16),
            Field::NwProto => self.protocol = exactly().map(|v| v as u8),
            Field::TpSrc => self.icmp_type = exactly().map(|v| v as u16),
            Field::TpDst => self.icmp_code = (mask != 0).then_some((value & mask) as u16),
            Field::NwFrag => self.later_fragment = value & mask & FRAGMENT_LATER != 0,
            Field::VlanTci => self.tag = tag_of(value, mask),
            _ => {}
        }
    }

    /// Where ports lie, others have the type and code of ICMP, which are looked at in that of IPv6 alone.
    pub(crate) fn without_ports(self) -> Context {
        match self.protocol {
            Some(ICMP6) => self,
            _ => Context { icmp_type: None, icmp_code: None, ..self },
        }
    }

    /// Of a group, which does not know what frames it gets: as in Open vSwitch, an action on a header that a frame does not
    /// have does nothing.
    pub(crate) fn of_group() -> Context {
        Context { lenient: true, ..Context::of(&Match::any()) }
    }

    /// What is known when an action was done.
    pub(crate) fn after(&mut self, action: &RuleAction) {
        let exact = |field: Field, value: u128, mask: u128| (mask == field.max()).then_some(value);
        match *action {
            RuleAction::PushMpls { ether_type } | RuleAction::PopMpls { ether_type } => {
                self.behind(Some(ether_type));
            }
            RuleAction::PushPbb => {
                self.behind(Some(ethertype::PBB));
                self.tag = Tag::Absent;
            }
            RuleAction::PopPbb => {
                self.behind(None);
                self.tag = Tag::Unknown;
            }
            RuleAction::SetField { field: Field::EthType, value, mask } => {
                self.behind(exact(Field::EthType, value, mask).map(|value| value as u16));
            }
            RuleAction::SetField { field: Field::NwProto, value, mask } if self.meets_strictly(Needs::Ip) => {
                self.protocol = exact(Field::NwProto, value, mask).map(|value| value as u8);
                (self.icmp_type, self.icmp_code) = (None, None);
            }
            _ => match action.writes().map(|to| to.field) {
                Some(Field::EthType) => self.behind(None),
                Some(Field::NwProto) => self.protocol = None,
                _ => {}
            },
        }
    }

    /// Another header follows the tags, of which only this is known.
    fn behind(&mut self, eth_type: Option<u16>) {
        *self = Context {
            eth_type,
            protocol: None,
            icmp_type: None,
            icmp_code: None,
            later_fragment: false,
            ..*self
        };
    }

    /// Whether a field with such a need exists in every frame of the flow.
    pub(crate) fn meets(&self, needs: Needs) -> bool {
        self.lenient || self.meets_strictly(needs)
    }

    fn meets_strictly(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Tag => self.tag == Tag::Present,
            Needs::Ip4 => self.eth_type == Some(IPV4),
            Needs::Ip6 => self.eth_type == Some(IPV6),
            Needs::Ip => matches!(self.eth_type, Some(IPV4 | IPV6)),
            Needs::Arp => self.eth_type == Some(ARP),
            Needs::Ip4OrArp => self.meets(Needs::Ip4) || self.meets(Needs::Arp),
            Needs::IpOrArp => self.meets(Needs::Ip) || self.meets(Needs::Arp),
            Needs::Tcp => self.carries(TCP),
            Needs::Udp => self.carries(UDP),
            Needs::Sctp => self.carries(SCTP),
            Needs::Transport => [TCP, UDP, SCTP].into_iter().any(|protocol| self.carries(protocol)),
            Needs::Icmp => self.meets(Needs::Ip4) && self.carries(ICMP),
            Needs::Icmp6 => self.meets(Needs::Ip6) && self.carries(ICMP6),
            Needs::AnyIcmp => self.meets(Needs::Icmp) || self.meets(Needs::Icmp6),
            Needs::Nd => self.meets(Needs::NdSolicit) || self.meets(Needs::NdAdvert),
            Needs::NdSolicit => self.discovers(NEIGHBOUR_SOLICITATION),
            Needs::NdAdvert => self.discovers(NEIGHBOUR_ADVERTISEMENT),
            Needs::Mpls => self.eth_type.is_some_and(mpls::is_stack),
            Needs::Backbone => self.eth_type == Some(ethertype::PBB),
        }
    }

    /// Whether frames are refused only because they are later fragments, which have no such header.
    pub(crate) fn hidden_by_fragments(&self, needs: Needs) -> bool {
        self.later_fragment && Context { later_fragment: false, ..*self }.meets(needs)
    }

    fn carries(&self, protocol: u8) -> bool {
        self.meets(Needs::Ip) && self.protocol == Some(protocol) && !self.later_fragment
    }

    fn discovers(&self, icmp_type: u16) -> bool {
        self.meets(Needs::Icmp6)
            && self.icmp_type == Some(icmp_type)
            && matches!(self.icmp_code, None | Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_stand_in_the_order_of_their_numbers() {
        for (at, needs) in Needs::ALL.into_iter().enumerate() {
            assert_eq!(needs as usize, at);
        }
        assert_eq!(Needs::ALL.len(), Needs::Backbone as usize + 1, "Backbone is the last");
    }
}
