//! `CustomerRemoved`: nobody is there any more.

use ::events::CustomerRemoved;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use super::Desk;
use crate::usecases::forget_recipient::forget_recipient;

/// Deletes what is personal, for good.
pub(super) async fn on_customer_removed(
    tx: &mut PgConnection,
    desk: &Desk,
    removed: CustomerRemoved,
) -> Result<(), HandlerError> {
    forget_recipient(tx, &desk.clock, removed.customer_id, removed.removed_at).await?;
    Ok(())
}
