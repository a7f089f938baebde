//! All that stands behind `actions=`: a meter, actions that are done at once, and then the other instructions (OpenFlow 1.3 section
//! 5.9), each at most once and in the order in which they are done, as ovs-ofctl wants it.

use super::actions::{Known, Place, Reading, check_meter, read_meter_id};
use super::conditions::read_table;
use super::scan::{Fault, Span, Word, Words};
use super::value::read_number;
use super::words::INSTRUCTIONS;
use crate::ofproto::context::Context;
use datapath::pipeline::{Instructions, Match, TableId};

/// Reads what a flow of this table with this match does.
pub(super) fn read_instructions(
    text: Span<'_>,
    table: TableId,
    matching: &Match,
    known: Known<'_>,
) -> Result<Instructions, Fault> {
    let mut out = Instructions::default();
    let mut apply = Reading::new(known, Place::Flow, Context::of(matching));
    let mut last: Option<usize> = None;
    let mut words = Words::of(text);
    while let Some(word) = words.next()? {
        if word.key.text == "meter" {
            if out.meter.is_some() || !apply.is_empty() || last.is_some() {
                return Err(word.key.fault("meter stands once, and in front of everything else"));
            }
            let text = word.argument()?;
            let meter = read_meter_id(text)?;
            check_meter(meter, text, known.there.meters)?;
            out.meter = Some(meter);
            continue;
        }
        let place = INSTRUCTIONS.iter().position(|name| *name == word.key.text);
        in_order(last, place, &word)?;
        match place {
            None => apply.word(word)?,
            Some(_) => {
                apply.drop_alone()?;
                apply.no_conjunction(word.key)?;
                instruction(word, table, &apply, &mut out)?;
                last = place;
            }
        }
    }
    apply.conjunction_alone(text)?;
    if out.meter.is_some() {
        apply.drop_alone()?;
        apply.no_conjunction(text)?;
    }
    out.apply = apply.finish()?;
    Ok(out)
}

/// Refuses what comes after something that it should come before.
fn in_order(last: Option<usize>, this: Option<usize>, word: &Word<'_>) -> Result<(), Fault> {
    let Some(last) = last else { return Ok(()) };
    let name = word.key.text;
    match this {
        Some(this) if this == last => Err(word.key.fault(format!("{name} is given twice"))),
        Some(this) if this > last => Ok(()),
        _ => Err(word.key.fault(format!("{name} stands in front of {}", INSTRUCTIONS[last]))),
    }
}

fn instruction(
    word: Word<'_>,
    table: TableId,
    before: &Reading<'_>,
    out: &mut Instructions,
) -> Result<(), Fault> {
    match word.key.text {
        "clear_actions" => {
            word.bare()?;
            out.clear = true;
        }
        "write_actions" => {
            let Some(list) = word.value else {
                return Err(word.key.fault("write_actions is written write_actions(ACTIONS)"));
            };
            let mut write = before.inside(Place::ActionSet);
            write.list(list)?;
            out.write = write.finish()?;
        }
        "write_metadata" => out.metadata = Some(read_metadata(word.argument()?)?),
        _ => {
            let to = read_table(word.argument()?)?;
            if to <= table {
                let message = format!("goto_table leads to a later table: above {}", table.0);
                return Err(word.argument()?.fault(message));
            }
            out.goto = Some(to);
        }
    }
    Ok(())
}

/// `VALUE` or `VALUE/MASK`.
fn read_metadata(text: Span<'_>) -> Result<(u64, u64), Fault> {
    let (value, mask) = text.split_once("/").map_or((text, None), |(value, mask)| (value, Some(mask)));
    let number = |text: Span<'_>| {
        read_number(text.text, u64::MAX.into())
            .map(|number| number as u64)
            .map_err(|message| text.fault(message))
    };
    let (value, mask) = (number(value)?, mask.map_or(Ok(u64::MAX), number)?);
    if mask == 0 {
        return Err(text.fault("a mask of zero writes nothing"));
    }
    if value & !mask != 0 {
        return Err(text.fault("the value has bits that the mask does not write"));
    }
    Ok((value, mask))
}
