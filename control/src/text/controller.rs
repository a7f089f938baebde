//! What tells the controller of a frame: `controller` in its forms, and `dec_ttl` with the numbers of controllers
//! (ovs-actions(7); the order in which it is written is that of `lib/ofp-actions.c` of Open vSwitch).

use super::actions::Reading;
use super::annotations::{read_bytes, write_bytes};
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::read_number;
use crate::ofproto::context::Needs;
use datapath::action::punt::Reason;
use datapath::pipeline::RuleAction;
use std::sync::Arc;

/// Bytes of `userdata` at the most.
const USERDATA_MAX: usize = 1024;
/// Controllers that a `dec_ttl` may tell.
const CONTROLLERS_MAX: usize = 16;

/// A frame as a whole, to whoever wants to know.
pub(super) fn plain() -> RuleAction {
    RuleAction::Controller {
        max_len: u16::MAX,
        reason: Reason::Action,
        controller: 0,
        userdata: Arc::default(),
    }
}

impl Reading<'_> {
    /// `controller`, `controller:MAX_LEN` or `controller(KEY=VALUE,...)`.
    pub(super) fn controller(&mut self, word: Word<'_>) -> Result<(), Fault> {
        let (mut max_len, mut reason, mut controller) = (u16::MAX, Reason::Action, 0);
        let mut userdata = Vec::new();
        match word.value {
            None => {}
            Some(text) if text.text.bytes().all(|byte| byte.is_ascii_digit()) => {
                max_len = if text.text.is_empty() { u16::MAX } else { short(text)? };
            }
            Some(text) => {
                let mut words = Words::of(text);
                while let Some(word) = words.next()? {
                    match word.key.text {
                        "max_len" => max_len = short(word.argument()?)?,
                        "id" => controller = short(word.argument()?)?,
                        "reason" => reason = read_reason(word.argument()?)?,
                        "userdata" => {
                            if let Some(text) = word.value {
                                userdata = read_bytes(text, "userdata")?;
                            }
                        }
                        "pause" | "meter_id" => {
                            let name = word.key.text;
                            return Err(word.key.fault(format!("controller({name}) is not supported yet")));
                        }
                        name => {
                            let known = ["max_len", "reason", "id", "userdata"];
                            let message = format!(
                                "{name:?} is nothing that controller takes: {}{}",
                                known.join(", "),
                                did_you_mean(name, known)
                            );
                            return Err(word.key.fault(message));
                        }
                    }
                }
            }
        }
        if userdata.len() > USERDATA_MAX {
            return Err(word.key.fault(format!("userdata has at most {USERDATA_MAX} bytes")));
        }
        if (reason, controller) != (Reason::Action, 0) || !userdata.is_empty() {
            // There it is an output to a port, which has none of these.
            self.not_in_a_set(&word)?;
        }
        self.push_action(RuleAction::Controller { max_len, reason, controller, userdata: userdata.into() });
        Ok(())
    }

    /// `dec_ttl`, or `dec_ttl(ID,...)`.
    pub(super) fn dec_ttl(&mut self, word: Word<'_>) -> Result<(), Fault> {
        if !self.context.meets(Needs::Ip) {
            return Err(word.key.fault(format!("dec_ttl needs {}", Needs::Ip.advice())));
        }
        let mut controllers = Vec::new();
        if let Some(ids) = word.value {
            let mut words = Words::of(ids);
            while let Some(id) = words.next()? {
                id.bare()?;
                controllers.push(short(id.key)?);
            }
        }
        if controllers.len() > CONTROLLERS_MAX {
            return Err(word.key.fault(format!("dec_ttl tells at most {CONTROLLERS_MAX} controllers")));
        }
        self.push_action(match controllers.is_empty() {
            true => RuleAction::DecTtl,
            false => RuleAction::DecTtlOrTell(controllers.into()),
        });
        Ok(())
    }
}

fn short(text: Span<'_>) -> Result<u16, Fault> {
    let number = read_number(text.text, u16::MAX.into()).map_err(|message| text.fault(message))?;
    Ok(number as u16)
}

fn read_reason(text: Span<'_>) -> Result<Reason, Fault> {
    let found = Reason::ALL.into_iter().find(|reason| reason.name() == text.text);
    found.ok_or_else(|| {
        let names = Reason::ALL.map(Reason::name);
        text.fault(format!("{:?} is no reason: {}", text.text, names.join(", ")))
    })
}

/// `controller` as text.
pub(super) fn write_controller(max_len: u16, reason: Reason, controller: u16, userdata: &[u8]) -> String {
    if (reason, controller) == (Reason::Action, 0) && userdata.is_empty() {
        return format!("CONTROLLER:{max_len}");
    }
    let mut parts = Vec::new();
    if reason != Reason::Action {
        parts.push(format!("reason={}", reason.name()));
    }
    if max_len != u16::MAX {
        parts.push(format!("max_len={max_len}"));
    }
    if controller != 0 {
        parts.push(format!("id={controller}"));
    }
    if !userdata.is_empty() {
        parts.push(format!("userdata={}", write_bytes(userdata)));
    }
    format!("controller({})", parts.join(","))
}

/// `dec_ttl` with controllers as text.
pub(super) fn write_dec_ttl(controllers: &[u16]) -> String {
    let ids: Vec<_> = controllers.iter().map(u16::to_string).collect();
    format!("dec_ttl({})", ids.join(","))
}
