//! loan-auth has decided about a request.

use ::events::LoanRequestId;
use common::idempotency;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StepError;
use crate::domain::standing::{Step, Verdict, WRONG_PROOF};
use crate::store::loan_request::{self, Change};

/// Brings the request to where the decision puts it. One that ended without a
/// loan frees its `Idempotency-Key` in the same transaction, so that the caller
/// may try again with it.
///
/// # Errors
/// If there is no such request, or it is known to have been decided otherwise.
pub async fn settle_certification(
    tx: &mut PgConnection,
    id: LoanRequestId,
    verdict: Verdict,
    at: OffsetDateTime,
) -> Result<Step, StepError> {
    let request = loan_request::lock(tx, id).await?.ok_or(StepError::NoSuchRequest)?;
    let step = request.standing.settle(verdict)?;
    let Step::Applied(standing) = step else { return Ok(step) };
    let reason = match verdict {
        Verdict::Certified(_) => None,
        Verdict::Refused => Some(WRONG_PROOF),
        Verdict::Withdrawn(withdrawal) => Some(withdrawal.code()),
    };
    let change = Change { standing, loan_id: None, reason, comment: None, at };
    loan_request::write(tx, id, change).await?;
    if standing.customer().is_none() {
        idempotency::release(tx, id.as_uuid()).await?;
    }
    Ok(step)
}
