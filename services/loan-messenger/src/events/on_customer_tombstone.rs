//! The tombstone of a customer: the compacted topic forgets them.

use ::events::CustomerId;
use common::consumer::HandlerError;
use common::event::ReceivedEvent;
use sqlx::PgConnection;

use super::Desk;
use crate::usecases::forget_recipient::forget_recipient;

/// Does what `CustomerRemoved` does. That event comes first under the same
/// key, and so may have been compacted away while we were not there to read it.
pub(super) async fn on_customer_tombstone(
    tx: &mut PgConnection,
    desk: &Desk,
    event: &ReceivedEvent,
) -> Result<(), HandlerError> {
    let customer_id: CustomerId = event
        .key
        .as_deref()
        .and_then(|key| key.parse().ok())
        .ok_or_else(|| HandlerError::Impossible("the key is no customer's id".to_owned()))?;
    forget_recipient(tx, &desk.clock, customer_id, event.time).await?;
    Ok(())
}
