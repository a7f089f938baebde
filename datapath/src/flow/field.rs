//! The match fields: one table that says where in a [`FlowKey`](super::FlowKey) each field lives.
//!
//! Everything that speaks of fields (flow text, OpenFlow codecs, masks, `set_field`, trace) goes through this table, so a
//! field is described once. Names and widths follow OpenFlow 1.3 section 7.2.3.7 and ovs-fields(7).
//!
//! A key is an array of 64-bit words. A field occupies bits of one word, or, when it is 128 bits wide, two words in a row
//! (the most significant first). Fields that can never be present together share bits (a frame is ARP or IPv6 ND, never
//! both); `eth_type` and `nw_proto` tell them apart, and every match on such a field carries those as prerequisites.

use super::key::{LONG_WORDS, PACKET_WORDS};

/// Where a field lies: bits `shift .. shift + bits` of `word`; 128-bit fields fill `word` and `word + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index of the word, or of the more significant of two.
    pub word: u8,
    /// Number of bits to the right of the field.
    pub shift: u8,
    /// Width in bits: 1 to 64, or 128.
    pub bits: u8,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $word:literal, $shift:literal, $bits:literal;)+) => {
        /// A field that a rule can match or an action can set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $($(#[$doc])* $name,)+ }

        impl Field {
            /// Every field, in the order of their place in the key.
            pub const ALL: &[Field] = &[$(Field::$name,)+];

            /// Where the field lies in a key.
            #[inline(always)]
            pub const fn slot(self) -> Slot {
                // A table, not a match: fields that only rules name are found by one look.
                const SLOTS: &[Slot] = &[$(Slot { word: $word, shift: $shift, bits: $bits },)+];
                SLOTS[self as usize]
            }

            /// The name that ovs-fields(7) gives it.
            pub const fn name(self) -> &'static str {
                match self { $(Field::$name => $text,)+ }
            }
        }
    };
}

