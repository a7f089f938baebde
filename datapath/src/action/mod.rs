//! Actions of the datapath: what translation leaves to be done to a frame, in the order of doing.
//!
//! They are small, copied freely, and name things of this worker (a `PortId`, an index into the pipeline's encapsulations)
//! instead of OpenFlow's.

pub mod edit;
pub mod execute;
pub mod headers;
mod kept;
pub mod learn;
pub mod meter;
mod options;
pub mod punt;
pub mod queue;
mod rate;
pub mod report;
pub mod share;
pub mod storm;
mod too_long;

pub use edit::Edit;

use crate::flow::FlowKey;
use crate::port::PortId;
use crate::stats::DropReason;
use crate::tunnel::{Encap, EncapId, Marks, Piece};
use crate::wire::{mpls, pbb};
use meter::{Meter, MeterId};
use queue::{Queue, QueueAt};
pub use rate::Rate;
use storm::{Storm, StormAt};
pub use too_long::TooLong;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send the frame as it is now.
    Output(PortId),
    /// Put the headers of a tunnel in front and send it by the tunnel's uplink. Later steps see the frame without them.
    Encap {
        /// Which headers.
        encap: EncapId,
        /// What they say of this flow.
        marks: Marks,
    },
    /// Bytes of Geneve options for the next encapsulation, which are behind its headers. One after another, as many as its marks
    /// say.
    Options(Piece),
    /// Send the frame as it is now, through a queue of the port.
    Enqueue {
        /// The port.
        port: PortId,
        /// The queue.
        queue: QueueAt,
    },
    /// Write bits of a header field.
    Edit(Edit),
    /// Add a VLAN tag behind the addresses.
    PushVlan {
        /// Tag protocol identifier.
        tpid: u16,
        /// Priority and identifier.
        tci: u16,
    },
    /// Remove the outermost VLAN tag.
    PopVlan,
    /// Put an entry on the MPLS label stack.
    PushMpls {
        /// 0x8847 or 0x8848.
        ether_type: u16,
        /// The entry.
        entry: mpls::Entry,
    },
    /// Remove the outermost entry of the MPLS label stack.
    PopMpls {
        /// What follows.
        ether_type: u16,
    },
    /// Put the header of a provider backbone in front, with the addresses that the frame has.
    PushPbb {
        /// Control information of its service instance tag.
        tci: pbb::Tci,
    },
    /// Remove the header of a provider backbone.
    PopPbb,
    /// Leave no more than the first so many bytes of the frame.
    Truncate(u32),
    /// Do the next so many steps on a copy of the frame, and go on behind them with the frame as it is now.
    Clone(u16),
    /// Hold the frame against the rates of a meter: it may be dropped, or marked.
    Meter(MeterId),
    /// Hold the frame against what its port may have flooded: it may be dropped.
    Storm(StormAt),
    /// Tell control where the sender is: the number of a [`report::Learning`].
    Learn(u32),
    /// Tell control of the flow that the frame teaches: the number of a [`learn::Teaching`].
    Teach(u32),
    /// Tell the controller of the frame as it is now: the number of a [`punt::Punt`]. The frame itself stays.
    Punt(u32),
    /// Count a way that the frame could not take. Not the end of the frame by itself: it may have gone elsewhere.
    Drop(DropReason),
}

impl Action {
    /// Whether the frame has gone somewhere with this step: out by a port, or to the controller.
    pub fn sends(&self) -> bool {
        matches!(self, Action::Output(_) | Action::Encap { .. } | Action::Enqueue { .. } | Action::Punt(_))
    }
}

/// What actions name by number.
pub trait Means {
    /// The headers to put in front.
    fn encap(&self, id: EncapId) -> &Encap;

    /// A meter; None when it is gone.
    fn meter(&self, id: MeterId) -> Option<&Meter>;

    /// A queue.
    fn queue(&self, at: QueueAt) -> &Queue;

    /// What a port may have flooded.
    fn storm(&self, at: StormAt) -> &Storm;

    /// The way back to where a frame came from; None when there is none any more.
    fn back(&self, key: &FlowKey) -> Option<Back<'_>>;
}

/// The way back to the sender of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Back<'a> {
    /// By this port.
    Port(PortId),
    /// Into the tunnel that it came out of.
    Tunnel(&'a Encap, Marks),
}

const _: () = assert!(size_of::<Action>() <= 20, "programs stay dense");
