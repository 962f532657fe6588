//! A customer names the address of their own system.

use ::events::CustomerId;
use ::events::codes::Channel;
use common::clock::Clock;
use common::config::Secret;
use sqlx::PgConnection;

use crate::clients::standard_webhooks;
use crate::store;

/// Keeps the address, with a new secret, which is shown this once. It must be verified
/// before anything goes there.
///
/// # Errors
/// What the database says.
pub async fn set_webhook(
    tx: &mut PgConnection,
    clock: &Clock,
    customer_id: CustomerId,
    url: &str,
) -> Result<Secret, sqlx::Error> {
    let now = clock.now();
    let secret = new_secret()?;
    store::contact::set_webhook(tx, customer_id, url, &secret, now).await?;
    store::verification::end_codes(tx, customer_id, Channel::Webhook, now).await?;
    store::delivery::look_again(tx, customer_id, true, now).await?;
    Ok(standard_webhooks::shown(&secret))
}

/// A new secret.
pub(super) fn new_secret() -> Result<Vec<u8>, sqlx::Error> {
    standard_webhooks::new_secret()
        .map_err(|_| sqlx::Error::Protocol("no randomness for a secret".to_owned()))
}
