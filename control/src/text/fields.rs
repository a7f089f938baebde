//! The words for fields: every name that ovs-fields(7) gives them, how their values are written, what must be known about
//! a frame before the field exists, and whether `set_field` may write it.

use super::flags::{self, Flags};
use crate::ofproto::context::Needs;
use datapath::flow::Field;
use std::sync::LazyLock;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The name or number of a port.
    Port,
    /// A port, or one of those that OpenFlow reserves.
    AnyPort,
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
    /// Names of flags.
    Flags(&'static Flags),
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
    /// The names of its bits in OpenFlow's and Nicira's numbering, and how many there are; the first is the one that they
    /// are shown with. None: the field can be used only as a whole.
    pub(super) bits: Option<(&'static [&'static str], u8)>,
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
    Name { names, field, form, maskable, needs, set, max: field.max(), bits: None }
}

/// A field that no header holds.
const fn register(names: &'static [&'static str], field: Field, bits: &'static [&'static str]) -> Name {
    let form = Form::Hexadecimal(1);
    name(names, field, form, MASK, Needs::Nothing, Set::When(Needs::Nothing)).called(bits)
}

impl Name {
    /// The same, of fewer bits.
    const fn of_bits(self, bits: u32) -> Name {
        Name { max: (1 << bits) - 1, ..self }
    }

    /// The same, whose bits have these names. All bits that the name speaks of, right-aligned in the field.
    const fn called(self, names: &'static [&'static str]) -> Name {
        Name { bits: Some((names, (128 - self.max.leading_zeros()) as u8)), ..self }
    }

    /// The same, of which only the lower bits can be used in parts.
    const fn lower(self, names: &'static [&'static str], bits: u8) -> Name {
        Name { bits: Some((names, bits)), ..self }
    }
}

