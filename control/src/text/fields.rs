//! The words for fields: every name that ovs-fields(7) gives them, how their values are written, what must be known about
//! a frame before the field exists, and whether `set_field` may write it.

use super::context::Needs;
use datapath::flow::Field;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The name or number of a port.
    Port,
    /// Six pairs of hexadecimal digits.
    Mac,
    /// Four decimal numbers with dots.
    Ipv4,
    /// RFC 4291 section 2.2.
    Ipv6,
    /// A number, shown in decimal.
    Decimal,
    /// A number, shown in hexadecimal with at least so many digits.
    Hexadecimal(usize),
    /// `no`, `yes`, `first`, `later` or `not_later`.
    Fragment,
    /// Names of TCP flags.
    TcpFlags,
    /// Tag control information as Open vSwitch keeps it: with bit 12 set when there is a tag.
    VlanTci,
    /// A VLAN identifier of OpenFlow 1.0: 0xffff for "no tag".
    VlanOf10,
    /// A VLAN identifier of OpenFlow 1.2: with bit 12 set when there is a tag.
    VlanVid,
    /// A VLAN priority.
    VlanPcp,
    /// A type of service without its two lower bits.
    Tos,
}

/// What `set_field` may do with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Write it, in frames that are known to fit.
    When(Needs),
    /// Not at all.
    ReadOnly,
    /// Open vSwitch can; this version cannot.
    NotYet,
    /// Only by the other name.
    Instead(&'static str),
}

/// A field under its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    /// The names; the first is the one that `set_field` is shown with.
    pub(super) names: &'static [&'static str],
    pub(super) field: Field,
    pub(super) form: Form,
    /// Whether the value may carry a mask.
    pub(super) maskable: bool,
    /// What a match on the field needs.
    pub(super) needs: Needs,
    pub(super) set: Set,
    /// The largest value, where the protocol has fewer bits than the field.
    pub(super) max: u128,
}

const MASK: bool = true;
const EXACT: bool = false;

const fn name(
    names: &'static [&'static str],
    field: Field,
    form: Form,
    maskable: bool,
    needs: Needs,
    set: Set,
) -> Name {
    Name { names, field, form, maskable, needs, set, max: field.max() }
}

impl Name {
    /// The same, of fewer bits.
    const fn of_bits(self, bits: u32) -> Name {
        Name { max: (1 << bits) - 1, ..self }
    }
}