fields! {
    /// OpenFlow port that the frame came in by: a guest, or the tunnel it was taken out of.
    InPort = "in_port", 0, 32, 32;
    /// Ethernet type of the innermost header that is not a VLAN tag.
    EthType = "eth_type", 0, 16, 16;
    /// IP protocol, or the low byte of the ARP operation.
    NwProto = "nw_proto", 0, 0, 8;
    /// 0 not a fragment, 1 first fragment, 3 later fragment (bit 0 any, bit 1 later, as in Open vSwitch).
    NwFrag = "nw_frag", 4, 8, 8;
    /// Destination MAC address.
    EthDst = "eth_dst", 1, 16, 48;
    /// VLAN tag control information; bit 12 set when a tag is present, all zero when not.
    VlanTci = "vlan_tci", 1, 0, 16;
    /// Priority of the VLAN tag.
    VlanPcp = "vlan_pcp", 1, 13, 3;
    /// The bit that says a tag is present, and the 12-bit identifier (OpenFlow's OXM_OF_VLAN_VID).
    VlanVid = "vlan_vid", 1, 0, 13;
    /// Source MAC address.
    EthSrc = "eth_src", 2, 16, 48;
    /// Tag control information of the second tag; what `pop_vlan` brings to the front.
    InnerVlanTci = "inner_vlan_tci", 2, 0, 16;
    /// IPv4 source, or the sender's protocol address of ARP.
    NwSrc = "nw_src", 3, 32, 32;
    /// IPv4 destination, or the target's protocol address of ARP.
    NwDst = "nw_dst", 3, 0, 32;
    /// TCP, UDP or SCTP source port; ICMP type.
    TpSrc = "tp_src", 4, 48, 16;
    /// TCP, UDP or SCTP destination port; ICMP code.
    TpDst = "tp_dst", 4, 32, 16;
    /// The twelve TCP flag bits.
    TcpFlags = "tcp_flags", 4, 16, 12;
    /// IP type of service: six bits DSCP, two bits ECN.
    NwTos = "nw_tos", 4, 0, 8;
    /// Differentiated services code point (the upper six bits of `nw_tos`).
    IpDscp = "ip_dscp", 4, 2, 6;
    /// Congestion notification (the lower two bits of `nw_tos`).
    NwEcn = "nw_ecn", 4, 0, 2;
    /// IP time to live or hop limit.
    NwTtl = "nw_ttl", 0, 8, 8;
    /// Tunnel key: VXLAN VNI, NVGRE VSID, Geneve VNI or GRE key.
    TunId = "tun_id", 5, 0, 64;
    /// IPv4 source of the outer header.
    TunSrc = "tun_src", 6, 32, 32;
    /// IPv4 destination of the outer header.
    TunDst = "tun_dst", 6, 0, 32;
    /// Tunnel flags (bit 0: operations, administration and management frame).
    TunFlags = "tun_flags", 7, 48, 16;
    /// Type of service of the outer header.
    TunTos = "tun_tos", 7, 40, 8;
    /// Time to live of the outer header.
    TunTtl = "tun_ttl", 7, 32, 8;
    /// Group policy identifier of the VXLAN header.
    TunGbpId = "tun_gbp_id", 7, 16, 16;
    /// Group policy flags of the VXLAN header.
    TunGbpFlags = "tun_gbp_flags", 7, 8, 8;
    /// 1 when `frame_len` says how long the frame is.
    FrameMeasured = "frame_measured", 7, 0, 1;
    /// IPv6 source.
    Ipv6Src = "ipv6_src", 8, 0, 128;
    /// IPv6 destination.
    Ipv6Dst = "ipv6_dst", 10, 0, 128;
    /// IPv6 flow label.
    Ipv6Label = "ipv6_label", 12, 32, 20;
    /// Extension headers of IPv6, as bits ([`crate::wire::exthdr`]).
    Ipv6Exthdr = "ipv6_exthdr", 12, 16, 9;
    /// Bytes of the frame as it came in, which few rules ask for: not in the key until it is [measured](super::FlowKey::measure).
    FrameLen = "frame_len", 12, 0, 16;
    /// ARP sender's hardware address.
    ArpSha = "arp_sha", 13, 0, 48;
    /// ARP target's hardware address.
    ArpTha = "arp_tha", 14, 0, 48;
    /// Target address of a neighbour solicitation or advertisement.
    NdTarget = "nd_target", 13, 0, 128;
    /// Source link-layer address of a neighbour solicitation.
    NdSll = "nd_sll", 15, 0, 48;
    /// Target link-layer address of a neighbour advertisement.
    NdTll = "nd_tll", 16, 0, 48;
    /// The flags and reserved bits of a neighbour solicitation or advertisement.
    NdReserved = "nd_reserved", 3, 32, 32;
    /// Type of the first option of a neighbour solicitation or advertisement that has a link-layer address: 1 or 2; 0 when it has
    /// none.
    NdOptionsType = "nd_options_type", 15, 48, 8;
    /// IPv6 source of the outer header.
    TunIpv6Src = "tun_ipv6_src", 17, 0, 128;
    /// IPv6 destination of the outer header.
    TunIpv6Dst = "tun_ipv6_dst", 19, 0, 128;
    /// The outermost entry of the label stack as a whole.
    MplsLse = "mpls_lse", 21, 32, 32;
    /// MPLS label.
    MplsLabel = "mpls_label", 21, 44, 20;
    /// MPLS traffic class.
    MplsTc = "mpls_tc", 21, 41, 3;
    /// 1 when the label is the bottom of the stack.
    MplsBos = "mpls_bos", 21, 40, 1;
    /// MPLS time to live.
    MplsTtl = "mpls_ttl", 21, 32, 8;
    /// The second entry of the label stack: what `pop_mpls` brings to the front.
    InnerMplsLse = "inner_mpls_lse", 21, 0, 32;
    /// Time to live of the second entry.
    InnerMplsTtl = "inner_mpls_ttl", 21, 0, 8;
    /// The third entry of the label stack.
    ThirdMplsLse = "third_mpls_lse", 22, 32, 32;
    /// Control information of the service instance tag.
    PbbTci = "pbb_tci", 22, 0, 32;
    /// Backbone service instance identifier.
    PbbIsid = "pbb_isid", 22, 0, 24;
    /// Use customer addresses (OpenFlow 1.4 section 7.2.3.7, OXM_OF_PBB_UCA).
    PbbUca = "pbb_uca", 22, 27, 1;
    /// Of the customer's frame in a provider backbone: its destination and its VLAN tag, as they lie in a key that shows them.
    CustomerDst = "customer_dst", 23, 0, 64;
    /// Of the customer's frame: its source and its second VLAN tag, as they lie in a key that shows them.
    CustomerSrc = "customer_src", 24, 0, 64;
    /// Ethernet type of the customer's frame.
    CustomerType = "customer_type", 25, 16, 16;
    /// What lies below the label stack: 0x0800, 0x86dd, 0x0806, or zero for anything else. Its fields are in the key.
    MplsPayload = "mpls_payload", 25, 48, 16;
    /// Version of an IP packet in an IP packet; zero when there is none.
    InnerIp = "inner_ip", 25, 8, 8;
    /// Time to live of an IP packet in an IP packet.
    InnerTtl = "inner_ttl", 25, 0, 8;
    /// Which options of a Geneve header there are: each has the bit of its first unit. The room of options has sixteen units of four
    /// bytes, and [`crate::tunnel::OptionMap`] says what lies where; what is not there is zero.
    OptionPresence = "option_presence", 25, 32, 16;
    /// Unit 0 of the room of Geneve options.
    Option0 = "option_unit0", 26, 32, 32;
    /// Unit 1 of the room of Geneve options.
    Option1 = "option_unit1", 26, 0, 32;
    /// Unit 2 of the room of Geneve options.
    Option2 = "option_unit2", 27, 32, 32;
    /// Unit 3 of the room of Geneve options.
    Option3 = "option_unit3", 27, 0, 32;
    /// Unit 4 of the room of Geneve options.
    Option4 = "option_unit4", 28, 32, 32;
    /// Unit 5 of the room of Geneve options.
    Option5 = "option_unit5", 28, 0, 32;
    /// Unit 6 of the room of Geneve options.
    Option6 = "option_unit6", 29, 32, 32;
    /// Unit 7 of the room of Geneve options.
    Option7 = "option_unit7", 29, 0, 32;
    /// Unit 8 of the room of Geneve options.
    Option8 = "option_unit8", 30, 32, 32;
    /// Unit 9 of the room of Geneve options.
    Option9 = "option_unit9", 30, 0, 32;
    /// Unit 10 of the room of Geneve options.
    Option10 = "option_unit10", 31, 32, 32;
    /// Unit 11 of the room of Geneve options.
    Option11 = "option_unit11", 31, 0, 32;
    /// Unit 12 of the room of Geneve options.
    Option12 = "option_unit12", 32, 32, 32;
    /// Unit 13 of the room of Geneve options.
    Option13 = "option_unit13", 32, 0, 32;
    /// Unit 14 of the room of Geneve options.
    Option14 = "option_unit14", 33, 32, 32;
    /// Unit 15 of the room of Geneve options.
    Option15 = "option_unit15", 33, 0, 32;
    /// Units 0 and 1 as one.
    OptionPair0 = "option_pair0", 26, 0, 64;
    /// Units 2 and 3 as one.
    OptionPair1 = "option_pair1", 27, 0, 64;
    /// Units 4 and 5 as one.
    OptionPair2 = "option_pair2", 28, 0, 64;
    /// Units 6 and 7 as one.
    OptionPair3 = "option_pair3", 29, 0, 64;
    /// Units 8 and 9 as one.
    OptionPair4 = "option_pair4", 30, 0, 64;
    /// Units 10 and 11 as one.
    OptionPair5 = "option_pair5", 31, 0, 64;
    /// Units 12 and 13 as one.
    OptionPair6 = "option_pair6", 32, 0, 64;
    /// Units 14 and 15 as one.
    OptionPair7 = "option_pair7", 33, 0, 64;
    /// Units 0 to 3 as one.
    OptionQuad0 = "option_quad0", 26, 0, 128;
    /// Units 2 to 5 as one.
    OptionQuad1 = "option_quad1", 27, 0, 128;
    /// Units 4 to 7 as one.
    OptionQuad2 = "option_quad2", 28, 0, 128;
    /// Units 6 to 9 as one.
    OptionQuad3 = "option_quad3", 29, 0, 128;
    /// Units 8 to 11 as one.
    OptionQuad4 = "option_quad4", 30, 0, 128;
    /// Units 10 to 13 as one.
    OptionQuad5 = "option_quad5", 31, 0, 128;
    /// Units 12 to 15 as one.
    OptionQuad6 = "option_quad6", 32, 0, 128;
    /// Value that tables pass on to later tables.
    Metadata = "metadata", 34, 0, 64;
    /// Number of the conjunction that a table is asked about again for; zero otherwise (`crate::pipeline::Table`).
    ConjId = "conj_id", 35, 0, 32;
    /// A mark for the host's own use: zero at first, since no port has one.
    PktMark = "pkt_mark", 35, 32, 32;
    /// Register 0: zero at first, for the rules to use.
    Reg0 = "reg0", 36, 32, 32;
    /// Register 1: zero at first, for the rules to use.
    Reg1 = "reg1", 36, 0, 32;
    /// Register 2: zero at first, for the rules to use.
    Reg2 = "reg2", 37, 32, 32;
    /// Register 3: zero at first, for the rules to use.
    Reg3 = "reg3", 37, 0, 32;
    /// Register 4: zero at first, for the rules to use.
    Reg4 = "reg4", 38, 32, 32;
    /// Register 5: zero at first, for the rules to use.
    Reg5 = "reg5", 38, 0, 32;
    /// Register 6: zero at first, for the rules to use.
    Reg6 = "reg6", 39, 32, 32;
    /// Register 7: zero at first, for the rules to use.
    Reg7 = "reg7", 39, 0, 32;
    /// Register 8: zero at first, for the rules to use.
    Reg8 = "reg8", 40, 32, 32;
    /// Register 9: zero at first, for the rules to use.
    Reg9 = "reg9", 40, 0, 32;
    /// Register 10: zero at first, for the rules to use.
    Reg10 = "reg10", 41, 32, 32;
    /// Register 11: zero at first, for the rules to use.
    Reg11 = "reg11", 41, 0, 32;
    /// Register 12: zero at first, for the rules to use.
    Reg12 = "reg12", 42, 32, 32;
    /// Register 13: zero at first, for the rules to use.
    Reg13 = "reg13", 42, 0, 32;
    /// Register 14: zero at first, for the rules to use.
    Reg14 = "reg14", 43, 32, 32;
    /// Register 15: zero at first, for the rules to use.
    Reg15 = "reg15", 43, 0, 32;
    /// Registers 0 and 1 as one.
    Xreg0 = "xreg0", 36, 0, 64;
    /// Registers 2 and 3 as one.
    Xreg1 = "xreg1", 37, 0, 64;
    /// Registers 4 and 5 as one.
    Xreg2 = "xreg2", 38, 0, 64;
    /// Registers 6 and 7 as one.
    Xreg3 = "xreg3", 39, 0, 64;
    /// Registers 8 and 9 as one.
    Xreg4 = "xreg4", 40, 0, 64;
    /// Registers 10 and 11 as one.
    Xreg5 = "xreg5", 41, 0, 64;
    /// Registers 12 and 13 as one.
    Xreg6 = "xreg6", 42, 0, 64;
    /// Registers 14 and 15 as one.
    Xreg7 = "xreg7", 43, 0, 64;
    /// Registers 0 to 3 as one.
    Xxreg0 = "xxreg0", 36, 0, 128;
    /// Registers 4 to 7 as one.
    Xxreg1 = "xxreg1", 38, 0, 128;
    /// Registers 8 to 11 as one.
    Xxreg2 = "xxreg2", 40, 0, 128;
    /// Registers 12 to 15 as one.
    Xxreg3 = "xxreg3", 42, 0, 128;
    /// Port of the output in the action set: [`OfPort::UNSET`](super::OfPort) while there is none, or a group.
    ActsetOutput = "actset_output", 44, 0, 32;
}

