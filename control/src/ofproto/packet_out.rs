//! Frames that controllers send (OpenFlow 1.3 section 7.3.7): looked at as a whole, and put into the words of the datapath.

use super::error::{BadRequest, Error};
use super::names::reserved;
use super::{Ofproto, check};
use datapath::flow::key::PACKET_WORDS;
use datapath::flow::{Field, FlowMask, OfPort};
use datapath::pipeline::{Match, RuleAction, TableId};
use datapath::wire::ethernet;
use datapath::worker::PacketOut;

/// What can be said of a frame beside its bytes, but for metadata and registers, all of which can.
const BESIDE: &[Field] = &[
    Field::InPort,
    Field::TunId,
    Field::TunSrc,
    Field::TunDst,
    Field::TunIpv6Src,
    Field::TunIpv6Dst,
    Field::TunFlags,
    Field::TunTos,
    Field::TunTtl,
    Field::TunGbpId,
    Field::TunGbpFlags,
];

impl Ofproto {
    /// A frame to be sent, as workers take it: done by the rules that were published last, or later ones. `says` is where it is
    /// said to have come in, and whatever else no header says; without a port it comes from the controller.
    ///
    /// # Errors
    /// Why it is not sent.
    pub fn packet_out(
        &self,
        says: Match,
        mut actions: Vec<RuleAction>,
        data: Vec<u8>,
    ) -> Result<PacketOut, Error> {
        let says = from_where(says)?;
        ask_tables(&mut actions);
        check::actions(&actions, &|group| self.group(group).is_some(), 0, &mut 0)?;
        if data.len() < ethernet::HEADER_LEN {
            return Err(BadRequest::BadPacket.into());
        }
        Ok(PacketOut { says, actions, data, generation: self.pipeline.generation() })
    }
}

fn from_where(says: Match) -> Result<Match, Error> {
    let mut beside = FlowMask::default();
    BESIDE.iter().copied().for_each(|field| beside.set(field, field.max()));
    beside.words_mut()[PACKET_WORDS..].fill(u64::MAX);
    let asked = says.mask();
    if asked.words().iter().zip(beside.words()).any(|(asked, beside)| asked & !beside != 0) {
        return Err(BadRequest::PipelineFieldsOnly.into());
    }
    let port = match asked.get(Field::InPort) {
        0 => reserved::CONTROLLER,
        _ => OfPort(says.key().get(Field::InPort) as u32),
    };
    match port {
        reserved::CONTROLLER | reserved::LOCAL => {}
        // Open vSwitch takes "none" for it, and controllers of 1.0 have no other word.
        reserved::ANY => return Ok(says.exact(Field::InPort, reserved::CONTROLLER.0.into())),
        OfPort(1..) if port < reserved::MAX => {}
        _ => return Err(BadRequest::BadPort(port).into()),
    }
    Ok(says.exact(Field::InPort, port.0.into()))
}

/// To send a frame to `OFPP_TABLE` is to ask the tables, from the first on.
fn ask_tables(actions: &mut [RuleAction]) {
    for action in actions {
        match action {
            RuleAction::Output(reserved::TABLE) => {
                *action = RuleAction::Resubmit { port: None, table: Some(TableId(0)) };
            }
            RuleAction::Clone(inner) => ask_tables(inner),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ofproto::BadAction;
    use datapath::flow::Seed;
    use datapath::pipeline::{Base, GroupId};
    use datapath::tunnel::{TunnelTable, Underlay};

    fn switch() -> Ofproto {
        let tunnels = TunnelTable::new(Vec::new(), Seed::new(0)).unwrap();
        Ofproto::new(Base::new([], tunnels, [].into(), Underlay::default()))
    }

    fn by(port: u32) -> Match {
        Match::any().exact(Field::InPort, port.into())
    }

    #[test]
    fn a_frame_comes_from_a_port_or_the_controller() {
        let sent = |says| switch().packet_out(says, vec![], vec![0; 14]);
        let controller = by(0xffff_fffd);
        assert_eq!(sent(Match::any()).unwrap().says, controller);
        assert_eq!(sent(by(0xffff_ffff)).unwrap().says, controller, "OFPP_NONE of 1.0");
        for port in [1, 0xffff_feff, 0xffff_fffe] {
            assert_eq!(sent(by(port)).unwrap().says, by(port));
        }
        for port in [0, 0xffff_ff00, 0xffff_fff8, 0xffff_fffb] {
            assert_eq!(sent(by(port)), Err(BadRequest::BadPort(OfPort(port)).into()));
        }
        let tunnelled = by(1).exact(Field::TunId, 5).exact(Field::Reg3, 1).exact(Field::Metadata, 2);
        assert_eq!(sent(tunnelled.clone()).unwrap().says, tunnelled);
        assert_eq!(sent(by(1).exact(Field::EthType, 0x0800)), Err(BadRequest::PipelineFieldsOnly.into()));
    }

    #[test]
    fn its_actions_are_looked_at_before() {
        let sent = |actions| switch().packet_out(by(1), actions, vec![0; 14]).map(|sent| sent.actions);
        let table = || RuleAction::Output(OfPort(0xffff_fff9));
        let asked = || RuleAction::Resubmit { port: None, table: Some(TableId(0)) };
        assert_eq!(
            sent(vec![table(), RuleAction::Clone(vec![table()])]).unwrap(),
            [asked(), RuleAction::Clone(vec![asked()])]
        );
        let group = GroupId(7);
        assert_eq!(sent(vec![RuleAction::Group(group)]), Err(BadAction::BadOutGroup(group).into()));
        assert_eq!(switch().packet_out(by(1), vec![], vec![0; 13]), Err(BadRequest::BadPacket.into()));
    }
}
