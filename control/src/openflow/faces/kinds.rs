//! Which kind of message has which number in which version (`ofp_type` of each specification).

use crate::openflow::Version;

/// The kinds of messages that the specifications have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Error,
    EchoRequest,
    EchoReply,
    Experimenter,
    FeaturesRequest,
    FeaturesReply,
    GetConfigRequest,
    GetConfigReply,
    SetConfig,
    PacketIn,
    FlowRemoved,
    PortStatus,
    PacketOut,
    FlowMod,
    GroupMod,
    PortMod,
    TableMod,
    MultipartRequest,
    MultipartReply,
    BarrierRequest,
    BarrierReply,
    QueueConfigRequest,
    QueueConfigReply,
    RoleRequest,
    RoleReply,
    GetAsyncRequest,
    GetAsyncReply,
    SetAsync,
    MeterMod,
    RoleStatus,
    TableStatus,
    RequestForward,
    BundleControl,
    BundleAdd,
}

/// By number, in 1.0.
const V10: &[Kind] = &[
    Kind::Hello,
    Kind::Error,
    Kind::EchoRequest,
    Kind::EchoReply,
    Kind::Experimenter,
    Kind::FeaturesRequest,
    Kind::FeaturesReply,
    Kind::GetConfigRequest,
    Kind::GetConfigReply,
    Kind::SetConfig,
    Kind::PacketIn,
    Kind::FlowRemoved,
    Kind::PortStatus,
    Kind::PacketOut,
    Kind::FlowMod,
    Kind::PortMod,
    Kind::MultipartRequest,
    Kind::MultipartReply,
    Kind::BarrierRequest,
    Kind::BarrierReply,
    Kind::QueueConfigRequest,
    Kind::QueueConfigReply,
];

/// By number, since 1.1. What came later or has gone is left out below.
const LATER: &[Kind] = &[
    Kind::Hello,
    Kind::Error,
    Kind::EchoRequest,
    Kind::EchoReply,
    Kind::Experimenter,
    Kind::FeaturesRequest,
    Kind::FeaturesReply,
    Kind::GetConfigRequest,
    Kind::GetConfigReply,
    Kind::SetConfig,
    Kind::PacketIn,
    Kind::FlowRemoved,
    Kind::PortStatus,
    Kind::PacketOut,
    Kind::FlowMod,
    Kind::GroupMod,
    Kind::PortMod,
    Kind::TableMod,
    Kind::MultipartRequest,
    Kind::MultipartReply,
    Kind::BarrierRequest,
    Kind::BarrierReply,
    Kind::QueueConfigRequest,
    Kind::QueueConfigReply,
    Kind::RoleRequest,
    Kind::RoleReply,
    Kind::GetAsyncRequest,
    Kind::GetAsyncReply,
    Kind::SetAsync,
    Kind::MeterMod,
    Kind::RoleStatus,
    Kind::TableStatus,
    Kind::RequestForward,
    Kind::BundleControl,
    Kind::BundleAdd,
];

impl Kind {
    /// The kind of this number.
    pub(super) fn of(version: Version, number: u8) -> Option<Kind> {
        let table = if version == Version::V10 { V10 } else { LATER };
        table.get(usize::from(number)).copied().filter(|kind| kind.is_in(version))
    }

    /// The number of this kind, if the version has it.
    pub(super) fn number(self, version: Version) -> Option<u8> {
        let table = if version == Version::V10 { V10 } else { LATER };
        let at = table.iter().position(|kind| *kind == self).filter(|_| self.is_in(version))?;
        u8::try_from(at).ok()
    }

    /// Whether the version has it, by which tables above have it.
    fn is_in(self, version: Version) -> bool {
        match self {
            // A multipart request asks it since 1.4.
            Kind::QueueConfigRequest | Kind::QueueConfigReply => version <= Version::V13,
            Kind::RoleStatus
            | Kind::TableStatus
            | Kind::RequestForward
            | Kind::BundleControl
            | Kind::BundleAdd => version >= Version::V14,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specifications() {
        assert_eq!(Kind::BarrierRequest.number(Version::V10), Some(18));
        assert_eq!(Kind::BarrierRequest.number(Version::V13), Some(20));
        assert_eq!(Kind::MeterMod.number(Version::V13), Some(29));
        assert_eq!(Kind::MeterMod.number(Version::V10), None);
        assert_eq!(Kind::BundleAdd.number(Version::V14), Some(34));
        assert_eq!(Kind::of(Version::V13, 33), None);
        assert_eq!(Kind::of(Version::V14, 22), None);
        assert_eq!(Kind::of(Version::V15, 35), None);
    }

    #[test]
    fn a_number_comes_back() {
        for version in Version::ALL {
            for number in 0..=u8::MAX {
                if let Some(kind) = Kind::of(version, number) {
                    assert_eq!(kind.number(version), Some(number));
                }
            }
        }
    }
}
