//! Fields that are written, to the wire: by Set-Field since OpenFlow 1.2, by an action for each field in 1.0, and by Nicira's where that cannot
//! say which bits.

use super::encode::Encoder;
use super::nxast;
use super::parts::range;
use crate::ofproto::context::TAG_PRESENT;
use crate::openflow::fields::{EXPERIMENTER, Form, Numbering, WireField, name_in, write_header};
use crate::openflow::matching::write_field;
use crate::openflow::wire::Writer;
use datapath::flow::Field;

const IDENTIFIER: u128 = 0x0fff;
const PRIORITY: u128 = 0xe000;

impl Encoder<'_> {
    /// Bits that are set, under the name that the field has in these frames. What has no name on the wire is not told: no rule sets it.
    pub(super) fn set_field(&mut self, field: Field, value: u128, mask: u128) {
        let Some(row) = name_in(field, &self.context) else { return };
        let whole = mask & row.kept() == row.kept();
        if row.form == Form::Tos && mask == 0xfc {
            return self.set_field(Field::IpDscp, value >> 2, Field::IpDscp.max());
        }
        let said = match self.is_v10() {
            true => self.legacy(row, value, mask, whole),
            false => self.own_word(row, value, whole),
        };
        if said {
            return;
        }
        // In OpenFlow 1.5 the bit that says that there is a tag is always set along (section 7.2.6.7).
        let present = if self.is_v15() && row.form == Form::TagId { TAG_PRESENT } else { 0 };
        let (value, mask) = (value | present, mask | present);
        if self.is_v15() || mask & row.kept() == row.kept() && !self.is_v10() {
            let numbering = self.numbering();
            self.own(25, |writer| {
                write_field(writer, row, numbering, value, mask);
                writer
            });
        } else {
            self.load(row, value, mask);
        }
    }

    /// What OpenFlow 1.3 has an action for and no field.
    fn own_word(&mut self, row: &WireField, value: u128, whole: bool) -> bool {
        let kind = match row.field {
            Field::MplsTtl => 15,
            Field::NwTtl => 23,
            _ => return false,
        };
        if whole {
            self.own(kind, |writer| writer.u8(value as u8));
        }
        whole
    }

    /// What OpenFlow 1.0 has an action for, or Nicira for use with it.
    fn legacy(&mut self, row: &WireField, value: u128, mask: u128, whole: bool) -> bool {
        let id = (value & IDENTIFIER) as u16;
        match (row.field, mask) {
            (Field::VlanTci, mask) if value & TAG_PRESENT != 0 && mask & TAG_PRESENT != 0 => {
                let (sets_id, sets_priority) = (mask & IDENTIFIER, mask & PRIORITY);
                let both = [(sets_id, IDENTIFIER), (sets_priority, PRIORITY)];
                let sayable = both.iter().all(|(bits, all)| *bits == 0 || bits == all);
                if !sayable || mask == TAG_PRESENT {
                    return false;
                }
                if sets_id != 0 {
                    self.short(1, id);
                }
                if sets_priority != 0 {
                    self.byte(2, (value >> 13) as u8);
                }
                return true;
            }
            (Field::VlanVid, mask) if mask == Field::VlanVid.max() => {
                self.short(1, id);
                return true;
            }
            _ if !whole => return false,
            _ => {}
        }
        match row.name {
            "vlan_pcp" => self.byte(2, value as u8),
            "eth_src" => self.mac(4, value),
            "eth_dst" => self.mac(5, value),
            "ip_src" => self.own(6, |writer| writer.u32(value as u32)),
            "ip_dst" => self.own(7, |writer| writer.u32(value as u32)),
            "ip_dscp" => self.byte(8, (value << 2) as u8),
            "tcp_src" | "udp_src" | "sctp_src" => self.short(9, value as u16),
            "tcp_dst" | "udp_dst" | "sctp_dst" => self.short(10, value as u16),
            "mpls_label" => self.nicira(nxast::SET_MPLS_LABEL, |writer| writer.zeros(2).u32(value as u32)),
            "mpls_tc" => self.nicira(nxast::SET_MPLS_TC, |writer| writer.u8(value as u8)),
            "mpls_ttl" => self.nicira(nxast::SET_MPLS_TTL, |writer| writer.u8(value as u8)),
            "tun_id" => match u32::try_from(value) {
                Ok(id) => self.nicira(nxast::SET_TUNNEL, |writer| writer.zeros(2).u32(id)),
                Err(_) => self.nicira(nxast::SET_TUNNEL64, |writer| writer.zeros(6).u64(value as u64)),
            },
            _ => return false,
        }
        true
    }

    fn byte(&mut self, kind: u16, value: u8) {
        self.own(kind, |writer| writer.u8(value));
    }

    fn mac(&mut self, kind: u16, value: u128) {
        let bytes = (value as u64).to_be_bytes();
        self.own(kind, |writer| writer.bytes(&bytes[2..]).zeros(6));
    }

    /// Bits in a row by their place; any others with a mask.
    fn load(&mut self, row: &WireField, value: u128, mask: u128) {
        let number = row.number(Numbering::Nxm);
        // All of a field is all of its bits on the wire, where these are more.
        let mask = if mask & row.kept() == row.kept() { row.max() } else { mask & row.max() };
        let offset = mask.trailing_zeros();
        let bits = (mask.checked_shr(offset).unwrap_or(0)).trailing_ones();
        let one_row = mask.count_ones() == bits && (1..=64).contains(&bits);
        if one_row && number.class != EXPERIMENTER {
            let range = range(offset as u16, bits as u8);
            self.nicira(nxast::REG_LOAD, |writer| {
                writer.u16(range);
                write_header(writer, number, false, row.bytes);
                writer.u64(((value & mask) >> offset) as u64)
            });
        } else {
            self.nicira(nxast::REG_LOAD2, |writer: &mut Writer| {
                write_field(writer, row, Numbering::Nxm, value, mask);
                writer
            });
        }
    }
}
