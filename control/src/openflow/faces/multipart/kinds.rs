//! Which kind of question has which number in which version, and the headers of questions and answers.

use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, NICIRA, ONF, Version};

/// `OFPMP_EXPERIMENTER`.
const EXPERIMENTER: u16 = 0xffff;
/// `OFPMPF_REQ_MORE` and `OFPMPF_REPLY_MORE`.
pub(super) const MORE: u16 = 1;

/// The kinds of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Desc,
    Flow,
    Aggregate,
    Table,
    PortStats,
    QueueStats,
    GroupStats,
    GroupDesc,
    GroupFeatures,
    MeterStats,
    MeterConfig,
    MeterFeatures,
    TableFeatures,
    PortDesc,
    TableDesc,
    QueueDesc,
    FlowMonitor,
    /// Of samples of traffic (`NXST_IPFIX_*`), which nobody takes here.
    Ipfix,
}

/// The numbers that the specifications give, and the first and the last version that have them. Ports are asked for in 1.0 as in 1.3, as
/// Open vSwitch has it.
const STANDARD: &[(Kind, u16, Version, Version)] = &[
    (Kind::Desc, 0, Version::V10, Version::V15),
    (Kind::Flow, 1, Version::V10, Version::V15),
    (Kind::Aggregate, 2, Version::V10, Version::V15),
    (Kind::Table, 3, Version::V10, Version::V15),
    (Kind::PortStats, 4, Version::V10, Version::V15),
    (Kind::QueueStats, 5, Version::V10, Version::V15),
    (Kind::GroupStats, 6, Version::V13, Version::V15),
    (Kind::GroupDesc, 7, Version::V13, Version::V15),
    (Kind::GroupFeatures, 8, Version::V13, Version::V15),
    (Kind::MeterStats, 9, Version::V13, Version::V15),
    (Kind::MeterConfig, 10, Version::V13, Version::V15),
    (Kind::MeterFeatures, 11, Version::V13, Version::V15),
    (Kind::TableFeatures, 12, Version::V13, Version::V15),
    (Kind::PortDesc, 13, Version::V10, Version::V15),
    (Kind::TableDesc, 14, Version::V14, Version::V15),
    (Kind::QueueDesc, 15, Version::V14, Version::V15),
    (Kind::FlowMonitor, 16, Version::V14, Version::V15),
];

/// The numbers that extensions give.
const EXTENDED: &[(Kind, u32, u32, Version, Version)] = &[
    (Kind::Flow, NICIRA, 0, Version::V10, Version::V10),
    (Kind::Aggregate, NICIRA, 1, Version::V10, Version::V10),
    (Kind::FlowMonitor, NICIRA, 2, Version::V10, Version::V10),
    (Kind::Ipfix, NICIRA, 3, Version::V10, Version::V15),
    (Kind::Ipfix, NICIRA, 4, Version::V10, Version::V15),
    (Kind::GroupStats, NICIRA, 7, Version::V10, Version::V10),
    (Kind::GroupDesc, NICIRA, 8, Version::V10, Version::V10),
    (Kind::GroupFeatures, NICIRA, 9, Version::V10, Version::V10),
    (Kind::FlowMonitor, ONF, 1870, Version::V13, Version::V13),
];

/// A header: what is spoken of, whether in Nicira's words where there are others, and whether more follows.
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) nicira: bool,
    pub(super) more: bool,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// `OFPBRC_BAD_MULTIPART`, `OFPBRC_BAD_EXPERIMENTER`, `OFPBRC_BAD_EXP_TYPE`.
    pub(super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Header, Code> {
        let (number, flags) = (reader.u16()?, reader.u16()?);
        if version != Version::V10 {
            reader.skip(4)?;
        }
        let more = flags & MORE != 0;
        if number != EXPERIMENTER {
            let has =
                |row: &&(Kind, u16, Version, Version)| row.1 == number && (row.2..=row.3).contains(&version);
            let kind = STANDARD.iter().find(has).ok_or(Code::BadMultipart)?.0;
            return Ok(Header { kind, nicira: false, more });
        }
        let who = reader.u32()?;
        if who != NICIRA && (who != ONF || version == Version::V10) {
            return Err(Code::BadExperimenter);
        }
        let number = reader.u32()?;
        if version == Version::V10 {
            reader.skip(4)?;
        }
        let has = |row: &&(Kind, u32, u32, Version, Version)| {
            (row.1, row.2) == (who, number) && (row.3..=row.4).contains(&version)
        };
        let kind = EXTENDED.iter().find(has).ok_or(Code::BadExperimenterType)?.0;
        let nicira = matches!(kind, Kind::Flow | Kind::Aggregate);
        Ok(Header { kind, nicira, more })
    }

    /// Writes a header; None if the version has none for this.
    pub(super) fn encode(&self, version: Version, writer: &mut Writer) -> Option<()> {
        let own = |row: &&(Kind, u16, Version, Version)| {
            row.0 == self.kind && (row.2..=row.3).contains(&version) && !self.nicira
        };
        let flags = if self.more { MORE } else { 0 };
        let padding = if version == Version::V10 { 0 } else { 4 };
        if let Some(row) = STANDARD.iter().find(own) {
            writer.u16(row.1).u16(flags).zeros(padding);
            return Some(());
        }
        let extended = |row: &&(Kind, u32, u32, Version, Version)| {
            row.0 == self.kind && (row.3..=row.4).contains(&version)
        };
        let row = EXTENDED.iter().find(extended)?;
        writer.u16(EXPERIMENTER).u16(flags).zeros(padding).u32(row.1).u32(row.2).zeros(4 - padding);
        Some(())
    }
}
