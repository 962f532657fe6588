//! Whether another registration is let through from an address.
//!
//! Anyone may register, and each costs a hash and a row for ever, so they are
//! counted by address like wrong passwords: before any waiting, and again with
//! the place for hashing in hand. So the bound is exceeded by no more than can be
//! hashed at the same time.

use std::time::Duration;

use common::clock::Clock;
use common::db::Db;
use moka::sync::Cache;

use super::{Hasher, Origin, Place, Purpose};
use crate::domain::brute_force::{Bounds, Tally};
use crate::error::Error;
use crate::store::registration_attempt;

/// Addresses whose refusals are remembered at most, and for how long after the
/// last one; beyond that `Retry-After` begins to grow anew.
const REFUSALS_MAX: u64 = 100_000;
const REFUSALS_REMEMBERED: Duration = Duration::from_secs(300);

/// Lets registrations through. Cloning is cheap; clones share what they remember.
#[derive(Clone)]
pub struct Registrar {
    db: Db,
    clock: Clock,
    hasher: Hasher,
    bounds: Bounds,
    /// How often an address came too early.
    refusals: Cache<Origin, u32>,
}

impl Registrar {
    /// A registrar with these bounds.
    #[must_use]
    pub fn new(db: Db, clock: Clock, hasher: Hasher, bounds: Bounds) -> Self {
        let refusals =
            Cache::builder().max_capacity(REFUSALS_MAX).time_to_idle(REFUSALS_REMEMBERED).build();
        Self { db, clock, hasher, bounds, refusals }
    }

    /// Counts a registration from an address, and gives it the place to hash its
    /// password in.
    ///
    /// # Errors
    /// [`Error::TooManyRegistrations`], and then it is not counted;
    /// [`Error::Busy`]; the database's.
    pub async fn admit_registration(&self, origin: &Origin) -> Result<Place, Error> {
        let (bound, address) = (self.bounds.registrations, origin.as_str());
        let pool = self.db.pool();
        let before = registration_attempt::tally(pool, address, bound, self.clock.now()).await?;
        self.check(origin, before)?;
        let deadline = self.hasher.deadline();
        let place = self.hasher.place(Purpose::Register, origin, deadline).await?;
        // Others have come through while this one waited.
        let before = registration_attempt::add(pool, address, bound, self.clock.now()).await?;
        self.check(origin, before)?;
        Ok(place)
    }

    fn check(&self, origin: &Origin, before: Tally) -> Result<(), Error> {
        let Some(blocked_for) = self.bounds.registrations.blocked_for(before, self.clock.now())
        else {
            return Ok(());
        };
        let refusals = self.refusals.get(origin).unwrap_or(0);
        self.refusals.insert(origin.clone(), refusals.saturating_add(1));
        metrics::counter!("auth_registrations_refused_total").increment(1);
        let retry_after = self.bounds.retry_after(blocked_for, refusals).unsigned_abs();
        Err(Error::TooManyRegistrations { retry_after })
    }
}
