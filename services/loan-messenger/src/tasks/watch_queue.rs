//! Shows how long the queue is, looks for what is stuck in it, and purges what has had
//! its time.

use std::time::Duration;

use common::db::described;
use time::Duration as Span;

use super::pause;
use crate::store::{queue, verification};
use crate::usecases::Office;
use crate::usecases::request_verification::WINDOW;

/// The figures of watching.
#[derive(Clone, Copy, Debug)]
pub struct WatchQueue {
    /// The time between two looks at the queue.
    pub every: Duration,
    /// The time between two looks for what is to be purged.
    pub purge_every: Duration,
    /// How long attempts are kept.
    pub keep_attempts: Span,
    /// Rows in one statement at most, so that none holds locks for long.
    pub batch_max: u32,
}

/// Watches until the process ends.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn watch_queue(office: Office, figures: WatchQueue) -> anyhow::Result<()> {
    let mut purged: Option<tokio::time::Instant> = None;
    loop {
        if let Err(error) = look(&office).await {
            tracing::warn!(error = %described(&error), "the queue can't be looked at");
        }
        if purged.is_none_or(|at| at.elapsed() >= figures.purge_every) {
            purged = Some(tokio::time::Instant::now());
            if let Err(error) = sweep(&office).await {
                tracing::warn!(error = %described(&error), "looking for stuck messages waits for the database");
            }
            if let Err(error) = purge(&office, figures).await {
                tracing::warn!(error = %described(&error), "purging waits for the database");
            }
        }
        if !pause(figures.every, &office.shutdown).await {
            return Ok(());
        }
    }
}

/// Looks for messages without a turn. There should be none.
async fn sweep(office: &Office) -> Result<(), sqlx::Error> {
    let stuck = queue::sweep(office.db.pool(), office.clock.now()).await?;
    if stuck > 0 {
        tracing::error!(stuck, "messages waited without a turn; they have one now");
        metrics::counter!("message_turns_mended_total").increment(stuck);
    }
    Ok(())
}

async fn look(office: &Office) -> Result<(), sqlx::Error> {
    let now = office.clock.now();
    let backlog = queue::backlog(office.db.pool()).await?;
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float, and needs no last digit")]
    let [waiting, held] = [backlog.waiting as f64, backlog.held as f64];
    metrics::gauge!("message_waiting").set(waiting);
    metrics::gauge!("message_held_customers").set(held);
    for (channel, oldest) in backlog.oldest() {
        let age = oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64());
        metrics::gauge!("message_oldest_unsent_seconds", "channel" => channel.code())
            .set(age.max(0.0));
    }
    Ok(())
}

async fn purge(office: &Office, figures: WatchQueue) -> Result<(), sqlx::Error> {
    let (pool, now) = (office.db.pool(), office.clock.now());
    verification::purge(pool, now - WINDOW).await?;
    let limit = i64::from(figures.batch_max);
    while !office.shutdown.soft().is_cancelled() {
        let rows = queue::purge_attempts(pool, now - figures.keep_attempts, limit).await?;
        if rows < u64::from(figures.batch_max) {
            break;
        }
    }
    Ok(())
}
