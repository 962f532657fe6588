//! Learning what loan-auth decided about a request whose answer did not come.

use ::events::LoanRequestId;

use super::{Desk, StepError, settle_certification};
use crate::domain::standing::Verdict;

/// Takes the question about the request back, and settles it by what is decided
/// then. `None`: that could not be learnt, and the request stays undecided.
///
/// # Errors
/// If the request cannot be settled so.
pub async fn decide_loan_request(
    desk: &Desk,
    id: LoanRequestId,
) -> Result<Option<Verdict>, StepError> {
    let Ok(verdict) = desk.auth.void(id).await else { return Ok(None) };
    let at = desk.clock.now();
    desk.db
        .in_tx("decide_loan_request", async |tx| settle_certification(tx, id, verdict, at).await)
        .await?;
    Ok(Some(verdict))
}
