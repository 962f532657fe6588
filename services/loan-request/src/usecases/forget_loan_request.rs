//! A request that nobody has looked at leaves nothing behind.

use ::events::LoanRequestId;
use common::idempotency;
use sqlx::PgConnection;

use crate::store::loan_request;

/// Removes the request if nothing is decided about it, and frees its
/// `Idempotency-Key`. Kept for audit, what is turned away without a look would let
/// a flood of attempts fill the table.
///
/// # Errors
/// What the database says.
pub async fn forget_loan_request(
    tx: &mut PgConnection,
    id: LoanRequestId,
) -> Result<(), sqlx::Error> {
    if loan_request::remove_undecided(tx, id).await? {
        idempotency::release(tx, id.as_uuid()).await?;
    }
    Ok(())
}
