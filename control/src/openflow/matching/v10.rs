//! The match of OpenFlow 1.0 (section 5.2.3, `ofp_match`): twelve fields in 40 bytes and bits that say which of them do not matter.
//!
//! What a frame cannot have under the other conditions is not looked at, as the specification wants it ("fields are ignored"); Open vSwitch's
//! `lib/ofp-match.c` says how tags are told.

use crate::ofproto::context::{ARP, Context, IPV4, Needs, TAG_PRESENT};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, ports};
use datapath::flow::{Field, OfPort};
use datapath::pipeline::Match;

/// How many bytes it has.
pub const LEN: usize = 40;

/// `OFPFW_*`: what does not matter.
mod wild {
    pub(super) const IN_PORT: u32 = 1;
    pub(super) const DL_VLAN: u32 = 1 << 1;
    pub(super) const DL_SRC: u32 = 1 << 2;
    pub(super) const DL_DST: u32 = 1 << 3;
    pub(super) const DL_TYPE: u32 = 1 << 4;
    pub(super) const NW_PROTO: u32 = 1 << 5;
    pub(super) const TP_SRC: u32 = 1 << 6;
    pub(super) const TP_DST: u32 = 1 << 7;
    /// How many of the lower bits do not matter: six bits each.
    pub(super) const NW_SRC_SHIFT: u32 = 8;
    pub(super) const NW_DST_SHIFT: u32 = 14;
    pub(super) const DL_VLAN_PCP: u32 = 1 << 20;
    pub(super) const NW_TOS: u32 = 1 << 21;
}

/// `OFP_VLAN_NONE`.
const NO_VLAN: u16 = 0xffff;
const PRIORITY: u128 = 0xe000;
const IDENTIFIER: u128 = 0xfff;
const ALL_BUT_PRIORITY: u128 = 0x1fff;

/// Reads a match.
///
/// # Errors
/// That of the reader, when there are not enough bytes.
pub fn decode_v10(reader: &mut Reader<'_>) -> Result<Match, Code> {
    let mut inner = reader.part(LEN, reader.short())?;
    let wildcards = inner.u32()?;
    let in_port = inner.u16()?;
    let [dl_src, dl_dst]: [[u8; 6]; 2] = [inner.array()?, inner.array()?];
    let dl_vlan = inner.u16()?;
    let dl_vlan_pcp = inner.u8()?;
    inner.skip(1)?;
    let dl_type = inner.u16()?;
    let (nw_tos, nw_proto) = (inner.u8()?, inner.u8()?);
    inner.skip(2)?;
    let [nw_src, nw_dst] = [inner.u32()?, inner.u32()?];
    let [tp_src, tp_dst] = [inner.u16()?, inner.u16()?];

    let cares = |bit: u32| wildcards & bit == 0;
    let mut out = Match::any();
    if cares(wild::IN_PORT) {
        out = out.exact(Field::InPort, ports::from_short(in_port).0.into());
    }
    if cares(wild::DL_SRC) {
        out = out.exact(Field::EthSrc, mac(dl_src));
    }
    if cares(wild::DL_DST) {
        out = out.exact(Field::EthDst, mac(dl_dst));
    }
    out = match (cares(wild::DL_VLAN), cares(wild::DL_VLAN_PCP)) {
        (true, _) if dl_vlan == NO_VLAN => out.with(Field::VlanTci, 0, ALL_BUT_PRIORITY),
        (vid, pcp) => {
            let vid_mask = if vid { IDENTIFIER | TAG_PRESENT } else { 0 };
            let pcp_mask = if pcp { PRIORITY | TAG_PRESENT } else { 0 };
            let tci = u128::from(dl_vlan) & IDENTIFIER | u128::from(dl_vlan_pcp) << 13 | TAG_PRESENT;
            out.with(Field::VlanTci, tci, vid_mask | pcp_mask)
        }
    };
    if !cares(wild::DL_TYPE) {
        return Ok(out);
    }
    out = out.exact(Field::EthType, dl_type.into());
    if !matches!(dl_type, IPV4 | ARP) {
        return Ok(out);
    }
    if cares(wild::NW_PROTO) {
        out = out.exact(Field::NwProto, nw_proto.into());
    }
    out = out.with(Field::NwSrc, nw_src.into(), prefix(wildcards >> wild::NW_SRC_SHIFT));
    out = out.with(Field::NwDst, nw_dst.into(), prefix(wildcards >> wild::NW_DST_SHIFT));
    if dl_type == IPV4 && cares(wild::NW_TOS) {
        out = out.exact(Field::IpDscp, (nw_tos >> 2).into());
    }
    let context = Context::of(&out);
    if context.meets(Needs::Transport) || context.meets(Needs::Icmp) {
        if cares(wild::TP_SRC) {
            out = out.exact(Field::TpSrc, tp_src.into());
        }
        if cares(wild::TP_DST) {
            out = out.exact(Field::TpDst, tp_dst.into());
        }
    }
    Ok(out)
}

