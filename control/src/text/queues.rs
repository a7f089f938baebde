//! Actions on queues: `set_queue:QUEUE`, `pop_queue` and `enqueue:PORT:QUEUE`, which is both around an output, as ovs-ofctl writes it.

use super::actions::{Place, Reading};
use super::scan::{Fault, Span, Word};
use super::value::read_number;
use datapath::pipeline::{QueueId, RuleAction};

impl Reading<'_> {
    pub(super) fn set_queue(&mut self, text: Span<'_>) -> Result<(), Fault> {
        let queue = read_queue(text)?;
        self.push_action(RuleAction::SetQueue(queue));
        Ok(())
    }

    pub(super) fn pop_queue(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.in_order_only(&word)?;
        word.bare()?;
        self.push_action(RuleAction::PopQueue);
        Ok(())
    }

    pub(super) fn enqueue(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.in_order_only(&word)?;
        let text = word.argument()?;
        let parts = text.split_once(":").or_else(|| text.split_once(","));
        let Some((port, queue)) = parts else {
            return Err(text.fault("enqueue is written enqueue:PORT:QUEUE or enqueue(PORT,QUEUE)"));
        };
        let (port, queue) = (port.trim(), queue.trim());
        if ["all", "flood"].contains(&port.text.to_ascii_lowercase().as_str()) {
            return Err(port.fault("enqueue takes one port"));
        }
        let queue = read_queue(queue)?;
        self.push_action(RuleAction::SetQueue(queue));
        self.output(port)?;
        self.push_action(RuleAction::PopQueue);
        Ok(())
    }

    /// An action set has one action of a kind: nothing there stands before or after another.
    fn in_order_only(&self, word: &Word<'_>) -> Result<(), Fault> {
        match self.place {
            Place::Flow => Ok(()),
            Place::ActionSet | Place::Bucket => Err(word
                .key
                .fault(format!("an action set has no {}: set_queue and output do", word.key.text))),
        }
    }
}

fn read_queue(text: Span<'_>) -> Result<QueueId, Fault> {
    let number = read_number(text.text, u32::MAX.into()).map_err(|message| text.fault(message))?;
    Ok(QueueId(number as u32))
}
