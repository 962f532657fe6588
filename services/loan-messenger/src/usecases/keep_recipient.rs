//! Someone can be written to.

use sqlx::PgConnection;

use crate::store;
use crate::store::recipient::Recipient;

/// Keeps whom we write to; `false` if what is known is as new, or the customer
/// was removed.
///
/// # Errors
/// What the database says.
pub async fn keep_recipient(
    tx: &mut PgConnection,
    recipient: &Recipient,
) -> Result<bool, sqlx::Error> {
    store::recipient::keep(tx, recipient).await
}
