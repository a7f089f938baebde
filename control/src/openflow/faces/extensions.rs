//! Messages of experimenters: those of Nicira, which are Open vSwitch's, and of the Open Networking Foundation, by which versions say what
//! came later (`include/openvswitch/ofp-msgs.h` of Open vSwitch 3.1).

use crate::openflow::{NICIRA, ONF, Version};

/// The kinds of messages that experimenters have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    RoleRequest,
    RoleReply,
    SetFlowFormat,
    FlowMod,
    FlowRemoved,
    FlowModTableId,
    SetPacketInFormat,
    PacketIn,
    FlowAge,
    SetAsync,
    SetControllerId,
    MonitorCancel,
    MonitorPaused,
    MonitorResumed,
    TlvTableMod,
    TlvTableRequest,
    TlvTableReply,
    SetAsyncProperties,
    Resume,
    PacketIn2,
    GroupMod,
    RequestForward,
    RoleStatus,
    BundleControl,
    BundleAdd,
}

/// Who defines it, its number, and the first and the last version that have it.
const ALL: &[(Extension, u32, u32, Version, Version)] = &[
    (Extension::RoleRequest, NICIRA, 10, Version::V10, Version::V15),
    (Extension::RoleReply, NICIRA, 11, Version::V10, Version::V15),
    (Extension::SetFlowFormat, NICIRA, 12, Version::V10, Version::V10),
    (Extension::FlowMod, NICIRA, 13, Version::V10, Version::V15),
    (Extension::FlowRemoved, NICIRA, 14, Version::V10, Version::V15),
    (Extension::FlowModTableId, NICIRA, 15, Version::V10, Version::V15),
    (Extension::SetPacketInFormat, NICIRA, 16, Version::V10, Version::V15),
    (Extension::PacketIn, NICIRA, 17, Version::V10, Version::V15),
    (Extension::FlowAge, NICIRA, 18, Version::V10, Version::V15),
    (Extension::SetAsync, NICIRA, 19, Version::V10, Version::V15),
    (Extension::SetControllerId, NICIRA, 20, Version::V10, Version::V15),
    (Extension::MonitorCancel, NICIRA, 21, Version::V10, Version::V10),
    (Extension::MonitorPaused, NICIRA, 22, Version::V10, Version::V10),
    (Extension::MonitorResumed, NICIRA, 23, Version::V10, Version::V10),
    (Extension::TlvTableMod, NICIRA, 24, Version::V10, Version::V15),
    (Extension::TlvTableRequest, NICIRA, 25, Version::V10, Version::V15),
    (Extension::TlvTableReply, NICIRA, 26, Version::V10, Version::V15),
    (Extension::SetAsyncProperties, NICIRA, 27, Version::V10, Version::V13),
    (Extension::Resume, NICIRA, 28, Version::V10, Version::V15),
    (Extension::PacketIn2, NICIRA, 30, Version::V10, Version::V15),
    (Extension::GroupMod, NICIRA, 31, Version::V10, Version::V10),
    (Extension::RequestForward, NICIRA, 132, Version::V10, Version::V10),
    (Extension::MonitorCancel, ONF, 1870, Version::V13, Version::V13),
    (Extension::MonitorPaused, ONF, 1871, Version::V13, Version::V13),
    (Extension::MonitorResumed, ONF, 1872, Version::V13, Version::V13),
    (Extension::RoleStatus, ONF, 1911, Version::V13, Version::V13),
    (Extension::BundleControl, ONF, 2300, Version::V13, Version::V13),
    (Extension::BundleAdd, ONF, 2301, Version::V13, Version::V13),
    (Extension::RequestForward, ONF, 2350, Version::V13, Version::V13),
];

impl Extension {
    /// The kind of this number.
    pub(super) fn of(version: Version, who: u32, number: u32) -> Option<Extension> {
        let same = |row: &&(Extension, u32, u32, Version, Version)| {
            (row.1, row.2) == (who, number) && (row.3..=row.4).contains(&version)
        };
        ALL.iter().find(same).map(|row| row.0)
    }

    /// Who defines it and under which number, if the version has it.
    pub(super) fn number(self, version: Version) -> Option<(u32, u32)> {
        let same = |row: &&(Extension, u32, u32, Version, Version)| {
            row.0 == self && (row.3..=row.4).contains(&version)
        };
        ALL.iter().find(same).map(|row| (row.1, row.2))
    }
}
