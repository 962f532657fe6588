//! A compensation is told of once more, because somebody has lost it.

use ::events::LoanRequestId;
use ::events::codes::RejectionReason;
use common::clock::Clock;
use common::outbox;
use sqlx::PgConnection;

use crate::publish;
use crate::store::{fact, loan_request};

/// Sends `LoanRequestCancelled` again under the id that it had the first time;
/// `false` if the request was not compensated.
///
/// # Errors
/// What the database says.
pub async fn republish_cancellation(
    tx: &mut PgConnection,
    clock: &Clock,
    id: LoanRequestId,
) -> Result<bool, sqlx::Error> {
    let Some(request) = loan_request::lock(tx, id).await? else { return Ok(false) };
    let Some((first, cancelled_at)) = fact::cancellation(tx, id).await? else { return Ok(false) };
    let reason: Option<RejectionReason> =
        request.reason.as_deref().and_then(|reason| reason.parse().ok());
    let (Some(customer), Some(reason)) = (request.standing.customer(), reason) else {
        return Ok(false);
    };
    // Without the loan: the row may name one that is another's, and nobody who
    // listens needs it.
    let mut event =
        publish::loan_request_cancelled(&request, customer, None, reason, cancelled_at, clock);
    match first {
        Some(first) => event.id = first,
        // From before ids were kept; from now on it has this one.
        None => fact::keep_cancellation(tx, id, event.id).await?,
    }
    outbox::resend(tx, &[event]).await?;
    Ok(true)
}
