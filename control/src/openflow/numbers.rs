//! Which numbers an error has in each version.
//!
//! Where a version has no number of its own there may be one of an extension: of Nicira, or of the Open Networking Foundation for what
//! came later. Facts from OpenFlow 1.0.1 section 5.4.4, 1.3.5 section 7.4.4, 1.4.1 and 1.5.1 section 7.5.4, and for the extensions from
//! Open vSwitch 3.1 (`include/openvswitch/ofp-errors.h`).

use super::wire::Writer;
use super::{Code, Version};

/// The number by which Nicira's extensions, those of Open vSwitch, are known.
pub const NICIRA: u32 = 0x0000_2320;
/// The number by which extensions of the Open Networking Foundation are known.
pub const ONF: u32 = 0x4f4e_4600;
/// `NXET_VENDOR`: the type of an error in OpenFlow 1.0 whose own type and code follow, after who defines them.
const VENDOR_ERROR: u16 = 0xb0c2;
/// `OFPET_EXPERIMENTER`: the type of an error since OpenFlow 1.2 whose own type is in place of the code, and is followed by who
/// defines it.
const EXPERIMENTER_ERROR: u16 = 0xffff;

/// The numbers of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Numbers {
    /// Who defines them, if not the specification.
    pub experimenter: Option<u32>,
    /// Its type.
    pub kind: u16,
    /// Its code; an extension has codes only in OpenFlow 1.0.
    pub code: u16,
}

impl Numbers {
    /// The type, the code and what comes before the data, as they stand on the wire.
    pub fn on_wire(self, version: Version) -> (u16, u16, Vec<u8>) {
        match self.experimenter {
            None => (self.kind, self.code, Vec::new()),
            Some(who) if version == Version::V10 => {
                let mut own = Writer::new();
                own.u32(who).u16(self.kind).u16(self.code);
                (VENDOR_ERROR, 0, own.into_bytes())
            }
            Some(who) => (EXPERIMENTER_ERROR, self.kind, who.to_be_bytes().to_vec()),
        }
    }
}

impl Code {
    /// The numbers of this error. What a version cannot say becomes an error that says so, as in Open vSwitch.
    pub fn numbers(self, version: Version) -> Numbers {
        let [v10, v13, v14, v15] = self.row();
        let numbers = match version {
            Version::V10 => v10,
            Version::V13 => v13,
            Version::V14 => v14,
            Version::V15 => v15,
        };
        numbers.unwrap_or(match version {
            Version::V10 => Numbers { experimenter: Some(NICIRA), kind: 1, code: 521 },
            _ => Numbers { experimenter: Some(NICIRA), kind: 10, code: 0 },
        })
    }

