//! A customer's own system is written to no more.

use ::events::CustomerId;
use ::events::codes::Channel;
use common::clock::Clock;
use sqlx::PgConnection;

use crate::store;

/// Removes the web-hook and ends its codes; `false` if there was none.
///
/// # Errors
/// What the database says.
pub async fn remove_webhook(
    tx: &mut PgConnection,
    clock: &Clock,
    customer_id: CustomerId,
) -> Result<bool, sqlx::Error> {
    store::verification::end_codes(tx, customer_id, Channel::Webhook, clock.now()).await?;
    store::contact::remove_webhook(tx, customer_id).await
}
