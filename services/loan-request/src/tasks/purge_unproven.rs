//! Requests that nobody was certified for, refused or withdrawn, go when they are
//! not needed for audit any more: they hold what strangers wrote in customers' names.

use std::time::Duration;

use common::db::described;
use common::shutdown::Shutdown;
use time::Duration as Span;

use super::pause;
use crate::store::loan_request;
use crate::usecases::Desk;

/// The figures of purging.
#[derive(Clone, Copy, Debug)]
pub struct PurgeUnproven {
    /// How long a refused request is kept.
    pub keep_refused: Span,
    /// How long a withdrawn request is kept.
    pub keep_withdrawn: Span,
    /// The time between two looks.
    pub every: Duration,
    /// Rows in one statement at most, so that none holds locks for long.
    pub batch_max: u32,
}

/// Purges until the process ends.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn purge_unproven(
    desk: Desk,
    figures: PurgeUnproven,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    loop {
        match round(&desk, figures, &shutdown).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "requests that nobody was certified for were purged"),
            Err(error) => {
                tracing::warn!(error = %described(&error), "purging waits for the database");
            }
        }
        if !pause(figures.every, &shutdown).await {
            return Ok(());
        }
    }
}

/// Purges what is due; says how many it were.
async fn round(
    desk: &Desk,
    figures: PurgeUnproven,
    shutdown: &Shutdown,
) -> Result<u64, sqlx::Error> {
    let (pool, now, limit) = (desk.db.pool(), desk.clock.now(), i64::from(figures.batch_max));
    let mut purged = 0;
    while !shutdown.soft().is_cancelled() {
        let rows = [
            loan_request::purge_refused(pool, now - figures.keep_refused, limit).await?,
            loan_request::purge_withdrawn(pool, now - figures.keep_withdrawn, limit).await?,
        ];
        purged += rows.iter().sum::<u64>();
        if rows.iter().all(|rows| *rows < u64::from(figures.batch_max)) {
            break;
        }
    }
    Ok(purged)
}

#[cfg(test)]
mod tests;
