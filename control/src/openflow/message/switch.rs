//! What the switch is and how it is set: ports, tables, fragments, the map of Geneve options.

use datapath::flow::OfPort;
use datapath::pipeline::TableId;

/// What the switch is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Its number.
    pub datapath_id: u64,
    /// Frames that can be buffered.
    pub n_buffers: u32,
    /// Tables.
    pub n_tables: u8,
    /// 0: this is the main connection.
    pub auxiliary_id: u8,
    /// `OFPC_*` of OpenFlow 1.4, and `OFPC_ARP_MATCH_IP` of 1.0: each version is told what it has bits for.
    pub capabilities: u32,
    /// Kinds of actions that can be done, as bits by `OFPAT_*` of 1.0, which asks for them here.
    pub actions: u32,
    /// Ports, where the version tells them here (1.0).
    pub ports: Vec<PortDesc>,
}

/// How the switch is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchConfig {
    /// `OFPC_FRAG_*`: 0 normal, 1 drop, 2 reassemble, 3 Open vSwitch's nx-match.
    pub fragments: u16,
    /// Bytes of a frame that are told where nothing else is asked.
    pub miss_send_len: u16,
    /// Whether the controller is told of frames whose time to live is over; None where the version does not say it here (1.3 and later).
    pub invalid_ttl: Option<bool>,
}

/// What happened to a port (`OFPPR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChange {
    /// It is new.
    Add,
    /// It has gone.
    Delete,
    /// Something about it is different.
    Modify,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDesc {
    /// Its number.
    pub number: OfPort,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its name, cut to 15 bytes on the wire.
    pub name: String,
    /// How it is set: `OFPPC_*` of OpenFlow 1.3 and, of 1.0, NO_STP (1 << 1), NO_RECV_STP (1 << 3), NO_FLOOD (1 << 4).
    pub config: u32,
    /// `OFPPS_*` of OpenFlow 1.3.
    pub state: u32,
    /// `OFPPF_*` of OpenFlow 1.3: now.
    pub current: u32,
    /// What is told to the other side.
    pub advertised: u32,
    /// What it can do.
    pub supported: u32,
    /// What the other side can do.
    pub peer: u32,
    /// In kbit/s.
    pub current_speed: u32,
    /// In kbit/s.
    pub max_speed: u32,
}

impl PortDesc {
    /// A port of which nothing is said but who it is.
    pub fn named(number: OfPort, mac: [u8; 6], name: String) -> PortDesc {
        PortDesc {
            number,
            mac,
            name,
            config: 0,
            state: 0,
            current: 0,
            advertised: 0,
            supported: 0,
            peer: 0,
            current_speed: 0,
            max_speed: 0,
        }
    }
}

/// How a port shall behave from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMod {
    /// Which.
    pub port: OfPort,
    /// Its MAC address, as a proof that it is meant.
    pub mac: [u8; 6],
    /// The bits of [`PortDesc::config`].
    pub config: u32,
    /// Which of them to set.
    pub mask: u32,
    /// What to advertise; 0: no change.
    pub advertise: u32,
}

/// How a table shall behave from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableMod {
    /// None: all of them.
    pub table: Option<TableId>,
    /// Open vSwitch's extension of 1.1: what happens to frames that no entry takes; 0: nothing said. 1.3 has one bit pattern, 3, that it ignores.
    pub miss: u32,
    /// Whether entries give way (1.4); None: not said.
    pub eviction: Option<bool>,
    /// Whether the controller is told of scarcity (1.4), and at how many percent.
    pub vacancy: Option<(bool, u8, u8)>,
}

/// How a table behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDesc {
    /// Which.
    pub table: TableId,
    /// Whether entries give way.
    pub eviction: bool,
    /// Whether it tells of scarcity: below and above how many percent, and how many there are now.
    pub vacancy: Option<(u8, u8, u8)>,
}

/// How the map of Geneve options shall change (`NXTTMC_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlvTableMod {
    /// Map these too.
    Add(Vec<TlvMap>),
    /// No longer map these.
    Delete(Vec<TlvMap>),
    /// Map nothing.
    Clear,
}

/// A Geneve option and the field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlvMap {
    /// The option's class.
    pub class: u16,
    /// Its type.
    pub kind: u8,
    /// Bytes of its data: a multiple of 4 up to 124.
    pub len: u8,
    /// The number N of `tun_metadataN`.
    pub index: u16,
}

/// The map of Geneve options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlvTable {
    /// Bytes that all mapped options can have together.
    pub max_space: u32,
    /// Fields that there are.
    pub max_fields: u16,
    /// What is mapped.
    pub maps: Vec<TlvMap>,
}
