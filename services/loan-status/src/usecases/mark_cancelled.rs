//! A request was compensated: its entries say so from now on.

use ::events::LoanRequestId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::store;

/// Marks a request as compensated, whether or not its entries are there yet;
/// `false` if it was marked before.
///
/// # Errors
/// What the database says.
pub async fn mark_cancelled(
    tx: &mut PgConnection,
    loan_request_id: LoanRequestId,
    cancelled_at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    // As for an entry: one lock is before every change of what is shown.
    store::feed_counter::generation(tx).await?;
    store::cancellation::insert(tx, loan_request_id, cancelled_at).await
}
