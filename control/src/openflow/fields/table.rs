//! The fields that there are, in the order in which a match tells them (that of `lib/nx-match.c` of Open vSwitch).
//!
//! A field of the key that can be matched or set stands here under each of its names; what the key has for itself alone does not.

use super::{BASIC, Form, Number, PACKET_REGISTERS, WireField};
use crate::ofproto::context::Needs;
use crate::openflow::ONF;
use datapath::flow::Field;

const MASK: bool = true;
const EXACT: bool = false;
const SET: bool = true;
const READ: bool = false;

/// `NXM_OF_*`.
const fn nxm(field: u8) -> Number {
    Number { class: 0, field, experimenter: 0, since: 0 }
}

/// `NXM_NX_*`.
const fn nx(field: u8) -> Number {
    Number { class: 1, field, experimenter: 0, since: 0 }
}

/// `ERICOXM_OF_*` of Open vSwitch (`build-aux/extract-ofp-fields`).
const fn ericsson(field: u8) -> Number {
    Number { class: 0x1000, field, experimenter: 0, since: 0 }
}

/// `OXM_OF_*`, since OpenFlow 1.2.
const fn oxm(field: u8) -> Number {
    oxm_of(2, field)
}

/// `OXM_OF_*`, since OpenFlow 1.`minor`.
const fn oxm_of(minor: u8, field: u8) -> Number {
    // 1.0 is version 1 on the wire, and so on.
    Number { class: BASIC, field, experimenter: 0, since: minor + 1 }
}

/// `ONFOXM_ET_*`: an extension for OpenFlow 1.3.
const fn onf(field: u8) -> Number {
    Number { class: super::EXPERIMENTER, field, experimenter: ONF, since: 4 }
}

/// `OXM_OF_PKT_REG*`; Open vSwitch has them since OpenFlow 1.3.
const fn packet_register(field: u8) -> Number {
    Number { class: PACKET_REGISTERS, field, experimenter: 0, since: 4 }
}

#[expect(clippy::too_many_arguments, reason = "the columns of a table")]
const fn row(
    name: &'static str,
    field: Field,
    form: Form,
    bytes: u8,
    bits: u8,
    maskable: bool,
    needs: Needs,
    settable: bool,
    headers: &'static [Number],
) -> WireField {
    WireField { name, field, form, bytes, bits, maskable, needs, settable, headers }
}

