//! `cancellation`: the requests that were compensated.

use ::events::LoanRequestId;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Marks a request as compensated; `false` if it was marked before.
///
/// # Errors
/// What the database says.
pub async fn insert(
    tx: &mut PgConnection,
    loan_request_id: LoanRequestId,
    cancelled_at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO cancellation (loan_request_id, cancelled_at) VALUES ($1, $2)
         ON CONFLICT (loan_request_id) DO NOTHING",
    )
    .bind(loan_request_id)
    .bind(cancelled_at)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}
