//! A web-hook gets another secret.

use std::time::Duration;

use ::events::CustomerId;
use common::clock::Clock;
use common::config::Secret;
use sqlx::PgConnection;

use super::set_webhook::new_secret;
use crate::clients::standard_webhooks;
use crate::store;

/// How long the secret before signs too.
pub const BOTH_SIGN: Duration = Duration::from_secs(24 * 3_600);

/// Makes a new secret, which is shown this once; for [`BOTH_SIGN`] the one before signs
/// too. `None` if there is no web-hook.
///
/// # Errors
/// What the database says.
pub async fn rotate_webhook_secret(
    tx: &mut PgConnection,
    clock: &Clock,
    customer_id: CustomerId,
) -> Result<Option<Secret>, sqlx::Error> {
    let now = clock.now();
    let secret = new_secret()?;
    let is_there =
        store::contact::rotate_secret(tx, customer_id, &secret, now + BOTH_SIGN, now).await?;
    Ok(is_there.then(|| standard_webhooks::shown(&secret)))
}
