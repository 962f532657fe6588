//! Asks for what nobody knows: whether loan-auth has certified a request whose
//! answer did not come, because loan-auth, the network or this service failed.

use std::time::Duration;

use ::events::LoanRequestId;
use common::db::described;
use common::shutdown::Shutdown;
use futures::StreamExt as _;
use time::Duration as Span;

use super::pause;
use crate::store::loan_request::{self, Undecided};
use crate::usecases::{Desk, StepError, decide_loan_request};

/// The figures of asking on.
#[derive(Clone, Copy, Debug)]
pub struct DecidePending {
    /// The time between two looks.
    pub poll: Duration,
    /// The pause after an attempt that brought nothing; it doubles …
    pub pause: Span,
    /// … up to this.
    pub pause_max: Span,
    /// Requests that are taken at once at most.
    pub batch_max: u32,
    /// Questions on their way at once at most.
    pub concurrency_max: usize,
}

/// Asks on until the process ends.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn decide_pending(
    desk: Desk,
    figures: DecidePending,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    while pause(figures.poll, &shutdown).await {
        if let Err(error) = round(&desk, figures, &shutdown).await {
            tracing::warn!(error = %described(&error), "undecided requests wait for the database");
        }
    }
    Ok(())
}

/// Takes what is overdue and asks for it, until nothing more is overdue.
async fn round(
    desk: &Desk,
    figures: DecidePending,
    shutdown: &Shutdown,
) -> Result<(), sqlx::Error> {
    let pool = desk.db.pool();
    while !shutdown.soft().is_cancelled() {
        let now = desk.clock.now();
        let batch = i64::from(figures.batch_max);
        let taken =
            loan_request::lease_overdue(pool, now, figures.pause, figures.pause_max, batch).await?;
        let is_last = taken.len() < figures.batch_max as usize;
        futures::stream::iter(taken)
            .for_each_concurrent(figures.concurrency_max, |id| decide(desk, id))
            .await;
        if is_last {
            break;
        }
    }
    let now = desk.clock.now();
    show(loan_request::undecided(pool, now - desk.timing.answer_window).await?, now);
    Ok(())
}

async fn decide(desk: &Desk, id: LoanRequestId) {
    let outcome = match decide_loan_request(desk, id).await {
        Ok(Some(verdict)) => {
            tracing::info!(loan_request_id = %id, ?verdict, "decided later");
            "decided"
        }
        Ok(None) => "unknown",
        Err(StepError::Database(error)) => {
            tracing::warn!(loan_request_id = %id, error = %described(&error), "a decision could not be written; it will be asked for again");
            "database"
        }
        Err(error @ (StepError::NoSuchRequest | StepError::Contradiction(_))) => {
            tracing::error!(loan_request_id = %id, %error, "a decision does not fit its request");
            "contradiction"
        }
    };
    metrics::counter!("loan_request_decided_later_total", "outcome" => outcome).increment(1);
}

fn show(undecided: Undecided, now: time::OffsetDateTime) {
    let age = undecided.oldest_at.map_or(0.0, |oldest| (now - oldest).as_seconds_f64());
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float, and needs no last digit")]
    let count = undecided.count as f64;
    metrics::gauge!("loan_request_undecided").set(count);
    metrics::gauge!("loan_request_undecided_oldest_seconds").set(age);
}

#[cfg(test)]
mod tests;
