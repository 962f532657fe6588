//! loan-manager has taken requests in.

use std::collections::HashSet;

use common::clock::Clock;
use sqlx::PgConnection;

use super::{StepError, note_done};
use crate::domain::standing::Step;
use crate::store::loan_request::{self, Change, NewlyReceived};

/// Marks requests as received, and keeps the loan that each is about.
///
/// # Errors
/// If one of them is not there, or cannot have been received.
pub async fn receive_loan_requests(
    tx: &mut PgConnection,
    received: &[NewlyReceived],
    clock: &Clock,
) -> Result<(), StepError> {
    let pending = loan_request::receive_pending(tx, received).await?;
    let mut pending: HashSet<_> = pending.into_iter().collect();
    for one in received {
        // Taken out, because two events may say it of one request, and not the same.
        let is_received = pending.remove(&(one.id, one.customer));
        if is_received || receive(tx, one).await? != Step::AlreadyApplied {
            note_done(one.id, "received", clock.now());
        }
    }
    Ok(())
}

/// One that is not simply pending: the domain says what that means.
async fn receive(tx: &mut PgConnection, received: &NewlyReceived) -> Result<Step, StepError> {
    let NewlyReceived { id, customer, loan, at } = *received;
    let request = loan_request::lock(tx, id).await?.ok_or(StepError::NoSuchRequest)?;
    let step = request.standing.receive(customer)?;
    if let Step::Applied(standing) = step {
        let change = Change { standing, loan_id: Some(loan), reason: None, comment: None, at };
        loan_request::write(tx, id, change).await?;
    }
    Ok(step)
}