    /// The numbers in 1.0, 1.3, 1.4 and 1.5.
    fn row(self) -> [Option<Numbers>; 4] {
        match self {
            Code::HelloIncompatible => always(of(0, 0)),
            Code::BadVersion => always(of(1, 0)),
            Code::BadType => always(of(1, 1)),
            Code::BadMultipart => always(of(1, 2)),
            Code::BadExperimenter => always(of(1, 3)),
            Code::BadExperimenterType => always(of(1, 4)),
            Code::Eperm => always(of(1, 5)),
            Code::BadLen => always(of(1, 6)),
            Code::BufferUnknown => always(of(1, 8)),
            Code::BadTableId => both(nx(1, 512), of(1, 9)),
            Code::IsSlave => both(of(1, 5), of(1, 10)),
            Code::BadPort => both(nx(1, 514), of(1, 11)),
            Code::BadPacket => from_13(of(1, 12)),
            Code::MultipartBufferOverflow => from_13(of(1, 13)),
            Code::MultipartRequestTimeout => [NONE, onf(2640), of(1, 14), of(1, 14)],
            Code::PipelineFieldsOnly => [NONE, NONE, NONE, of(1, 17)],
            Code::BadActionType => always(of(2, 0)),
            Code::BadActionLen => always(of(2, 1)),
            Code::BadActionExperimenter => always(of(2, 2)),
            Code::BadActionExperimenterType => always(of(2, 3)),
            Code::BadOutPort => always(of(2, 4)),
            Code::BadArgument => always(of(2, 5)),
            Code::ActionTooMany => always(of(2, 7)),
            Code::BadQueue => always(of(2, 8)),
            Code::BadOutGroup => both(nx(2, 9), of(2, 9)),
            Code::BadTag => from_13(of(2, 12)),
            Code::BadSetType => both(nx(1, 523), of(2, 13)),
            Code::BadSetLen => both(nx(1, 524), of(2, 14)),
            Code::BadSetArgument => both(nx(1, 525), of(2, 15)),
            Code::BadSetMask => [NONE, onf(4250), onf(4250), of(2, 16)],
            Code::UnsupportedOrder => from_13(of(2, 11)),
            Code::MatchInconsistent => both(nx(1, 522), of(2, 10)),
            Code::BadMeterAction => [NONE, NONE, NONE, of(2, 17)],
            Code::UnknownInst => from_13(of(3, 0)),
            Code::UnsupInst => both(nx(2, 257), of(3, 1)),
            Code::BadInstTableId => from_13(of(3, 2)),
            Code::UnsupMetadata => from_13(of(3, 3)),
            Code::UnsupMetadataMask => from_13(of(3, 4)),
            Code::BadInstExperimenter => from_13(of(3, 5)),
            Code::BadInstExperimenterType => from_13(of(3, 6)),
            Code::BadInstLen => from_13(of(3, 7)),
            Code::DupInst => [NONE, onf(2600), of(3, 9), of(3, 9)],
            Code::BadMatchType => from_13(of(4, 0)),
            Code::BadMatchLen => from_13(of(4, 1)),
            Code::BadWildcards => both(nx(1, 262), of(4, 5)),
            Code::BadField => both(nx(0, 263), of(4, 6)),
            Code::BadValue => both(nx(1, 258), of(4, 7)),
            Code::BadMask => both(nx(1, 259), of(4, 8)),
            Code::BadPrereq => both(nx(1, 260), of(4, 9)),
            Code::DupField => both(nx(1, 261), of(4, 10)),
            Code::TableFull => both(of(3, 0), of(5, 1)),
            Code::FlowModBadTableId => from_13(of(5, 2)),
            Code::Overlap => both(of(3, 1), of(5, 3)),
            Code::BadTimeout => from_13(of(5, 5)),
            Code::BadEmergTimeout => both(of(3, 3), NONE),
            Code::BadCommand => both(of(3, 4), of(5, 6)),
            Code::BadFlags => both(nx(3, 258), of(5, 7)),
            Code::GroupExists => both(nx(6, 0), of(6, 0)),
            Code::InvalidGroup => both(nx(6, 1), of(6, 1)),
            Code::OutOfGroups => both(nx(6, 3), of(6, 3)),
            Code::OutOfBuckets => both(nx(6, 4), of(6, 4)),
            Code::Loop => both(nx(6, 7), of(6, 7)),
            Code::UnknownGroup => both(nx(6, 8), of(6, 8)),
            Code::ChainedGroup => both(nx(6, 9), of(6, 9)),
            Code::BadWatch => both(nx(6, 13), of(6, 13)),
            Code::WatchUnsupported => both(nx(6, 6), of(6, 6)),
            Code::GroupBadType => both(nx(6, 10), of(6, 10)),
            Code::GroupBadCommand => both(nx(6, 11), of(6, 11)),
            Code::BadBucket => both(nx(6, 12), of(6, 12)),
            Code::UnknownBucket => [nx(6, 15), NONE, NONE, of(6, 15)],
            Code::BucketExists => [nx(6, 16), NONE, NONE, of(6, 16)],
            Code::BadPortNumber => both(of(4, 0), of(7, 0)),
            Code::BadHwAddr => both(of(4, 1), of(7, 1)),
            Code::BadConfig => from_13(of(7, 2)),
            Code::BadAdvertise => from_13(of(7, 3)),
            Code::TableModBadTable => from_13(of(8, 0)),
            Code::TableModBadConfig => from_13(of(8, 1)),
            Code::QueueBadPort => both(of(5, 0), of(9, 0)),
            Code::QueueBadQueue => both(of(5, 1), of(9, 1)),
            Code::SwitchBadFlags => from_13(of(10, 0)),
            Code::SwitchBadLen => from_13(of(10, 1)),
            Code::Stale => from_13(of(11, 0)),
            Code::Unsup => from_13(of(11, 1)),
            Code::BadRole => both(nx(1, 513), of(11, 2)),
            Code::InvalidMeter => from_13(of(12, 2)),
            Code::MeterExists => from_13(of(12, 1)),
            Code::UnknownMeter => from_13(of(12, 3)),
            Code::MeterBadCommand => from_13(of(12, 4)),
            Code::MeterBadFlags => from_13(of(12, 5)),
            Code::OutOfMeters => from_13(of(12, 10)),
            Code::OutOfBands => from_13(of(12, 11)),
            Code::BadRate => from_13(of(12, 6)),
            Code::BadBurst => from_13(of(12, 7)),
            Code::BadBand => from_13(of(12, 8)),
            Code::BadBandValue => from_13(of(12, 9)),
            Code::TableFeaturesBadTable => from_13(of(13, 0)),
            Code::TableFeaturesBadMetadata => from_13(of(13, 1)),
            Code::TableFeaturesEperm => from_13(of(13, 5)),
            Code::TableFeaturesBadCommand => [NONE, NONE, NONE, of(13, 9)],
            Code::BadPropertyType => [nx(13, 2), of(13, 2), of(14, 0), of(14, 0)],
            Code::BadPropertyLen => [nx(13, 3), of(13, 3), of(14, 1), of(14, 1)],
            Code::BadPropertyValue => [nx(13, 4), of(13, 4), of(14, 2), of(14, 2)],
            Code::DupProperty => [nx(14, 4), onf(4444), of(14, 4), of(14, 4)],
            Code::BadPropertyExperimenter => [nx(14, 5), onf(4445), of(14, 5), of(14, 5)],
            Code::BadPropertyExperimenterType => [nx(14, 6), onf(4446), of(14, 6), of(14, 6)],
            Code::AsyncInvalid => [NONE, onf(2370), of(15, 0), of(15, 0)],
            Code::AsyncUnsupported => [NONE, onf(2371), of(15, 1), of(15, 1)],
            Code::BundleUnknown => [NONE, onf(2300), of(17, 0), of(17, 0)],
            Code::BundleBadId => [NONE, onf(2302), of(17, 2), of(17, 2)],
            Code::BundleExist => [NONE, onf(2303), of(17, 3), of(17, 3)],
            Code::BundleClosed => [NONE, onf(2304), of(17, 4), of(17, 4)],
            Code::BundleOutOfBundles => [NONE, onf(2305), of(17, 5), of(17, 5)],
            Code::BundleBadType => [NONE, onf(2306), of(17, 6), of(17, 6)],
            Code::BundleBadFlags => [NONE, onf(2307), of(17, 7), of(17, 7)],
            Code::BundleMsgBadLen => [NONE, onf(2308), of(17, 8), of(17, 8)],
            Code::BundleMsgBadXid => [NONE, onf(2309), of(17, 9), of(17, 9)],
            Code::BundleMsgUnsup => [NONE, onf(2310), of(17, 10), of(17, 10)],
            Code::BundleMsgConflict => [NONE, onf(2311), of(17, 11), of(17, 11)],
            Code::BundleMsgTooMany => [NONE, onf(2312), of(17, 12), of(17, 12)],
            Code::BundleMsgFailed => [NONE, onf(2313), of(17, 13), of(17, 13)],
            Code::BundleTimeout => [NONE, onf(2314), of(17, 14), of(17, 14)],
            Code::BundleInProgress => [NONE, onf(2315), of(17, 15), of(17, 15)],
            Code::BundleBadVersion => [NONE, NONE, nx(22, 0), nx(22, 0)],
            Code::MonitorExists => [nx(1, 517), nx(6, 0), of(16, 1), of(16, 1)],
            Code::MonitorInvalid => [NONE, NONE, of(16, 2), of(16, 2)],
            Code::MonitorUnknown => [nx(1, 519), nx(8, 0), of(16, 3), of(16, 3)],
            Code::MonitorBadCommand => [NONE, NONE, of(16, 4), of(16, 4)],
            Code::MonitorBadFlags => [nx(1, 518), nx(7, 0), of(16, 5), of(16, 5)],
            Code::MonitorBadTable => [NONE, NONE, of(16, 6), of(16, 6)],
            Code::MonitorBadOut => [NONE, NONE, of(16, 7), of(16, 7)],
            Code::NxMustBeZero => both(nx(1, 515), nx(4, 0)),
            Code::NxNxmInvalid => both(nx(1, 256), nx(2, 0)),
            Code::NxBadReason => both(nx(1, 516), nx(5, 0)),
            Code::NxBadEvent => both(nx(1, 520), nx(9, 0)),
            Code::NxUnencodable => both(nx(1, 521), nx(10, 0)),
            Code::NxActionMustBeZero => both(nx(2, 256), nx(11, 0)),
            Code::NxBadConjunction => both(nx(2, 526), nx(15, 0)),
            Code::NxBadFlowModTableId => both(nx(5, 257), nx(13, 0)),
            Code::NxInvalidTlvField => both(nx(1, 536), nx(37, 0)),
            Code::NxDupTable => from_13(nx(44, 0)),
            Code::NxTlvBadCommand => both(nx(1, 527), nx(16, 0)),
            Code::NxTlvBadOptLen => both(nx(1, 528), nx(17, 0)),
            Code::NxTlvBadIndex => both(nx(1, 529), nx(18, 0)),
            Code::NxTlvTableFull => both(nx(1, 530), nx(19, 0)),
            Code::NxTlvAlreadyMapped => both(nx(1, 531), nx(20, 0)),
            Code::NxTlvDupEntry => both(nx(1, 532), nx(21, 0)),
            Code::NxTlvInUse => both(nx(1, 537), nx(38, 0)),
            Code::NxResumeNotSupported => both(nx(1, 533), nx(34, 0)),
            Code::NxNotConfigured => both(nx(1, 535), nx(36, 0)),
        }
    }
}