/// The mask that `ignored` lower bits leave of an address.
fn prefix(ignored: u32) -> u128 {
    u32::MAX.checked_shl(ignored & 0x3f).unwrap_or(0).into()
}

fn mac([a, b, c, d, e, f]: [u8; 6]) -> u128 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into()
}

/// Writes what of a match can be said so.
pub fn encode_v10(matching: &Match, writer: &mut Writer) {
    let (key, mask) = (matching.key(), matching.mask());
    let mut wildcards = 0;
    let mut get = |field: Field, bit: u32| -> u128 {
        if mask.get(field) != field.max() {
            wildcards |= bit;
            return 0;
        }
        key.get(field)
    };
    let in_port = get(Field::InPort, wild::IN_PORT);
    let in_port = ports::to_short(OfPort(in_port as u32));
    let dl_src = get(Field::EthSrc, wild::DL_SRC) as u64;
    let dl_dst = get(Field::EthDst, wild::DL_DST) as u64;
    let dl_type = get(Field::EthType, wild::DL_TYPE) as u16;
    let nw_tos = (get(Field::IpDscp, wild::NW_TOS) << 2) as u8;
    let nw_proto = get(Field::NwProto, wild::NW_PROTO) as u8;
    let tp_src = get(Field::TpSrc, wild::TP_SRC) as u16;
    let tp_dst = get(Field::TpDst, wild::TP_DST) as u16;
    let ignored = |field| 32 - (mask.get(field) as u32).leading_ones();
    let nw = |field| (key.get(field) & mask.get(field)) as u32;
    wildcards |= ignored(Field::NwSrc) << wild::NW_SRC_SHIFT;
    wildcards |= ignored(Field::NwDst) << wild::NW_DST_SHIFT;
    let (tci, care) = (key.get(Field::VlanTci), mask.get(Field::VlanTci));
    let absent = care & TAG_PRESENT != 0 && tci & TAG_PRESENT == 0;
    if !absent && care & IDENTIFIER != IDENTIFIER {
        wildcards |= wild::DL_VLAN;
    }
    if absent || care & PRIORITY != PRIORITY {
        wildcards |= wild::DL_VLAN_PCP;
    }
    let dl_vlan = match absent {
        true => NO_VLAN,
        false if wildcards & wild::DL_VLAN != 0 => 0,
        false => (tci & IDENTIFIER) as u16,
    };
    let dl_vlan_pcp = if wildcards & wild::DL_VLAN_PCP == 0 { (tci >> 13) as u8 } else { 0 };
    writer.u32(wildcards).u16(in_port);
    writer.bytes(&dl_src.to_be_bytes()[2..]).bytes(&dl_dst.to_be_bytes()[2..]);
    writer.u16(dl_vlan).u8(dl_vlan_pcp).zeros(1);
    writer.u16(dl_type).u8(nw_tos).u8(nw_proto).zeros(2);
    writer.u32(nw(Field::NwSrc)).u32(nw(Field::NwDst)).u16(tp_src).u16(tp_dst);
}

/// Whether all of a match can be said so.
pub fn fits_v10(matching: &Match) -> bool {
    let mut writer = Writer::new();
    encode_v10(matching, &mut writer);
    decode_v10(&mut Reader::new(writer.as_slice(), Code::BadLen)).as_ref() == Ok(matching)
}
