//! `LoanRequestCancelled`: a request was compensated.

use ::events::LoanRequestCancelled;
use common::consumer::HandlerError;
use common::event::ReceivedEvent;
use sqlx::PgConnection;

use crate::usecases::mark_cancelled::mark_cancelled;

/// Marks the request's entries as 요청취소. Not an entry of its own: the
/// rejection that led to it is one, and says why.
pub(super) async fn on_loan_request_cancelled(
    tx: &mut PgConnection,
    _event: &ReceivedEvent,
    cancelled: LoanRequestCancelled,
) -> Result<(), HandlerError> {
    mark_cancelled(tx, cancelled.loan_request_id, cancelled.cancelled_at).await?;
    Ok(())
}
