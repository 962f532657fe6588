//! What nobody needs any more goes: refused and voided certifications, which hold
//! what strangers wrote; failures and registrations that no bound looks at; addresses that are not
//! the owner's any more; logins that have ended.

use std::time::Duration;

use common::clock::Clock;
use common::db::{Db, described};
use common::shutdown::Shutdown;
use time::Duration as Span;

use crate::store::{
    certification, known_address, login_failure, refresh_family, registration_attempt,
};

/// The figures of purging.
#[derive(Clone, Copy, Debug)]
pub struct PurgeExpired {
    /// How long a certification is kept that nobody was proven for.
    pub keep_refused: Span,
    /// How long a failure is looked at.
    pub keep_failures: Span,
    /// How long a registration is counted.
    pub keep_registrations: Span,
    /// How long an address is the owner's.
    pub keep_addresses: Span,
    /// The time between two looks.
    pub every: Duration,
    /// Rows in one statement at most, so that none holds locks for long.
    pub batch_max: u32,
}

/// Purges until the process ends.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn purge_expired(
    db: Db,
    clock: Clock,
    figures: PurgeExpired,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let soft = shutdown.soft();
    loop {
        match round(&db, &clock, figures, &shutdown).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "what is not needed any more was purged"),
            Err(error) => {
                tracing::warn!(error = %described(&error), "purging waits for the database")
            }
        }
        tokio::select! {
            () = soft.cancelled() => return Ok(()),
            () = tokio::time::sleep(figures.every) => {}
        }
    }
}

/// Purges what is due; says how many rows it were.
async fn round(
    db: &Db,
    clock: &Clock,
    figures: PurgeExpired,
    shutdown: &Shutdown,
) -> Result<u64, sqlx::Error> {
    let (pool, now, limit) = (db.pool(), clock.now(), i64::from(figures.batch_max));
    let mut purged = 0;
    loop {
        let rows = [
            certification::purge(pool, now - figures.keep_refused, limit).await?,
            login_failure::purge(pool, now - figures.keep_failures, limit).await?,
            registration_attempt::purge(pool, now - figures.keep_registrations, limit).await?,
            known_address::purge(pool, now - figures.keep_addresses, limit).await?,
            refresh_family::purge(pool, now, limit).await?,
        ];
        purged += rows.iter().sum::<u64>();
        let is_done = rows.iter().all(|rows| *rows < u64::from(figures.batch_max));
        if is_done || shutdown.soft().is_cancelled() {
            return Ok(purged);
        }
    }
}

#[cfg(test)]
#[path = "purge_expired_tests.rs"]
mod tests;
