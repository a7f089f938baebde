//! A frame that the controller is told of, and the lines that show it: those of `ovs-ofctl monitor` (`lib/ofp-packet.c` of Open
//! vSwitch).

use crate::text::{PortNames, format_match};
use crate::trace::whole;
use datapath::action::punt::{NO_COOKIE, Punt};
use datapath::flow::{Field, FlowKey, OfPort, extract};
use datapath::worker::Punted;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A packet-in.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct PacketIn {
    /// Why: `action`, `no_match`, `invalid_ttl`, `action_set`, `group` or `packet_out`.
    pub reason: String,
    /// The table that was asked last.
    pub table: u8,
    /// The cookie of the flow that told it; none from groups and action sets.
    pub cookie: Option<u64>,
    /// The number of the controllers that it is for.
    pub controller: u16,
    /// The number of the port that it came in by.
    pub in_port: u32,
    /// What is known of it and not in it (port, tunnel, metadata, registers), in the syntax of flows.
    pub fields: String,
    /// `metadata`.
    pub metadata: u64,
    /// The registers, from `reg0`.
    pub registers: [u32; 16],
    /// The tunnel key.
    pub tun_id: u64,
    /// What the flow wants to be told, in hexadecimal digits.
    pub userdata: String,
    /// What its headers say, in the syntax of flows; empty when they are cut off.
    pub packet: String,
    /// How long it was, in bytes.
    pub total_len: usize,
    /// Its first bytes, in hexadecimal digits.
    pub data: String,
}

const REGISTERS: [Field; 16] = [
    Field::Reg0,
    Field::Reg1,
    Field::Reg2,
    Field::Reg3,
    Field::Reg4,
    Field::Reg5,
    Field::Reg6,
    Field::Reg7,
    Field::Reg8,
    Field::Reg9,
    Field::Reg10,
    Field::Reg11,
    Field::Reg12,
    Field::Reg13,
    Field::Reg14,
    Field::Reg15,
];

impl PacketIn {
    /// What a worker told.
    pub(crate) fn of(told: &Punted, names: &dyn PortNames) -> PacketIn {
        let Punted { punt, total_len, data } = told;
        let Punt { reason, table, cookie, controller, userdata, says, .. } = punt;
        let mut key = FlowKey::default();
        let is_whole = extract(data, OfPort(0), None, &mut key).is_ok();
        PacketIn {
            reason: reason.name().into(),
            table: *table,
            cookie: (*cookie != NO_COOKIE).then_some(*cookie),
            controller: *controller,
            in_port: says.get(Field::InPort) as u32,
            fields: format_match(&whole(says), names),
            metadata: says.get(Field::Metadata) as u64,
            registers: REGISTERS.map(|register| says.get(register) as u32),
            tun_id: says.get(Field::TunId) as u64,
            userdata: hex(userdata),
            packet: if is_whole { format_match(&whole(&key), names) } else { String::new() },
            total_len: *total_len,
            data: hex(data),
        }
    }

    /// How many of its bytes are there.
    pub fn data_len(&self) -> usize {
        self.data.len() / 2
    }

    /// The lines of `ovs-ofctl monitor`, without those that say which message it was.
    pub fn lines(&self) -> String {
        let mut text = format!("packet_in: table_id={}", self.table);
        if let Some(cookie) = self.cookie {
            let _ = write!(text, " cookie={cookie:#x}");
        }
        let _ = write!(text, " total_len={} {} (via {})", self.total_len, self.fields, self.reason);
        if self.controller != 0 {
            let _ = write!(text, " controller_id={}", self.controller);
        }
        let _ = writeln!(text, " data_len={} (unbuffered)", self.data_len());
        if !self.userdata.is_empty() {
            let _ = writeln!(text, " userdata={}", self.userdata);
        }
        if !self.packet.is_empty() {
            let _ = writeln!(text, "{}", self.packet);
        }
        text
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::NoNames;
    use datapath::action::punt::Reason;
    use datapath::action::share::Owner;

    #[test]
    fn a_packet_in_is_shown_as_ovs_ofctl_shows_it() {
        let mut says = FlowKey::default();
        says.set(Field::InPort, 1);
        says.set(Field::Metadata, 5);
        says.set(Field::Reg1, 7);
        let punt = Punt {
            reason: Reason::Action,
            table: 3,
            cookie: 0x1f,
            controller: 0,
            owner: Owner::Port(OfPort(1)),
            max_len: 14,
            userdata: [1, 0xaf].into(),
            says,
            open: FlowKey::default(),
        };
        let data = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];
        let packet = PacketIn::of(&Punted { punt: punt.clone(), total_len: 60, data }, &NoNames);
        assert_eq!(
            packet.lines(),
            "packet_in: table_id=3 cookie=0x1f total_len=60 reg1=0x7,metadata=0x5,in_port=1 (via action) data_len=14 (unbuffered)\n \
             userdata=01af\ndl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_type=0x88b5\n"
        );
        assert_eq!((packet.registers[1], packet.metadata, packet.data_len()), (7, 5, 14));
        let cut =
            Punt { cookie: NO_COOKIE, reason: Reason::Group, userdata: [].into(), controller: 4, ..punt };
        let cut = PacketIn::of(&Punted { punt: cut, total_len: 60, data: vec![2; 3] }, &NoNames);
        assert_eq!(
            cut.lines(),
            "packet_in: table_id=3 total_len=60 reg1=0x7,metadata=0x5,in_port=1 (via group) controller_id=4 data_len=3 (unbuffered)\n"
        );
    }
}
