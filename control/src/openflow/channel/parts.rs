//! Requests in several parts (`OFPMPF_REQ_MORE`): two kinds of them can be longer than a message.

use crate::openflow::{Code, Question};

/// Tables' features, or monitors of flows, that are gathered of one request.
const PARTS_MAX: usize = 4096;

/// The request that is being gathered; a connection has one at a time, as in Open vSwitch (`lib/ofp-msgs.c`).
#[derive(Debug, Default)]
pub(super) struct Parts {
    begun: Option<(u32, Question)>,
}

impl Parts {
    /// One part more. The whole, when it was the last.
    pub(super) fn add(&mut self, xid: u32, part: Question, more: bool) -> Result<Option<Question>, Code> {
        let begun = self.begun.take().filter(|(of, _)| *of == xid);
        let whole = match (begun, part) {
            (None, part) => part,
            (Some((_, Question::TableFeatures(mut all))), Question::TableFeatures(part)) => {
                bounded(all.len() + part.len())?;
                all.extend(part);
                Question::TableFeatures(all)
            }
            (Some((_, Question::FlowMonitor(mut all))), Question::FlowMonitor(part)) => {
                bounded(all.len() + part.len())?;
                all.extend(part);
                Question::FlowMonitor(all)
            }
            // The others fit a message, and another kind is no part of the same request.
            (Some(_), _) => return Err(Code::BadMultipart),
        };
        if !more {
            return Ok(Some(whole));
        }
        if !matches!(whole, Question::TableFeatures(_) | Question::FlowMonitor(_)) {
            return Err(Code::BadMultipart);
        }
        self.begun = Some((xid, whole));
        Ok(None)
    }
}

fn bounded(parts: usize) -> Result<(), Code> {
    if parts > PARTS_MAX { Err(Code::MultipartBufferOverflow) } else { Ok(()) }
}
