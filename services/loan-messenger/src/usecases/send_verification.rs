//! A code is sent to the address that it proves.

use std::time::Duration;

use common::config::Secret;
use time::OffsetDateTime;

use super::{Office, dice};
use crate::clients::{Destination, Outcome, standard_webhooks};
use crate::domain::letter::{Facts, Letter, verification_key};
use crate::domain::notice;
use crate::store;
use crate::store::verification::DueVerification;

/// When a target without a free place, or that is left alone, is looked at again.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// Tries after which the pause grows no more.
const TRIES_COUNTED_MAX: u32 = 4;

/// Sends a code that was taken. One that did not arrive is sent again for as long as it
/// is good; who waits for it can ask for another.
///
/// # Errors
/// What the database says.
pub async fn send_verification(office: &Office, due: DueVerification) -> Result<(), sqlx::Error> {
    let now = office.clock.now();
    let pool = office.db.pool();
    // It is old, confirmed meanwhile, or of an address that is in use no more.
    if due.expires_at <= now || !due.is_present {
        return store::verification::end_sending(pool, due.id, None, None).await;
    }
    let Some(outcome) = send(office, &due, now).await else {
        // Its target is not to be bothered now; that is no try.
        let later = now + BUSY_PAUSE;
        return store::verification::end_sending(pool, due.id, None, Some(later)).await;
    };
    metrics::counter!(
        "message_verifications_total", "channel" => due.channel.code(), "outcome" => outcome.name()
    )
    .increment(1);
    let at = office.clock.now();
    match outcome {
        Outcome::Sent => store::verification::end_sending(pool, due.id, Some(at), None).await,
        Outcome::Refused { .. } | Outcome::Gone => {
            store::verification::end_sending(pool, due.id, None, None).await
        }
        Outcome::Failed { retry_after, .. } => {
            // Somebody waits for it.
            let tries = u32::try_from(due.attempts).unwrap_or(u32::MAX).min(TRIES_COUNTED_MAX);
            let pause = office.rules.retry.pause_after(tries, retry_after, dice());
            store::verification::end_sending(pool, due.id, None, Some(at + pause)).await
        }
    }
}

async fn send(office: &Office, due: &DueVerification, now: OffsetDateTime) -> Option<Outcome> {
    let way = office.ways.of(due.channel)?;
    let language = due.language.unwrap_or_default();
    let left = Duration::try_from(due.expires_at - now).unwrap_or_default();
    let minutes = u32::try_from(left.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
    let letter = Letter {
        key: verification_key(due.id),
        language,
        text: notice::verification(&due.code, minutes, language),
        facts: Facts::Verification { code: due.code.clone(), expires_at: due.expires_at },
        at: due.expires_at - office.rules.code_good_for,
    };
    let secrets: Vec<Secret> =
        due.webhook_secret.iter().map(|one| standard_webhooks::shown(one)).collect();
    let destination = Destination { address: due.address.clone(), secrets };
    let leave = office.code_circuits.leave(&way.target(&destination)).ok()?;
    let outcome = way.send(&letter, &destination).await;
    leave.settle(&outcome);
    Some(outcome)
}
