//! A customer chooses how messages come, and which.

use ::events::CustomerId;
use ::events::codes::{Channel, MessageKind};
use common::clock::Clock;
use sqlx::PgConnection;

use crate::store;

/// Keeps what was chosen; what is `None` stays. It holds for what waits, too.
///
/// # Errors
/// What the database says.
pub async fn change_preference(
    tx: &mut PgConnection,
    clock: &Clock,
    customer_id: CustomerId,
    channel: Option<Channel>,
    opted_out: Option<&[MessageKind]>,
) -> Result<(), sqlx::Error> {
    let now = clock.now();
    let before = store::contact::find(&mut *tx, customer_id).await?.chosen;
    let goes_elsewhere = channel.is_some() && channel != before;
    store::contact::choose(tx, customer_id, channel, opted_out, now).await?;
    store::delivery::look_again(tx, customer_id, goes_elsewhere, now).await
}
