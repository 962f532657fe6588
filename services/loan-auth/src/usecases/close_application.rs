//! An application that never becomes a loan.

use ::events::{CustomerId, LoanId};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::store::open_loan;

/// Closes an application's loan for good. Nothing happens the second time.
///
/// # Errors
/// The database's.
pub async fn close_application(
    tx: &mut PgConnection,
    loan_id: LoanId,
    customer_id: CustomerId,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    if !open_loan::cancel(tx, loan_id, customer_id, now).await? {
        tracing::debug!(%loan_id, "the application was closed before");
    }
    Ok(())
}
