//! Which loans are open, as loan-manager tells.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::store::open_loan::{self, LoanState};

/// Takes over a loan's state, unless a newer one is known.
///
/// # Errors
/// The database's.
pub async fn follow_loan(
    tx: &mut PgConnection,
    state: LoanState,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    if !open_loan::follow(tx, state, now).await? {
        tracing::debug!(loan_id = %state.loan_id, "an event about a loan is older than what is known");
    }
    Ok(())
}