const NONE: Option<Numbers> = None;

const fn of(kind: u16, code: u16) -> Option<Numbers> {
    Some(Numbers { experimenter: None, kind, code })
}

const fn nx(kind: u16, code: u16) -> Option<Numbers> {
    Some(Numbers { experimenter: Some(NICIRA), kind, code })
}

const fn onf(kind: u16) -> Option<Numbers> {
    Some(Numbers { experimenter: Some(ONF), kind, code: 0 })
}

const fn always(numbers: Option<Numbers>) -> [Option<Numbers>; 4] {
    [numbers; 4]
}

const fn both(v10: Option<Numbers>, later: Option<Numbers>) -> [Option<Numbers>; 4] {
    [v10, later, later, later]
}

const fn from_13(later: Option<Numbers>) -> [Option<Numbers>; 4] {
    both(None, later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extensions_error_says_who_defines_it_in_each_versions_way() {
        let wire = |version| Code::BadTableId.numbers(version).on_wire(version);
        assert_eq!(wire(Version::V10), (0xb0c2, 0, vec![0, 0, 0x23, 0x20, 0, 1, 2, 0]));
        assert_eq!(wire(Version::V13), (1, 9, vec![]));
        let wire = |version| Code::BundleClosed.numbers(version).on_wire(version);
        assert_eq!(wire(Version::V13), (0xffff, 2304, b"ONF\0".to_vec()));
        assert_eq!(wire(Version::V14), (17, 4, vec![]));
    }

    #[test]
    fn what_a_version_cannot_say_becomes_that_it_cannot_be_said() {
        let numbers = Code::BundleClosed.numbers(Version::V10);
        assert_eq!(numbers, Code::NxUnencodable.numbers(Version::V10));
        assert_eq!(numbers, Numbers { experimenter: Some(NICIRA), kind: 1, code: 521 });
    }
}