/// Every field.
pub(super) const NAMES: &[Name] = {
    use Form::{Decimal, Fragment, Hexadecimal, Ipv4, Ipv6, Mac, Port, Tos};
    use Needs::*;
    use Set::{Instead, NotYet, ReadOnly, When};
    &[
        name(&["conj_id"], Field::ConjId, Decimal, EXACT, Nothing, ReadOnly).called(&["NXM_NX_CONJ_ID"]),
        register(&["pkt_mark"], Field::PktMark, &["NXM_NX_PKT_MARK"]),
        name(&["in_port"], Field::InPort, Port, EXACT, Nothing, When(Nothing))
            .of_bits(16)
            .called(&["NXM_OF_IN_PORT"]),
        name(&["in_port_oxm"], Field::InPort, Port, EXACT, Nothing, When(Nothing))
            .lower(&["OXM_OF_IN_PORT"], 32),
        name(&["actset_output"], Field::ActsetOutput, Form::AnyPort, EXACT, Nothing, ReadOnly)
            .called(&["ONFOXM_ET_ACTSET_OUTPUT", "OXM_OF_ACTSET_OUTPUT"]),
        name(&["eth_src", "dl_src"], Field::EthSrc, Mac, MASK, Nothing, When(Nothing))
            .called(&["NXM_OF_ETH_SRC", "OXM_OF_ETH_SRC"]),
        name(&["eth_dst", "dl_dst"], Field::EthDst, Mac, MASK, Nothing, When(Nothing))
            .called(&["NXM_OF_ETH_DST", "OXM_OF_ETH_DST"]),
        name(&["eth_type", "dl_type"], Field::EthType, Hexadecimal(4), EXACT, Nothing, When(Nothing))
            .called(&["NXM_OF_ETH_TYPE", "OXM_OF_ETH_TYPE"]),
        name(&["vlan_tci"], Field::VlanTci, Form::VlanTci, MASK, Nothing, When(Nothing))
            .called(&["NXM_OF_VLAN_TCI"]),
        name(&["dl_vlan"], Field::VlanVid, Form::VlanOf10, EXACT, Nothing, Instead("vlan_vid")),
        name(&["vlan_vid"], Field::VlanVid, Form::VlanVid, MASK, Nothing, When(Tag))
            .lower(&["OXM_OF_VLAN_VID"], 12),
        name(&["vlan_pcp"], Field::VlanPcp, Form::VlanPcp, EXACT, Nothing, When(Tag))
            .called(&["OXM_OF_VLAN_PCP"]),
        name(&["dl_vlan_pcp"], Field::VlanPcp, Form::VlanPcp, EXACT, Nothing, Instead("vlan_pcp")),
        name(&["mpls_label"], Field::MplsLabel, Decimal, EXACT, Mpls, When(Mpls))
            .called(&["OXM_OF_MPLS_LABEL"]),
        name(&["mpls_tc"], Field::MplsTc, Decimal, EXACT, Mpls, When(Mpls)).called(&["OXM_OF_MPLS_TC"]),
        name(&["mpls_bos"], Field::MplsBos, Decimal, EXACT, Mpls, When(Mpls)).called(&["OXM_OF_MPLS_BOS"]),
        name(&["mpls_ttl"], Field::MplsTtl, Decimal, EXACT, Mpls, When(Mpls)).called(&["NXM_NX_MPLS_TTL"]),
        name(&["pbb_isid"], Field::PbbIsid, Decimal, MASK, Backbone, When(Backbone))
            .called(&["OXM_OF_PBB_ISID"]),
        name(&["pbb_uca"], Field::PbbUca, Decimal, EXACT, Backbone, When(Backbone))
            .called(&["OXM_OF_PBB_UCA"]),
        name(&["ip_src", "nw_src"], Field::NwSrc, Ipv4, MASK, Ip4OrArp, When(Ip4))
            .called(&["NXM_OF_IP_SRC", "OXM_OF_IPV4_SRC"]),
        name(&["ip_dst", "nw_dst"], Field::NwDst, Ipv4, MASK, Ip4OrArp, When(Ip4))
            .called(&["NXM_OF_IP_DST", "OXM_OF_IPV4_DST"]),
        name(&["arp_spa"], Field::NwSrc, Ipv4, MASK, Arp, When(Arp))
            .called(&["NXM_OF_ARP_SPA", "OXM_OF_ARP_SPA"]),
        name(&["arp_tpa"], Field::NwDst, Ipv4, MASK, Arp, When(Arp))
            .called(&["NXM_OF_ARP_TPA", "OXM_OF_ARP_TPA"]),
        name(&["arp_op"], Field::NwProto, Decimal, EXACT, Arp, When(Arp))
            .called(&["NXM_OF_ARP_OP", "OXM_OF_ARP_OP"]),
        name(&["arp_sha"], Field::ArpSha, Mac, MASK, Arp, When(Arp))
            .called(&["NXM_NX_ARP_SHA", "OXM_OF_ARP_SHA"]),
        name(&["arp_tha"], Field::ArpTha, Mac, MASK, Arp, When(Arp))
            .called(&["NXM_NX_ARP_THA", "OXM_OF_ARP_THA"]),
        name(&["nw_proto", "ip_proto"], Field::NwProto, Decimal, EXACT, IpOrArp, When(Ip))
            .called(&["NXM_OF_IP_PROTO", "OXM_OF_IP_PROTO"]),
        name(&["ip_frag", "nw_frag"], Field::NwFrag, Fragment, EXACT, Ip, ReadOnly),
        name(&["nw_tos"], Field::NwTos, Tos, EXACT, Ip, When(Ip)),
        name(&["ip_dscp"], Field::IpDscp, Decimal, EXACT, Ip, When(Ip)).called(&["OXM_OF_IP_DSCP"]),
        name(&["nw_ecn", "ip_ecn"], Field::NwEcn, Decimal, EXACT, Ip, When(Ip))
            .called(&["NXM_NX_IP_ECN", "OXM_OF_IP_ECN"]),
        name(&["nw_ttl"], Field::NwTtl, Decimal, EXACT, Ip, When(Ip)).called(&["NXM_NX_IP_TTL"]),
        name(&["tp_src"], Field::TpSrc, Decimal, MASK, Transport, Instead("tcp_src, udp_src or sctp_src")),
        name(&["tp_dst"], Field::TpDst, Decimal, MASK, Transport, Instead("tcp_dst, udp_dst or sctp_dst")),
        name(&["tcp_src"], Field::TpSrc, Decimal, MASK, Tcp, When(Tcp))
            .called(&["NXM_OF_TCP_SRC", "OXM_OF_TCP_SRC"]),
        name(&["tcp_dst"], Field::TpDst, Decimal, MASK, Tcp, When(Tcp))
            .called(&["NXM_OF_TCP_DST", "OXM_OF_TCP_DST"]),
        name(&["udp_src"], Field::TpSrc, Decimal, MASK, Udp, When(Udp))
            .called(&["NXM_OF_UDP_SRC", "OXM_OF_UDP_SRC"]),
        name(&["udp_dst"], Field::TpDst, Decimal, MASK, Udp, When(Udp))
            .called(&["NXM_OF_UDP_DST", "OXM_OF_UDP_DST"]),
        name(&["sctp_src"], Field::TpSrc, Decimal, MASK, Sctp, When(Sctp)).called(&["OXM_OF_SCTP_SRC"]),
        name(&["sctp_dst"], Field::TpDst, Decimal, MASK, Sctp, When(Sctp)).called(&["OXM_OF_SCTP_DST"]),
        name(&["tcp_flags"], Field::TcpFlags, Form::Flags(&flags::TCP), MASK, Tcp, ReadOnly)
            .called(&["NXM_NX_TCP_FLAGS", "OXM_OF_TCP_FLAGS"]),
        name(&["icmp_type"], Field::TpSrc, Decimal, EXACT, AnyIcmp, When(Icmp))
            .of_bits(8)
            .called(&["NXM_OF_ICMP_TYPE", "OXM_OF_ICMPV4_TYPE"]),
        name(&["icmp_code"], Field::TpDst, Decimal, EXACT, AnyIcmp, When(Icmp))
            .of_bits(8)
            .called(&["NXM_OF_ICMP_CODE", "OXM_OF_ICMPV4_CODE"]),
        name(&["icmpv6_type"], Field::TpSrc, Decimal, EXACT, Icmp6, When(Icmp6))
            .of_bits(8)
            .called(&["NXM_NX_ICMPV6_TYPE", "OXM_OF_ICMPV6_TYPE"]),
        name(&["icmpv6_code"], Field::TpDst, Decimal, EXACT, Icmp6, When(Icmp6))
            .of_bits(8)
            .called(&["NXM_NX_ICMPV6_CODE", "OXM_OF_ICMPV6_CODE"]),
        name(&["ipv6_src"], Field::Ipv6Src, Ipv6, MASK, Ip6, When(Ip6))
            .called(&["NXM_NX_IPV6_SRC", "OXM_OF_IPV6_SRC"]),
        name(&["ipv6_dst"], Field::Ipv6Dst, Ipv6, MASK, Ip6, When(Ip6))
            .called(&["NXM_NX_IPV6_DST", "OXM_OF_IPV6_DST"]),
        name(&["ipv6_label"], Field::Ipv6Label, Hexadecimal(5), MASK, Ip6, When(Ip6))
            .called(&["NXM_NX_IPV6_LABEL", "OXM_OF_IPV6_FLABEL"]),
        name(
            &["ipv6_exthdr"],
            Field::Ipv6Exthdr,
            Form::Flags(&flags::EXTENSION_HEADERS),
            MASK,
            Ip6,
            ReadOnly,
        )
        .called(&["OXM_OF_IPV6_EXTHDR"]),
        name(&["nd_target"], Field::NdTarget, Ipv6, MASK, Nd, When(Nd))
            .called(&["NXM_NX_ND_TARGET", "OXM_OF_IPV6_ND_TARGET"]),
        name(&["nd_reserved"], Field::NdReserved, Decimal, EXACT, Nd, When(Nd))
            .called(&["ERICOXM_OF_ICMPV6_ND_RESERVED"]),
        name(&["nd_options_type"], Field::NdOptionsType, Decimal, EXACT, Nd, When(Nd))
            .called(&["ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE"]),
        name(&["nd_sll"], Field::NdSll, Mac, MASK, NdSolicit, When(NdSolicit))
            .called(&["NXM_NX_ND_SLL", "OXM_OF_IPV6_ND_SLL"]),
        name(&["nd_tll"], Field::NdTll, Mac, MASK, NdAdvert, When(NdAdvert))
            .called(&["NXM_NX_ND_TLL", "OXM_OF_IPV6_ND_TLL"]),
        name(&["tun_id", "tunnel_id"], Field::TunId, Hexadecimal(1), MASK, Nothing, When(Nothing))
            .called(&["NXM_NX_TUN_ID", "OXM_OF_TUNNEL_ID"]),
        name(&["tun_src"], Field::TunSrc, Ipv4, MASK, Nothing, NotYet).called(&["NXM_NX_TUN_IPV4_SRC"]),
        name(&["tun_dst"], Field::TunDst, Ipv4, MASK, Nothing, When(Nothing))
            .called(&["NXM_NX_TUN_IPV4_DST"]),
        name(&["tun_ipv6_src"], Field::TunIpv6Src, Ipv6, MASK, Nothing, NotYet)
            .called(&["NXM_NX_TUN_IPV6_SRC"]),
        name(&["tun_ipv6_dst"], Field::TunIpv6Dst, Ipv6, MASK, Nothing, When(Nothing))
            .called(&["NXM_NX_TUN_IPV6_DST"]),
        name(&["tun_flags"], Field::TunFlags, Form::Flags(&flags::TUNNEL), MASK, Nothing, When(Nothing))
            .of_bits(1)
            .called(&["NXM_NX_TUN_FLAGS"]),
        name(&["tun_gbp_id"], Field::TunGbpId, Decimal, MASK, Nothing, When(Nothing))
            .called(&["NXM_NX_TUN_GBP_ID"]),
        name(&["tun_gbp_flags"], Field::TunGbpFlags, Hexadecimal(1), MASK, Nothing, When(Nothing))
            .called(&["NXM_NX_TUN_GBP_FLAGS"]),
        register(&["metadata"], Field::Metadata, &["OXM_OF_METADATA"]),
        register(&["reg0"], Field::Reg0, &["NXM_NX_REG0"]),
        register(&["reg1"], Field::Reg1, &["NXM_NX_REG1"]),
        register(&["reg2"], Field::Reg2, &["NXM_NX_REG2"]),
        register(&["reg3"], Field::Reg3, &["NXM_NX_REG3"]),
        register(&["reg4"], Field::Reg4, &["NXM_NX_REG4"]),
        register(&["reg5"], Field::Reg5, &["NXM_NX_REG5"]),
        register(&["reg6"], Field::Reg6, &["NXM_NX_REG6"]),
        register(&["reg7"], Field::Reg7, &["NXM_NX_REG7"]),
        register(&["reg8"], Field::Reg8, &["NXM_NX_REG8"]),
        register(&["reg9"], Field::Reg9, &["NXM_NX_REG9"]),
        register(&["reg10"], Field::Reg10, &["NXM_NX_REG10"]),
        register(&["reg11"], Field::Reg11, &["NXM_NX_REG11"]),
        register(&["reg12"], Field::Reg12, &["NXM_NX_REG12"]),
        register(&["reg13"], Field::Reg13, &["NXM_NX_REG13"]),
        register(&["reg14"], Field::Reg14, &["NXM_NX_REG14"]),
        register(&["reg15"], Field::Reg15, &["NXM_NX_REG15"]),
        register(&["xreg0"], Field::Xreg0, &["OXM_OF_PKT_REG0"]),
        register(&["xreg1"], Field::Xreg1, &["OXM_OF_PKT_REG1"]),
        register(&["xreg2"], Field::Xreg2, &["OXM_OF_PKT_REG2"]),
        register(&["xreg3"], Field::Xreg3, &["OXM_OF_PKT_REG3"]),
        register(&["xreg4"], Field::Xreg4, &["OXM_OF_PKT_REG4"]),
        register(&["xreg5"], Field::Xreg5, &["OXM_OF_PKT_REG5"]),
        register(&["xreg6"], Field::Xreg6, &["OXM_OF_PKT_REG6"]),
        register(&["xreg7"], Field::Xreg7, &["OXM_OF_PKT_REG7"]),
        register(&["xxreg0"], Field::Xxreg0, &["NXM_NX_XXREG0"]),
        register(&["xxreg1"], Field::Xxreg1, &["NXM_NX_XXREG1"]),
        register(&["xxreg2"], Field::Xxreg2, &["NXM_NX_XXREG2"]),
        register(&["xxreg3"], Field::Xxreg3, &["NXM_NX_XXREG3"]),
    ]
};

