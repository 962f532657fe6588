//! A request was cancelled after it was certified.

use ::events::codes::RequestKind;
use ::events::{CustomerId, LoanId, LoanRequestCancelled, LoanRequestId};
use common::clock::Clock;
use common::outbox;
use sqlx::PgConnection;

use super::close_application;
use crate::domain::certification::Decision;
use crate::publish;
use crate::store::certification;

/// Marks the certification, closes the loan of an application, and says so to the
/// others. A request that was never certified is voided, so that it never will be.
/// Nothing happens the second time.
///
/// # Errors
/// The database's.
pub async fn cancel_certification(
    tx: &mut PgConnection,
    clock: &Clock,
    event: &LoanRequestCancelled,
) -> Result<(), sqlx::Error> {
    let id: LoanRequestId = event.loan_request_id;
    let now = clock.now();
    let owner: Option<CustomerId> = if certification::void(tx, id, now).await? {
        None
    } else {
        match certification::decision(tx, id).await?.ok_or(sqlx::Error::RowNotFound)? {
            Decision::Certified(owner) => {
                certification::cancel(tx, id, owner, now).await?;
                if event.request_id == RequestKind::Apply {
                    close_application(tx, id.into(), owner, now).await?;
                }
                Some(owner)
            }
            Decision::Cancelled(_) | Decision::Refused | Decision::Voided => return Ok(()),
        }
    };
    let loan_id: Option<LoanId> = match event.request_id {
        RequestKind::Apply => Some(id.into()),
        RequestKind::Repay => event.loan_id,
    };
    outbox::append(tx, &[publish::cancelled(id, loan_id, owner, now, clock)]).await
}
