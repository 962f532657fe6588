//! loan-manager cannot work on a request, or an officer refused a repayment.

use ::events::LoanRequestRejected;
use common::clock::Clock;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::usecases::{Rejection, compensate_loan_request};

/// The request becomes `요청취소`, and loan-auth is told.
pub(super) async fn on_loan_request_rejected(
    tx: &mut PgConnection,
    event: LoanRequestRejected,
    clock: &Clock,
) -> Result<(), HandlerError> {
    let rejection = Rejection {
        id: event.loan_request_id,
        customer: event.customer_id,
        loan_id: event.loan_id,
        reason: event.reason,
        comment: event.comment.as_deref(),
    };
    compensate_loan_request(tx, rejection, clock).await?;
    Ok(())
}
