//! Which headers a frame has while rules work on it: where fields are that can be read and written.

use super::rule::Part;
use super::state::State;
use super::translation::Translation;
use crate::flow::Field;
use crate::wire::icmp::v6::{NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION};
use crate::wire::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};
use crate::wire::{ethertype, mpls};

impl State<'_> {
    /// Whether the frame has the header that the field is in (ovs-fields(7), "prerequisites").
    #[inline]
    pub(super) fn has(&self, field: Field, out: &mut Translation) -> bool {
        match field {
            Field::NwSrc | Field::NwDst => matches!(self.ether_type(out), ethertype::IPV4 | ethertype::ARP),
            Field::ArpSha | Field::ArpTha => self.ether_type(out) == ethertype::ARP,
            Field::NwProto => self.is_ip(out) || self.ether_type(out) == ethertype::ARP,
            Field::NwTos | Field::IpDscp | Field::NwEcn | Field::NwTtl | Field::NwFrag => self.is_ip(out),
            Field::Ipv6Src | Field::Ipv6Dst | Field::Ipv6Label => self.ether_type(out) == ethertype::IPV6,
            Field::TpSrc | Field::TpDst if self.is_ip(out) => match self.get(Field::NwProto, out) as u8 {
                TCP | UDP | ICMP | ICMPV6 => self.get(Field::NwFrag, out) & 2 == 0,
                // The checksum of a fragment's datagram cannot be kept right.
                SCTP => self.get(Field::NwFrag, out) == 0,
                _ => false,
            },
            Field::TpSrc | Field::TpDst => false,
            Field::NdTarget | Field::NdReserved | Field::NdOptionsType | Field::NdSll | Field::NdTll => {
                self.ether_type(out) == ethertype::IPV6 && self.has_neighbour(field, out)
            }
            Field::TcpFlags => self.carries(&[TCP], out),
            Field::MplsLabel | Field::MplsTc | Field::MplsBos | Field::MplsTtl => {
                mpls::is_stack(self.ether_type(out))
            }
            Field::PbbIsid | Field::PbbUca => self.ether_type(out) == ethertype::PBB,
            _ => true,
        }
    }

    /// Whether the frame is a neighbour solicitation or advertisement, and has such a field.
    fn has_neighbour(&self, field: Field, out: &mut Translation) -> bool {
        // ICMP has a byte where ports have two.
        let byte = |field| Part { field, offset: 0, bits: 8 };
        let whole = self.get(Field::NwProto, out) as u8 == ICMPV6 && self.get(Field::NwFrag, out) & 2 == 0;
        let kind = |out: &mut Translation| self.read(byte(Field::TpSrc), out) as u8;
        whole
            && match field {
                Field::NdSll => kind(out) == NEIGHBOR_SOLICITATION,
                Field::NdTll => kind(out) == NEIGHBOR_ADVERTISEMENT,
                _ => matches!(kind(out), NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT),
            }
            && self.read(byte(Field::TpDst), out) == 0
            // What is not there cannot be of another type.
            && (field != Field::NdOptionsType || self.get(Field::NdOptionsType, out) != 0)
    }

    pub(super) fn carries(&self, protocols: &[u8], out: &mut Translation) -> bool {
        self.is_ip(out)
            && protocols.contains(&(self.get(Field::NwProto, out) as u8))
            && self.get(Field::NwFrag, out) & 2 == 0
    }

    /// Whether the frame ends its TCP connection, or its sender's half of it.
    pub(super) fn ends_connection(&self, out: &mut Translation) -> bool {
        let flag = |offset| Part { field: Field::TcpFlags, offset, bits: 1 };
        let [fin, reset] = [flag(0), flag(2)];
        self.carries(&[TCP], out) && (self.read(fin, out) != 0 || self.read(reset, out) != 0)
    }

    pub(super) fn ether_type(&self, out: &mut Translation) -> u16 {
        self.get(Field::EthType, out) as u16
    }

    pub(super) fn is_ip(&self, out: &mut Translation) -> bool {
        matches!(self.ether_type(out), ethertype::IPV4 | ethertype::IPV6)
    }
}
