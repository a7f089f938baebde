//! One of several ways for each conversation: `multipath` writes its number into a field, `bundle` and `bundle_load` choose a port that is
//! alive (`lib/multipath.c` and `lib/bundle.c` of Open vSwitch 3.1 say which algorithms there are).

use super::observer::Observer;
use super::rule::Part;
use super::translate::Walk;
use crate::flow::OfPort;
use crate::flow::spread::{HashFields, draw};
use crate::stats::DropReason;

/// What a field is set to where no port of a bundle is alive (`OFPP_NONE` in the 16 bits that Nicira's extensions have for ports).
const NO_PORT: u128 = 0xffff;
/// How often `iter_hash` draws again: then the number is taken modulo the links.
const DRAWS_MAX: u64 = 64;

/// How a link is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkChoice {
    /// The hash modulo the number of links.
    Modulo,
    /// The hashes in as many ranges as there are links.
    Threshold,
    /// The link with the highest hash of its own: one that is added takes from all, and no other moves.
    HighestWeight,
    /// Drawn again until it is one that there is.
    Iterate,
}

impl LinkChoice {
    /// In the order of their numbers (`NX_MP_ALG_*`), with their names.
    pub const ALL: [(LinkChoice, &str); 4] = [
        (LinkChoice::Modulo, "modulo_n"),
        (LinkChoice::Threshold, "hash_threshold"),
        (LinkChoice::HighestWeight, "hrw"),
        (LinkChoice::Iterate, "iter_hash"),
    ];
}

/// The number of a link for each conversation, written into a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Multipath {
    /// What is hashed.
    pub fields: HashFields,
    /// A number that makes this choice another than that of the next switch.
    pub basis: u16,
    /// How the link is chosen.
    pub choice: LinkChoice,
    /// The largest number that it can be.
    pub last: u16,
    /// For [`LinkChoice::Iterate`]: among how many is drawn, where that is not less than there are links and at most 65,536; else among the next power of two.
    pub arg: u32,
    /// Where the number goes.
    pub to: Part,
}

/// How a port is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortChoice {
    /// The first that is alive.
    ActiveBackup,
    /// Of those that are alive that with the highest hash.
    HighestWeight,
}

impl PortChoice {
    /// In the order of their numbers (`NX_BD_ALG_*`), with their names.
    pub const ALL: [(PortChoice, &str); 2] =
        [(PortChoice::ActiveBackup, "active_backup"), (PortChoice::HighestWeight, "hrw")];
}

/// Most ports of a bundle, as Open vSwitch has it (`BUNDLE_MAX_MEMBERS`).
pub const MEMBERS_MAX: usize = 2048;

/// A port for each conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bundle {
    /// What is hashed.
    pub fields: HashFields,
    /// A number that makes this choice another than that of the next switch.
    pub basis: u16,
    /// How the port is chosen.
    pub choice: PortChoice,
    /// Among which.
    pub members: Box<[OfPort]>,
    /// The part of a field that the port's number goes into; without, the frame goes to the port.
    pub to: Option<Part>,
}

impl<O: Observer> Walk<'_, O> {
    pub(super) fn multipath(&mut self, multipath: &Multipath) -> Result<(), DropReason> {
        let Multipath { fields, basis, choice, last, arg, to } = *multipath;
        let hash = self.hash(fields, basis);
        let links = u64::from(last) + 1;
        let link = match choice {
            LinkChoice::Modulo => hash % links,
            LinkChoice::Threshold => ((hash >> 32) * links) >> 32,
            LinkChoice::HighestWeight => (0..links).max_by_key(|link| draw(hash, *link)).unwrap_or(0),
            LinkChoice::Iterate => {
                let among = u64::from(arg);
                let among = if (links..=65_536).contains(&among) { among } else { links.next_power_of_two() };
                let drawn = (0..DRAWS_MAX).map(|number| draw(hash, number) % among);
                drawn.into_iter().find(|link| *link < links).unwrap_or(hash % links)
            }
        };
        self.state.assign(to.field, u128::from(link) << to.offset, to.mask(), self.out)
    }

    /// `to`: the port's number goes there; otherwise the frame goes to the port.
    pub(super) fn bundle(&mut self, bundle: &Bundle) -> Result<(), DropReason> {
        let pipeline = self.pipeline;
        let mut live = bundle.members.iter().copied().filter(|port| pipeline.is_port_live(*port));
        let port = match bundle.choice {
            PortChoice::ActiveBackup => live.next(),
            PortChoice::HighestWeight => {
                let hash = self.hash(bundle.fields, bundle.basis);
                live.max_by_key(|port| draw(hash, port.0.into()))
            }
        };
        match (bundle.to, port) {
            (Some(to), port) => {
                let number = port.map_or(NO_PORT, |port| u128::from(port.0 as u16));
                self.state.assign(to.field, number << to.offset & to.mask(), to.mask(), self.out)
            }
            (None, Some(port)) => {
                self.output(port);
                Ok(())
            }
            (None, None) => {
                self.note(DropReason::NoLiveBucket);
                Ok(())
            }
        }
    }

    fn hash(&mut self, fields: HashFields, basis: u16) -> u64 {
        let Walk { state, out, .. } = self;
        fields
            .hash(basis.into(), state.key(), &mut |field, bits| state.look_at(field, bits & field.max(), out))
    }
}
