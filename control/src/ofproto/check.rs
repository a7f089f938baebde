//! Whether instructions make sense, before anything is done with them (OpenFlow 1.3 sections 5.9, 5.10, 7.4).
//!
//! Whether a frame has the header that an action sets is a question to the text parser or codec that made it: both know the fields'
//! prerequisites.

use super::error::{BadAction, BadInstruction, Error};
use super::names::reserved;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::{GroupId, Instructions, RuleAction, TABLES, TableId};

/// How many actions a rule, or a bucket, may have; those inside of others count.
pub const ACTIONS_MAX: usize = 256;
/// How deep actions may lie in others.
const DEPTH_MAX: usize = 16;

/// Checks what a rule of a table does.
pub(super) fn instructions(
    instructions: &Instructions,
    table: TableId,
    knows: impl Fn(GroupId) -> bool,
) -> Result<(), Error> {
    let Instructions { apply, write, metadata, goto, .. } = instructions;
    let mut count = 0;
    actions(apply, &knows, 0, &mut count)?;
    actions(write, &knows, 0, &mut count)?;
    let in_a_set = |action: &RuleAction| !{
        matches!(
            action,
            RuleAction::Resubmit { .. }
                | RuleAction::Clone(_)
                | RuleAction::Learn(_)
                | RuleAction::FinTimeout { .. }
        )
    };
    if !write.iter().all(in_a_set) {
        return Err(BadAction::UnsupportedOrder.into());
    }
    if metadata.is_some_and(|(value, mask)| value & !mask != 0) {
        return Err(BadInstruction::UnsupMetadataMask.into());
    }
    match goto {
        Some(to) if *to <= table || usize::from(to.0) >= TABLES => {
            Err(BadInstruction::BadTableId(*to).into())
        }
        _ => Ok(()),
    }
}

/// Checks a list of actions.
pub(super) fn actions(
    list: &[RuleAction],
    knows: &impl Fn(GroupId) -> bool,
    depth: usize,
    count: &mut usize,
) -> Result<(), Error> {
    *count += list.len();
    if *count > ACTIONS_MAX || depth > DEPTH_MAX {
        return Err(BadAction::TooMany.into());
    }
    for action in list {
        match action {
            // Section 4.5: OFPP_TABLE is for what a controller sends alone, OFPP_ANY for none.
            RuleAction::Output(OfPort(0) | reserved::TABLE | reserved::ANY) => {
                return Err(BadAction::BadOutPort.into());
            }
            RuleAction::Group(group) if !knows(*group) => {
                return Err(BadAction::BadOutGroup(*group).into());
            }
            RuleAction::SetField { field, value, mask }
                if value & !mask != 0 || mask & !Field::max(*field) != 0 =>
            {
                return Err(BadAction::BadArgument.into());
            }
            RuleAction::Move { from, to } if from.bits != to.bits => {
                return Err(BadAction::BadArgument.into());
            }
            // Both know their tables; none is learned into what is none.
            RuleAction::Learn(learn) if usize::from(learn.table) >= TABLES => {
                return Err(BadAction::BadArgument.into());
            }
            RuleAction::Clone(inner) => actions(inner, knows, depth + 1, count)?,
            _ => {}
        }
    }
    Ok(())
}
