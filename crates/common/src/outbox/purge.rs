//! Old rows of the plumbing go by themselves, in small batches that nobody
//! notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::relay::RelaySettings;
use crate::idempotency::KEPT_HOURS;

/// How many rows one statement deletes at most.
const BATCH_ROWS: i64 = 1_000;

/// How long lies between two rounds that found nothing more to delete.
const ROUND_PAUSE: Duration = Duration::from_secs(60);

/// How long lies between two batches of one round: the purge gives way to work.
const BATCH_PAUSE: Duration = Duration::from_millis(50);

/// Deletes what is old enough until `shutdown`, while `active` says that this
/// instance is the service's relay: one at a time is enough.
pub(super) async fn run(
    pool: &PgPool,
    settings: &RelaySettings,
    active: &AtomicBool,
    shutdown: &CancellationToken,
) {
    loop {
        let pause =
            if active.load(Ordering::Relaxed) { round(pool, settings).await } else { ROUND_PAUSE };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn round(pool: &PgPool, settings: &RelaySettings) -> Duration {
    match batch(pool, settings).await {
        Ok(0) => ROUND_PAUSE,
        Ok(_) => BATCH_PAUSE,
        Err(error) => {
            tracing::debug!(error = %crate::db::described(&error), "the purge waits for the database");
            ROUND_PAUSE
        }
    }
}

/// One batch of each table; says how many rows went.
pub(super) async fn batch(pool: &PgPool, settings: &RelaySettings) -> Result<u64, sqlx::Error> {
    // Only the oldest that were sent are looked at, so that a table with nothing to
    // delete is not read to its end, and what waits before them holds up nothing.
    const OUTBOX: &str = "DELETE FROM outbox WHERE sent_at < now() - make_interval(hours => $1)
        AND id IN (SELECT id FROM outbox WHERE sent_at IS NOT NULL ORDER BY id LIMIT $2)";
    const INBOX: &str = "DELETE FROM inbox WHERE event_id IN (
        SELECT event_id FROM inbox WHERE received_at < now() - make_interval(hours => $1) LIMIT $2)";
    // Looked at once more when it is had: a key that was just claimed anew is kept.
    const IDEMPOTENCY: &str = "DELETE FROM idempotency
        WHERE created_at < now() - make_interval(hours => $1) AND (scope, route, key) IN (
        SELECT scope, route, key FROM idempotency WHERE created_at < now() - make_interval(hours => $1) LIMIT $2)";
    let mut gone = 0;
    for (statement, kept_hours) in [
        (OUTBOX, hours(settings.outbox_keep_hours)),
        (INBOX, hours(settings.inbox_keep_hours)),
        (IDEMPOTENCY, i32::try_from(KEPT_HOURS).unwrap_or(i32::MAX)),
    ] {
        gone += sqlx::query(statement)
            .bind(kept_hours)
            .bind(BATCH_ROWS)
            .execute(pool)
            .await?
            .rows_affected();
    }
    Ok(gone)
}

fn hours(hours: u32) -> i32 {
    i32::try_from(hours).unwrap_or(i32::MAX)
}
