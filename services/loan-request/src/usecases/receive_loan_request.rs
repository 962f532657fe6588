//! loan-manager has taken a request in.

use ::events::{CustomerId, LoanId, LoanRequestId};
use common::clock::Clock;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StepError, note_done};
use crate::domain::standing::Step;
use crate::store::loan_request::{self, Change};

/// Marks the request as received, and keeps the loan that it is about.
///
/// # Errors
/// If there is no such request, or it cannot have been received.
pub async fn receive_loan_request(
    tx: &mut PgConnection,
    id: LoanRequestId,
    customer: CustomerId,
    loan: LoanId,
    at: OffsetDateTime,
    clock: &Clock,
) -> Result<Step, StepError> {
    if loan_request::receive_pending(&mut *tx, id, customer, loan, at).await? {
        note_done(id, "received", clock.now());
        return Ok(Step::Applied(crate::domain::standing::Standing::Received(customer)));
    }
    let request = loan_request::lock(tx, id).await?.ok_or(StepError::NoSuchRequest)?;
    let step = request.standing.receive(customer)?;
    if let Step::Applied(standing) = step {
        let change = Change { standing, loan_id: Some(loan), reason: None, comment: None, at };
        loan_request::write(tx, id, change).await?;
        note_done(id, "received", clock.now());
    }
    Ok(step)
}
