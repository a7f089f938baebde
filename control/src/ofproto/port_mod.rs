//! What controllers make of ports (OpenFlow 1.3.5 sections 7.2.1 and 7.3.4.4), in bits as they stand on the wire.

use super::error::{Error, PortModFailed};
use super::{Applied, Ofproto};
use datapath::flow::OfPort;
use datapath::pipeline::PortConfig;

/// `OFPPC_PORT_DOWN`.
const DOWN: u32 = 1 << 0;
/// `OFPPC_NO_RECV`.
const NO_RECV: u32 = 1 << 2;
/// `OFPPC_NO_RECV_STP` of OpenFlow 1.0.
const NO_RECV_STP: u32 = 1 << 3;
/// `OFPPC_NO_FLOOD` of OpenFlow 1.0.
const NO_FLOOD: u32 = 1 << 4;
/// `OFPPC_NO_FWD`.
const NO_FWD: u32 = 1 << 5;
/// `OFPPC_NO_PACKET_IN`.
const NO_PACKET_IN: u32 = 1 << 6;
/// All that can be set.
const ALL: u32 = DOWN | NO_RECV | NO_RECV_STP | NO_FLOOD | NO_FWD | NO_PACKET_IN;

/// A request to change a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRequest {
    /// Which.
    pub port: OfPort,
    /// `OFPPC_*` of OpenFlow 1.3, and of 1.0 what 1.3 has not.
    pub config: u32,
    /// Which of them to set.
    pub mask: u32,
}

impl Ofproto {
    /// What a controller has made of a port, or the operator.
    pub fn port_bits(&self, port: OfPort) -> u32 {
        let PortConfig { down, no_recv, no_recv_stp, no_fwd, no_packet_in, .. } =
            self.pipeline.port_config(port);
        let bits = [
            (down, DOWN),
            (no_recv, NO_RECV),
            (no_recv_stp, NO_RECV_STP),
            (!self.pipeline.floods(port), NO_FLOOD),
            (no_fwd, NO_FWD),
            (no_packet_in, NO_PACKET_IN),
        ];
        bits.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum()
    }

    /// Does what is asked, or nothing. What a port is stays when its device goes and comes back.
    ///
    /// # Errors
    /// When there is no such port, or a bit has no meaning here, as `OFPPC_NO_STP`: there are no spanning trees.
    pub fn port_mod(&mut self, request: PortRequest) -> Result<Applied, Error> {
        let PortRequest { port, config, mask } = request;
        if self.pipeline.target(port).is_none() {
            return Err(PortModFailed::BadPort(port).into());
        }
        if config & mask & !ALL != 0 {
            return Err(PortModFailed::BadConfig.into());
        }
        let before = self.port_bits(port);
        let bits = before & !mask | config & mask;
        if bits == before {
            return Ok(Applied::default());
        }
        let is = |bit: u32| bits & bit != 0;
        let had = self.pipeline.port_config(port).no_flood;
        let config = PortConfig {
            down: is(DOWN),
            no_recv: is(NO_RECV),
            no_recv_stp: is(NO_RECV_STP),
            no_fwd: is(NO_FWD),
            no_packet_in: is(NO_PACKET_IN),
            no_flood: if mask & NO_FLOOD != 0 { Some(is(NO_FLOOD)) } else { had },
        };
        self.pipeline.set_port_config(port, config);
        Ok(Applied { modified: 1, ..Applied::default() })
    }
}