/// The field of that name.
pub(super) fn find(name: &str) -> Option<&'static Name> {
    NAMES.iter().find(|field| field.names.contains(&name))
}

/// The names of the pieces of Geneve options, which stand in no text.
static PIECES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let pieces = Field::ALL.iter().filter(|field| field.is_option());
    pieces.map(|field| register(&["tun_metadata"], *field, &["NXM_NX_TUN_METADATA"])).collect()
});

/// The name of a piece of an option.
pub(super) fn piece(field: Field) -> Option<&'static Name> {
    PIECES.iter().find(|name| name.field == field)
}

/// The field that bits are called by, in any of its names.
pub(super) fn find_bits(name: &str) -> Option<&'static Name> {
    let called = |field: &&Name| field.bits.is_some_and(|(names, _)| names.contains(&name));
    find(name).or_else(|| NAMES.iter().find(called))
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
            // tun_tos and tun_ttl have no code point in OpenFlow (ovs-fields(7)), and what lies behind the outermost header
            // is the key's own; nor have pieces of options, nor the length of the frame.
            let hidden = [
                "tun_tos",
                "tun_ttl",
                "inner_*",
                "third_*",
                "customer_*",
                "mpls_lse",
                "mpls_payload",
                "pbb_tci",
                "option_*",
                "frame_*",
            ];
            let hidden = words::lists(&hidden, field.name());
            assert_eq!(NAMES.iter().any(|name| name.field == *field), !hidden, "{field:?}");
        }
    }
}