impl Field {
    /// All bits of the field set, right-aligned.
    #[inline]
    pub const fn max(self) -> u128 {
        match self.slot().bits {
            128 => u128::MAX,
            bits => (1u128 << bits) - 1,
        }
    }

    /// The words of a key that these bits of the field lie in, and which bits of the words those are. The second is of no bits, but
    /// for fields of 128.
    #[inline]
    pub const fn cells(self, mask: u128) -> [(usize, u64); 2] {
        let Slot { word, shift, bits } = self.slot();
        let word = word as usize;
        if bits == 128 {
            return [(word, (mask >> 64) as u64), (word + 1, mask as u64)];
        }
        [(word, (mask as u64 & u64::MAX >> (64 - bits)) << shift), (word, 0)]
    }

    /// Whether it lies in the room for Geneve options.
    #[inline]
    pub const fn is_option(self) -> bool {
        let word = self.slot().word as usize;
        word >= LONG_WORDS && word < PACKET_WORDS
    }

    /// The field of that name (the names of ovs-fields(7), without aliases).
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|field| field.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::key::{FlowKey, WORDS};

    #[test]
    fn every_field_lies_inside_the_key() {
        for field in Field::ALL {
            let Slot { word, shift, bits } = field.slot();
            let last = if bits == 128 { word + 1 } else { word };
            assert!((last as usize) < WORDS, "{field:?}");
            assert!(bits == 128 || shift + bits <= 64, "{field:?}");
        }
    }

    #[test]
    fn the_cells_of_bits_are_the_words_in_which_they_are_set() {
        for field in Field::ALL {
            for mask in [0, 1, u128::MAX, 0x0f0f << 60 | 0x55, 1 << 127 | 1 << 63] {
                let mut key = FlowKey::default();
                key.set(*field, mask);
                let mut words = [0; WORDS];
                field.cells(mask).into_iter().for_each(|(word, bits)| words[word] |= bits);
                assert_eq!(words, *key.words(), "{field:?} {mask:#x}");
            }
        }
    }

    #[test]
    fn a_name_finds_its_field() {
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(*field));
        }
        assert_eq!(Field::from_name("colour"), None);
    }
}
