//! `CustomerChanged`: a name, an address or the language is another one.

use ::events::CustomerChanged;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use super::Desk;
use crate::store::recipient::Recipient;
use crate::usecases::keep_recipient::keep_recipient;

/// Keeps the customer as they are now, unless something newer is known.
pub(super) async fn on_customer_changed(
    tx: &mut PgConnection,
    desk: &Desk,
    changed: CustomerChanged,
) -> Result<(), HandlerError> {
    let recipient = Recipient {
        customer_id: changed.customer_id,
        language: changed.language,
        user_name: changed.user_name,
        user_mobile: changed.user_mobile,
        user_email: changed.user_email,
        changed_at: changed.changed_at,
    };
    keep_recipient(tx, &desk.clock, &desk.rules, &recipient).await?;
    Ok(())
}
