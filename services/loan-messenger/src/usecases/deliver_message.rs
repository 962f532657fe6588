//! A message is sent, and what came of it is written down.

use std::time::Duration;

use ::events::codes::DeliveryState;
use common::db::described;
use time::OffsetDateTime;

use super::claim_deliveries::Job;
use super::{Office, dice};
use crate::clients::Outcome;
use crate::domain::delivery::Reason;
use crate::store;
use crate::store::delivery::Ended;

/// Whoever has not begun to send so long after taking was stopped meanwhile.
const TOO_LATE: Duration = Duration::from_secs(5);

/// The pause while the database can't be told.
const PAUSE: Duration = Duration::from_millis(500);

/// Sends a message that was taken. Never fails: what did not work out is tried again by
/// whoever takes the next turn.
pub async fn deliver_message(office: &Office, job: Job) {
    // Whoever was stopped (and not killed) between taking and sending comes too late:
    // somebody else may be at it.
    if job.taken.elapsed() >= TOO_LATE {
        tracing::warn!(message_id = %job.message_id, "a message was taken too long ago to be sent");
        return;
    }
    let outcome = match office.ways.of(job.channel) {
        Some(way) => way.send(&job.letter, &job.destination).await,
        None => Outcome::failed(Reason::NotOffered.code()),
    };
    metrics::counter!(
        "message_attempts_total", "channel" => job.channel.code(), "outcome" => outcome.name()
    )
    .increment(1);
    let now = office.clock.now();
    let ended = ended(office, &job, &outcome, now);
    let (message_id, tries) = (job.message_id, job.tries);
    if matches!(outcome, Outcome::Sent) {
        let waited = (now - job.created_at).as_seconds_f64();
        metrics::histogram!("message_sent_seconds", "channel" => job.channel.code()).record(waited);
    } else {
        tracing::info!(%message_id, tries, channel = %job.channel, outcome = outcome.name(), detail = ended.detail, "a message was not sent");
    }
    let (customer_id, address) = (job.customer_id, job.destination.address);
    job.leave.settle(&outcome);
    let gone = (outcome == Outcome::Gone).then_some((customer_id, address.as_str()));
    write_down(office, &ended, gone).await;
}

/// What is to be written down.
fn ended(office: &Office, job: &Job, outcome: &Outcome, now: OffsetDateTime) -> Ended {
    let mut ended = Ended {
        message_id: job.message_id,
        number: job.number,
        outcome: "sent",
        detail: None,
        state: DeliveryState::Sent,
        reason: None,
        next_at: now,
        at: now,
    };
    match outcome {
        Outcome::Sent => {}
        Outcome::Refused { detail } => {
            ended.outcome = "refused";
            ended.detail = Some(detail.clone());
            ended.state = DeliveryState::Failed;
            ended.reason = Some(detail.clone());
        }
        Outcome::Gone => {
            ended.outcome = "refused";
            ended.detail = Some("410".to_owned());
            ended.state = DeliveryState::Waiting;
            ended.reason = Some(Reason::Gone.code().to_owned());
        }
        Outcome::Failed { detail, retry_after, .. } => {
            let pause = office.rules.retry.pause_after(job.tries, *retry_after, dice());
            ended.outcome = "failed";
            ended.detail = Some(detail.clone());
            ended.state = DeliveryState::Waiting;
            ended.reason = Some(detail.clone());
            ended.next_at = (now + pause).min(job.give_up_at.max(now));
        }
    }
    ended
}

/// Writes it down, however long the database is away: what was sent and is not known to
/// be will be sent again.
async fn write_down(office: &Office, ended: &Ended, gone: Option<(::events::CustomerId, &str)>) {
    let forced = office.shutdown.hard();
    loop {
        let error = match write(office, ended, gone).await {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!(message_id = %ended.message_id, "this message was dropped, or taken by somebody else, meanwhile");
                return;
            }
            Err(error) => error,
        };
        // However late: what comes too late changes nothing.
        if forced.is_cancelled() {
            tracing::warn!(message_id = %ended.message_id, error = %described(&error), "what came of a message could not be written down; it will be sent again");
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = forced.cancelled() => {}
        }
    }
}

async fn write(
    office: &Office,
    ended: &Ended,
    gone: Option<(::events::CustomerId, &str)>,
) -> Result<bool, sqlx::Error> {
    let pool = office.db.pool();
    if let Some((customer_id, url)) = gone {
        store::contact::webhook_is_gone(pool, customer_id, url, ended.at).await?;
    }
    store::delivery::end_attempt(pool, ended).await
}
