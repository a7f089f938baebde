//! Adding, modifying and deleting meters, as OpenFlow 1.3.5 section 6.5 ("Meter Modification Messages") says.

use super::entry::Reason;
use super::error::{Error, MeterModFailed};
use super::filter::Filter;
use super::{Applied, Ofproto};
use datapath::pipeline::{BANDS_MAX, BandKind, METER_ID_MAX, Meter, MeterId, MeterSpec, Metered};

/// A request to change meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeterMod {
    /// Add a meter that is not there yet.
    Add(MeterId, MeterSpec),
    /// Change a meter that is there: what it has seen goes on, what its bands have seen does not.
    Modify(MeterId, MeterSpec),
    /// Delete a meter and the entries that name it; None: all meters. That it is not there is no error.
    Delete(Option<MeterId>),
}

/// A meter and what it has seen.
#[derive(Clone, Debug)]
pub struct MeterStats {
    /// Its number.
    pub id: MeterId,
    /// What was asked for.
    pub spec: MeterSpec,
    /// When it was added, in milliseconds of the caller's clock.
    pub created: u64,
    /// Entries that name it.
    pub users: u32,
    /// All that went into it.
    pub seen: Metered,
    /// What each band was applied to.
    pub bands: Vec<Metered>,
}

impl Ofproto {
    /// Does what is asked, or nothing.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn meter_mod(&mut self, now: u64, request: MeterMod) -> Result<Applied, Error> {
        match request {
            MeterMod::Add(id, _) if self.has_meter(id) => Err(MeterModFailed::MeterExists(id).into()),
            MeterMod::Modify(id, _) if !self.has_meter(id) => Err(MeterModFailed::UnknownMeter(id).into()),
            MeterMod::Add(id, spec) => {
                check(id, &spec)?;
                self.pipeline.set_meter(id, Meter::new(spec));
                self.meters.insert_mut(id, now);
                Ok(Applied { added: 1, ..Applied::default() })
            }
            MeterMod::Modify(id, spec) => {
                check(id, &spec)?;
                let meter = self.pipeline.meter(id).map(|meter| meter.renewed(spec.clone()));
                self.pipeline.set_meter(id, meter.unwrap_or_else(|| Meter::new(spec)));
                Ok(Applied { modified: 1, ..Applied::default() })
            }
            MeterMod::Delete(Some(id)) => Ok(self.drop_meter(now, id)),
            MeterMod::Delete(None) => {
                let all: Vec<MeterId> = self.meters.keys().copied().collect();
                let mut applied = Applied::default();
                all.into_iter().for_each(|id| applied.extend(self.drop_meter(now, id)));
                Ok(applied)
            }
        }
    }

    fn drop_meter(&mut self, now: u64, id: MeterId) -> Applied {
        if !self.meters.remove_mut(&id) {
            return Applied::default();
        }
        self.pipeline.remove_meter(id);
        let mut applied = Applied { others_removed: 1, ..Applied::default() };
        if self.names.meter_users(id) > 0 {
            let named = |entry: &super::Entry| entry.installed.rule.instructions.meter == Some(id);
            let all = self.entries(Filter::default()).filter(|(_, entry)| named(entry));
            let users: Vec<_> = all.map(|(table, entry)| (table, entry.clone())).collect();
            let gone = users.iter().filter_map(|(table, e)| self.take(now, *table, e, Reason::MeterDelete));
            applied.removed.extend(gone);
        }
        applied
    }

    /// Whether there is such a meter.
    pub fn has_meter(&self, id: MeterId) -> bool {
        self.meters.contains_key(&id)
    }

    /// All meters, in the order of their numbers.
    pub fn meters(&self) -> impl Iterator<Item = MeterStats> {
        self.meters.iter().filter_map(|(id, created)| {
            let meter = self.pipeline.meter(*id)?;
            Some(MeterStats {
                id: *id,
                spec: meter.spec().clone(),
                created: *created,
                users: self.names.meter_users(*id),
                seen: meter.seen(),
                bands: meter.exceeded().collect(),
            })
        })
    }
}

fn check(id: MeterId, spec: &MeterSpec) -> Result<(), Error> {
    if !(1..=METER_ID_MAX).contains(&id.0) {
        return Err(MeterModFailed::InvalidMeter(id).into());
    }
    if spec.bands.len() > BANDS_MAX {
        return Err(MeterModFailed::OutOfBands.into());
    }
    for band in &spec.bands {
        if band.rate == 0 {
            return Err(MeterModFailed::BadRate.into());
        }
        if matches!(band.kind, BandKind::DscpRemark { prec_level: 0 }) {
            return Err(MeterModFailed::BadBandValue.into());
        }
    }
    Ok(())
}
