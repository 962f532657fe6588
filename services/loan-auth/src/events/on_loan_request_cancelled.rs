//! `LoanRequestCancelled`: the request was compensated.

use ::events::LoanRequestCancelled;
use common::clock::Clock;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use crate::usecases::cancel_certification;

/// The certification does not hold any more.
///
/// # Errors
/// The database's.
pub(super) async fn on_loan_request_cancelled(
    tx: &mut PgConnection,
    clock: &Clock,
    event: &LoanRequestCancelled,
) -> Result<(), HandlerError> {
    Ok(cancel_certification(tx, clock, event).await?)
}
