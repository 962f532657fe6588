//! loan-manager cannot work on a request.

use ::events::codes::RejectionReason;
use ::events::{CustomerId, LoanId, LoanRequestId};
use common::clock::Clock;
use common::outbox;
use sqlx::PgConnection;

use super::{StepError, note_done};
use crate::domain::standing::{Standing, Step};
use crate::publish;
use crate::store::fact;
use crate::store::loan_request::{self, Change};

/// What loan-manager says of a request that it cannot work on.
#[derive(Clone, Copy, Debug)]
pub struct Rejection<'a> {
    /// Which request.
    pub id: LoanRequestId,
    /// Whose.
    pub customer: CustomerId,
    /// The loan, where there is one and it is theirs.
    pub loan_id: Option<LoanId>,
    /// Why.
    pub reason: RejectionReason,
    /// What an officer said to it.
    pub comment: Option<&'a str>,
}

/// Takes the request out of the customer's list, keeps it for audit, and tells
/// loan-auth.
///
/// # Errors
/// If there is no such request, or it cannot have come to loan-manager.
pub async fn compensate_loan_request(
    tx: &mut PgConnection,
    rejection: Rejection<'_>,
    clock: &Clock,
) -> Result<Step, StepError> {
    let Rejection { id, customer, loan_id, reason, comment } = rejection;
    let request = loan_request::lock(tx, id).await?.ok_or(StepError::NoSuchRequest)?;
    let step = request.standing.compensate(customer)?;
    if let Step::Applied(standing) = step {
        let code = Some(reason.code());
        let at = clock.now();
        // One that was received has been counted then.
        if matches!(request.standing, Standing::Undecided | Standing::Certified(_)) {
            note_done(id, "rejected", at);
        }
        let change = Change { standing, loan_id, reason: code, comment, at };
        loan_request::write(tx, id, change).await?;
        // The loan that the row names is only what the customer wrote; another's
        // must not get this into its partition.
        let event = publish::loan_request_cancelled(&request, customer, loan_id, reason, at, clock);
        fact::keep_cancellation(tx, id, event.id).await?;
        outbox::append(tx, &[event]).await?;
    }
    Ok(step)
}
