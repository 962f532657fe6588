//! A customer was removed: nobody is written to any more.

use ::events::CustomerId;
use common::clock::Clock;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::delivery::Reason;
use crate::store;

/// Deletes what is personal about a customer, for good; `false` if that was
/// done before. The messages stay: they name nobody, and officers may have to
/// show what a customer was told. Those that wait are not sent.
///
/// # Errors
/// What the database says.
pub async fn forget_recipient(
    tx: &mut PgConnection,
    clock: &Clock,
    customer_id: CustomerId,
    removed_at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    store::message::take_turn(tx).await?;
    let is_new = store::recipient::forget(tx, customer_id, removed_at).await?;
    store::contact::forget(tx, customer_id).await?;
    let reason = Reason::CustomerRemoved.code();
    store::delivery::drop_all(tx, customer_id, reason, clock.now()).await?;
    Ok(is_new)
}