/// Every field.
#[rustfmt::skip]
pub(crate) const FIELDS: &[WireField] = {
    use Form::{Plain, Port, ShortPort, TagId, TagPriority, Tos, WholeTag};
    use Needs::*;
    &[
        row("conj_id", Field::ConjId, Plain, 4, 32, EXACT, Nothing, READ, &[nx(37)]),
        row("in_port", Field::InPort, ShortPort, 2, 16, EXACT, Nothing, SET, &[nxm(0)]),
        row("in_port_oxm", Field::InPort, Port, 4, 32, EXACT, Nothing, SET, &[oxm(0)]),
        row("actset_output", Field::ActsetOutput, Port, 4, 32, EXACT, Nothing, READ, &[onf(43), oxm_of(5, 43)]),
        row("eth_src", Field::EthSrc, Plain, 6, 48, MASK, Nothing, SET, &[nxm(2), oxm(4)]),
        row("eth_dst", Field::EthDst, Plain, 6, 48, MASK, Nothing, SET, &[nxm(1), oxm(3)]),
        row("eth_type", Field::EthType, Plain, 2, 16, EXACT, Nothing, SET, &[nxm(3), oxm(5)]),
        row("vlan_tci", Field::VlanTci, WholeTag, 2, 16, MASK, Nothing, SET, &[nxm(4)]),
        row("vlan_vid", Field::VlanVid, TagId, 2, 12, MASK, Nothing, SET, &[oxm(6)]),
        row("vlan_pcp", Field::VlanPcp, TagPriority, 1, 3, EXACT, Tag, SET, &[oxm(7)]),
        row("mpls_tc", Field::MplsTc, Plain, 1, 3, EXACT, Mpls, SET, &[oxm(35)]),
        row("mpls_bos", Field::MplsBos, Plain, 1, 1, EXACT, Mpls, SET, &[oxm_of(3, 36)]),
        row("mpls_ttl", Field::MplsTtl, Plain, 1, 8, EXACT, Mpls, SET, &[nx(30)]),
        row("mpls_label", Field::MplsLabel, Plain, 4, 20, EXACT, Mpls, SET, &[oxm(34)]),
        row("pbb_isid", Field::PbbIsid, Plain, 3, 24, MASK, Backbone, SET, &[oxm_of(3, 37)]),
        row("pbb_uca", Field::PbbUca, Plain, 1, 1, EXACT, Backbone, SET, &[oxm_of(4, 41)]),
        row("ip_src", Field::NwSrc, Plain, 4, 32, MASK, Ip4, SET, &[nxm(7), oxm(11)]),
        row("ip_dst", Field::NwDst, Plain, 4, 32, MASK, Ip4, SET, &[nxm(8), oxm(12)]),
        row("ipv6_src", Field::Ipv6Src, Plain, 16, 128, MASK, Ip6, SET, &[nx(19), oxm(26)]),
        row("ipv6_dst", Field::Ipv6Dst, Plain, 16, 128, MASK, Ip6, SET, &[nx(20), oxm(27)]),
        row("ip_frag", Field::NwFrag, Plain, 1, 2, MASK, Ip, READ, &[nx(26)]),
        row("nw_tos", Field::NwTos, Tos, 1, 8, EXACT, Ip, SET, &[nxm(5)]),
        row("ip_dscp", Field::IpDscp, Plain, 1, 6, EXACT, Ip, SET, &[oxm(8)]),
        row("nw_ecn", Field::NwEcn, Plain, 1, 2, EXACT, Ip, SET, &[nx(28), oxm(9)]),
        row("nw_ttl", Field::NwTtl, Plain, 1, 8, EXACT, Ip, SET, &[nx(29)]),
        row("ipv6_label", Field::Ipv6Label, Plain, 4, 20, MASK, Ip6, SET, &[nx(27), oxm(28)]),
        row("ipv6_exthdr", Field::Ipv6Exthdr, Plain, 2, 9, MASK, Ip6, READ, &[oxm_of(3, 39)]),
        row("nw_proto", Field::NwProto, Plain, 1, 8, EXACT, Ip, SET, &[nxm(6), oxm(10)]),
        row("tcp_src", Field::TpSrc, Plain, 2, 16, MASK, Tcp, SET, &[nxm(9), oxm(13)]),
        row("tcp_dst", Field::TpDst, Plain, 2, 16, MASK, Tcp, SET, &[nxm(10), oxm(14)]),
        row("udp_src", Field::TpSrc, Plain, 2, 16, MASK, Udp, SET, &[nxm(11), oxm(15)]),
        row("udp_dst", Field::TpDst, Plain, 2, 16, MASK, Udp, SET, &[nxm(12), oxm(16)]),
        row("sctp_src", Field::TpSrc, Plain, 2, 16, MASK, Sctp, SET, &[oxm(17)]),
        row("sctp_dst", Field::TpDst, Plain, 2, 16, MASK, Sctp, SET, &[oxm(18)]),
        row("tcp_flags", Field::TcpFlags, Plain, 2, 12, MASK, Tcp, READ, &[nx(34), onf(42), oxm_of(5, 42)]),
        row("icmp_type", Field::TpSrc, Plain, 1, 8, EXACT, Icmp, SET, &[nxm(13), oxm(19)]),
        row("icmp_code", Field::TpDst, Plain, 1, 8, EXACT, Icmp, SET, &[nxm(14), oxm(20)]),
        row("icmpv6_type", Field::TpSrc, Plain, 1, 8, EXACT, Icmp6, SET, &[nx(21), oxm(29)]),
        row("icmpv6_code", Field::TpDst, Plain, 1, 8, EXACT, Icmp6, SET, &[nx(22), oxm(30)]),
        row("nd_target", Field::NdTarget, Plain, 16, 128, MASK, Nd, SET, &[nx(23), oxm(31)]),
        row("nd_reserved", Field::NdReserved, Plain, 4, 32, EXACT, Nd, SET, &[ericsson(1)]),
        row("nd_options_type", Field::NdOptionsType, Plain, 1, 8, EXACT, Nd, SET, &[ericsson(2)]),
        row("nd_sll", Field::NdSll, Plain, 6, 48, MASK, NdSolicit, SET, &[nx(24), oxm(32)]),
        row("nd_tll", Field::NdTll, Plain, 6, 48, MASK, NdAdvert, SET, &[nx(25), oxm(33)]),
        row("arp_op", Field::NwProto, Plain, 2, 16, EXACT, Arp, SET, &[nxm(15), oxm(21)]),
        row("arp_spa", Field::NwSrc, Plain, 4, 32, MASK, Arp, SET, &[nxm(16), oxm(22)]),
        row("arp_tpa", Field::NwDst, Plain, 4, 32, MASK, Arp, SET, &[nxm(17), oxm(23)]),
        row("arp_sha", Field::ArpSha, Plain, 6, 48, MASK, Arp, SET, &[nx(17), oxm(24)]),
        row("arp_tha", Field::ArpTha, Plain, 6, 48, MASK, Arp, SET, &[nx(18), oxm(25)]),
        row("tun_id", Field::TunId, Plain, 8, 64, MASK, Nothing, SET, &[nx(16), oxm_of(3, 38)]),
        row("tun_flags", Field::TunFlags, Plain, 2, 1, MASK, Nothing, SET, &[nx(104)]),
        row("tun_src", Field::TunSrc, Plain, 4, 32, MASK, Nothing, READ, &[nx(31)]),
        row("tun_dst", Field::TunDst, Plain, 4, 32, MASK, Nothing, SET, &[nx(32)]),
        row("tun_ipv6_src", Field::TunIpv6Src, Plain, 16, 128, MASK, Nothing, READ, &[nx(109)]),
        row("tun_ipv6_dst", Field::TunIpv6Dst, Plain, 16, 128, MASK, Nothing, SET, &[nx(110)]),
        row("tun_gbp_id", Field::TunGbpId, Plain, 2, 16, MASK, Nothing, SET, &[nx(38)]),
        row("tun_gbp_flags", Field::TunGbpFlags, Plain, 1, 8, MASK, Nothing, SET, &[nx(39)]),
        row("reg0", Field::Reg0, Plain, 4, 32, MASK, Nothing, SET, &[nx(0)]),
        row("reg1", Field::Reg1, Plain, 4, 32, MASK, Nothing, SET, &[nx(1)]),
        row("reg2", Field::Reg2, Plain, 4, 32, MASK, Nothing, SET, &[nx(2)]),
        row("reg3", Field::Reg3, Plain, 4, 32, MASK, Nothing, SET, &[nx(3)]),
        row("reg4", Field::Reg4, Plain, 4, 32, MASK, Nothing, SET, &[nx(4)]),
        row("reg5", Field::Reg5, Plain, 4, 32, MASK, Nothing, SET, &[nx(5)]),
        row("reg6", Field::Reg6, Plain, 4, 32, MASK, Nothing, SET, &[nx(6)]),
        row("reg7", Field::Reg7, Plain, 4, 32, MASK, Nothing, SET, &[nx(7)]),
        row("reg8", Field::Reg8, Plain, 4, 32, MASK, Nothing, SET, &[nx(8)]),
        row("reg9", Field::Reg9, Plain, 4, 32, MASK, Nothing, SET, &[nx(9)]),
        row("reg10", Field::Reg10, Plain, 4, 32, MASK, Nothing, SET, &[nx(10)]),
        row("reg11", Field::Reg11, Plain, 4, 32, MASK, Nothing, SET, &[nx(11)]),
        row("reg12", Field::Reg12, Plain, 4, 32, MASK, Nothing, SET, &[nx(12)]),
        row("reg13", Field::Reg13, Plain, 4, 32, MASK, Nothing, SET, &[nx(13)]),
        row("reg14", Field::Reg14, Plain, 4, 32, MASK, Nothing, SET, &[nx(14)]),
        row("reg15", Field::Reg15, Plain, 4, 32, MASK, Nothing, SET, &[nx(15)]),
        row("xreg0", Field::Xreg0, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(0)]),
        row("xreg1", Field::Xreg1, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(1)]),
        row("xreg2", Field::Xreg2, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(2)]),
        row("xreg3", Field::Xreg3, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(3)]),
        row("xreg4", Field::Xreg4, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(4)]),
        row("xreg5", Field::Xreg5, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(5)]),
        row("xreg6", Field::Xreg6, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(6)]),
        row("xreg7", Field::Xreg7, Plain, 8, 64, MASK, Nothing, SET, &[packet_register(7)]),
        row("xxreg0", Field::Xxreg0, Plain, 16, 128, MASK, Nothing, SET, &[nx(111)]),
        row("xxreg1", Field::Xxreg1, Plain, 16, 128, MASK, Nothing, SET, &[nx(112)]),
        row("xxreg2", Field::Xxreg2, Plain, 16, 128, MASK, Nothing, SET, &[nx(113)]),
        row("xxreg3", Field::Xxreg3, Plain, 16, 128, MASK, Nothing, SET, &[nx(114)]),
        row("pkt_mark", Field::PktMark, Plain, 4, 32, MASK, Nothing, SET, &[nx(33)]),
        row("metadata", Field::Metadata, Plain, 8, 64, MASK, Nothing, SET, &[oxm(2)]),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::fields::by_number;

    #[test]
    fn no_number_is_given_twice() {
        for row in FIELDS {
            for number in row.headers {
                let found = by_number(number.class, number.field, number.experimenter);
                assert_eq!(found.map(|found| found.name), Some(row.name));
            }
        }
    }

    #[test]
    fn flows_that_are_text_have_the_same_fields() {
        let names = crate::text::features().fields;
        for field in &names {
            let row = FIELDS.iter().find(|row| row.name == field.name);
            // One that stands for several: each of these has a number.
            let Some(row) = row else {
                assert!(["tp_src", "tp_dst"].contains(&field.name), "{}", field.name);
                continue;
            };
            if field.name == "ip_frag" {
                // In text its masks have names.
                assert_eq!((field.maskable, row.maskable), (false, true));
                continue;
            }
            assert_eq!((row.maskable, row.settable), (field.maskable, field.settable), "{}", field.name);
        }
        for row in FIELDS {
            assert!(names.iter().any(|field| field.name == row.name), "{}", row.name);
        }
    }

    #[test]
    fn widths_fit() {
        for row in FIELDS {
            assert!(u32::from(row.bits) <= u32::from(row.bytes) * 8, "{}", row.name);
            assert!(!row.headers.is_empty(), "{}", row.name);
            assert!(row.headers.is_sorted_by_key(|number| number.since), "{}", row.name);
        }
    }
}
