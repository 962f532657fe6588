//! A customer was removed: nobody is written to any more.

use ::events::CustomerId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::store;

/// Deletes what is personal about a customer, for good; `false` if that was
/// done before. The messages stay: they name nobody, and officers may have to
/// show what a customer was told.
///
/// # Errors
/// What the database says.
pub async fn forget_recipient(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    removed_at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    store::recipient::forget(tx, customer_id, removed_at).await
}