/// Every field.
pub(super) const NAMES: &[Name] = {
    use Form::{Decimal, Fragment, Hexadecimal, Ipv4, Ipv6, Mac, Port, Tos};
    use Needs::*;
    use Set::{Instead, NotYet, ReadOnly, When};
    &[
        name(&["in_port", "in_port_oxm"], Field::InPort, Port, EXACT, Nothing, NotYet),
        name(&["eth_src", "dl_src"], Field::EthSrc, Mac, MASK, Nothing, When(Nothing)),
        name(&["eth_dst", "dl_dst"], Field::EthDst, Mac, MASK, Nothing, When(Nothing)),
        name(&["eth_type", "dl_type"], Field::EthType, Hexadecimal(4), EXACT, Nothing, ReadOnly),
        name(&["vlan_tci"], Field::VlanTci, Form::VlanTci, MASK, Nothing, When(Nothing)),
        name(&["dl_vlan"], Field::VlanVid, Form::VlanOf10, EXACT, Nothing, Instead("vlan_vid")),
        name(&["vlan_vid"], Field::VlanVid, Form::VlanVid, MASK, Nothing, When(Tag)),
        name(&["vlan_pcp"], Field::VlanPcp, Form::VlanPcp, EXACT, Nothing, When(Tag)),
        name(&["dl_vlan_pcp"], Field::VlanPcp, Form::VlanPcp, EXACT, Nothing, Instead("vlan_pcp")),
        name(&["ip_src", "nw_src"], Field::NwSrc, Ipv4, MASK, Ip4OrArp, When(Ip4)),
        name(&["ip_dst", "nw_dst"], Field::NwDst, Ipv4, MASK, Ip4OrArp, When(Ip4)),
        name(&["arp_spa"], Field::NwSrc, Ipv4, MASK, Arp, When(Arp)),
        name(&["arp_tpa"], Field::NwDst, Ipv4, MASK, Arp, When(Arp)),
        name(&["arp_op"], Field::NwProto, Decimal, EXACT, Arp, NotYet),
        name(&["arp_sha"], Field::ArpSha, Mac, MASK, Arp, When(Arp)),
        name(&["arp_tha"], Field::ArpTha, Mac, MASK, Arp, When(Arp)),
        name(&["nw_proto", "ip_proto"], Field::NwProto, Decimal, EXACT, IpOrArp, ReadOnly),
        name(&["ip_frag", "nw_frag"], Field::NwFrag, Fragment, EXACT, Ip, ReadOnly),
        name(&["nw_tos"], Field::NwTos, Tos, EXACT, Ip, When(Ip)),
        name(&["ip_dscp"], Field::IpDscp, Decimal, EXACT, Ip, When(Ip)),
        name(&["nw_ecn", "ip_ecn"], Field::NwEcn, Decimal, EXACT, Ip, When(Ip)),
        name(&["nw_ttl"], Field::NwTtl, Decimal, EXACT, Ip, When(Ip)),
        name(&["tp_src"], Field::TpSrc, Decimal, MASK, Transport, Instead("tcp_src, udp_src or sctp_src")),
        name(&["tp_dst"], Field::TpDst, Decimal, MASK, Transport, Instead("tcp_dst, udp_dst or sctp_dst")),
        name(&["tcp_src"], Field::TpSrc, Decimal, MASK, Tcp, When(Tcp)),
        name(&["tcp_dst"], Field::TpDst, Decimal, MASK, Tcp, When(Tcp)),
        name(&["udp_src"], Field::TpSrc, Decimal, MASK, Udp, When(Udp)),
        name(&["udp_dst"], Field::TpDst, Decimal, MASK, Udp, When(Udp)),
        name(&["sctp_src"], Field::TpSrc, Decimal, MASK, Sctp, NotYet),
        name(&["sctp_dst"], Field::TpDst, Decimal, MASK, Sctp, NotYet),
        name(&["tcp_flags"], Field::TcpFlags, Form::TcpFlags, MASK, Tcp, ReadOnly),
        name(&["icmp_type"], Field::TpSrc, Decimal, EXACT, AnyIcmp, When(Icmp)).of_bits(8),
        name(&["icmp_code"], Field::TpDst, Decimal, EXACT, AnyIcmp, When(Icmp)).of_bits(8),
        name(&["icmpv6_type"], Field::TpSrc, Decimal, EXACT, Icmp6, When(Icmp6)).of_bits(8),
        name(&["icmpv6_code"], Field::TpDst, Decimal, EXACT, Icmp6, When(Icmp6)).of_bits(8),
        name(&["ipv6_src"], Field::Ipv6Src, Ipv6, MASK, Ip6, When(Ip6)),
        name(&["ipv6_dst"], Field::Ipv6Dst, Ipv6, MASK, Ip6, When(Ip6)),
        name(&["ipv6_label"], Field::Ipv6Label, Hexadecimal(5), MASK, Ip6, When(Ip6)),
        name(&["nd_target"], Field::NdTarget, Ipv6, MASK, Nd, NotYet),
        name(&["nd_sll"], Field::NdSll, Mac, MASK, NdSolicit, NotYet),
        name(&["nd_tll"], Field::NdTll, Mac, MASK, NdAdvert, NotYet),
        name(&["tun_id", "tunnel_id"], Field::TunId, Hexadecimal(1), MASK, Nothing, When(Nothing)),
        name(&["tun_src"], Field::TunSrc, Ipv4, MASK, Nothing, NotYet),
        name(&["tun_dst"], Field::TunDst, Ipv4, MASK, Nothing, When(Nothing)),
        name(&["tun_ipv6_src"], Field::TunIpv6Src, Ipv6, MASK, Nothing, NotYet),
        name(&["tun_ipv6_dst"], Field::TunIpv6Dst, Ipv6, MASK, Nothing, When(Nothing)),
    ]
};

/// The field of that name.
pub(super) fn find(name: &str) -> Option<&'static Name> {
    NAMES.iter().find(|field| field.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<_> = NAMES.iter().flat_map(|name| name.names).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_field_that_openflow_can_match_has_a_name() {
        for field in Field::ALL {
            // tun_tos and tun_ttl have no code point in OpenFlow (ovs-fields(7)), the second tag is the key's own, and
            // frames do not carry the others yet.
            let hidden =
                words::lists(&["tun_tos", "tun_ttl", "inner_*", "tun_flags", "tun_gbp_*"], field.name());
            assert_eq!(NAMES.iter().any(|name| name.field == *field), !hidden, "{field:?}");
        }
    }
}
