//! Refused requests go when nobody needs them for audit any more: they hold what
//! strangers wrote in customers' names.

use std::time::Duration;

use common::db::described;
use common::shutdown::Shutdown;
use time::Duration as Span;

use super::pause;
use crate::store::loan_request;
use crate::usecases::Desk;

/// The figures of purging.
#[derive(Clone, Copy, Debug)]
pub struct PurgeRefused {
    /// How long a refused request is kept.
    pub keep: Span,
    /// The time between two looks.
    pub every: Duration,
    /// Rows in one statement at most, so that none holds locks for long.
    pub batch_max: u32,
}

/// Purges until the process ends.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn purge_refused(
    desk: Desk,
    figures: PurgeRefused,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    loop {
        match round(&desk, figures, &shutdown).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "refused requests were purged"),
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
    figures: PurgeRefused,
    shutdown: &Shutdown,
) -> Result<u64, sqlx::Error> {
    let before = desk.clock.now() - figures.keep;
    let mut purged = 0;
    while !shutdown.soft().is_cancelled() {
        let limit = i64::from(figures.batch_max);
        let rows = loan_request::purge_refused(desk.db.pool(), before, limit).await?;
        purged += rows;
        if rows < u64::from(figures.batch_max) {
            break;
        }
    }
    Ok(purged)
}

#[cfg(test)]
mod tests;
