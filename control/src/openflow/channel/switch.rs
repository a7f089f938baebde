//! What the channel asks of the switch while a message is done.

use crate::ofproto;
use crate::openflow::{
    Code, Features, PacketOut, PortMod, QueueDesc, TableFeatures, TableMod, TlvTable, TlvTableMod,
};
use datapath::flow::OfPort;
use datapath::tunnel::OptionMap;
use std::sync::Arc;

/// A change that can wait in a bundle.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of flow entries, groups or meters.
    Request(ofproto::Request),
    /// Of a port, with the address that it must have.
    Port(PortMod),
    /// A frame is sent.
    Packet(Box<PacketOut>),
}

/// Whoever has the switch. What is changed holds for the next question at once; that workers go by it is what a barrier waits for.
pub trait Switch {
    /// What it is.
    fn features(&self) -> Features;

    /// What it does with fragments.
    fn fragments(&self) -> u16;

    /// What it shall do with them.
    ///
    /// # Errors
    /// When it cannot.
    fn set_fragments(&mut self, fragments: u16) -> Result<(), Code>;

    /// Does this, or nothing.
    ///
    /// # Errors
    /// Why nothing is done.
    fn change(&mut self, change: Change) -> Result<(), Code>;

    /// Does all of it in order, or nothing.
    ///
    /// # Errors
    /// Which of them is refused, and why.
    fn bundle(&mut self, changes: Vec<Change>) -> Result<(), (usize, Code)>;

    /// Changes how tables behave.
    ///
    /// # Errors
    /// Why nothing is done.
    fn table_mod(&mut self, change: TableMod) -> Result<(), Code>;

    /// Changes what tables can do.
    ///
    /// # Errors
    /// Why nothing is done.
    fn set_table_features(&mut self, features: Vec<TableFeatures>) -> Result<(), Code>;

    /// The queues of a port, or of all.
    ///
    /// # Errors
    /// When there is no such port.
    fn queues(&self, port: Option<OfPort>) -> Result<Vec<QueueDesc>, Code>;

    /// What Geneve options are called: none, unless somebody has mapped them.
    fn options(&self) -> Arc<OptionMap> {
        Arc::default()
    }

    /// The map of Geneve options.
    fn tlv_table(&self) -> TlvTable;

    /// Changes it.
    ///
    /// # Errors
    /// Why nothing is done.
    fn tlv_table_mod(&mut self, change: TlvTableMod) -> Result<(), Code>;
}
