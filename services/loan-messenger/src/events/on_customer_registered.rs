//! `CustomerRegistered`: there is someone to write to.

use ::events::CustomerRegistered;
use common::consumer::HandlerError;
use sqlx::PgConnection;

use super::Desk;
use crate::store::recipient::Recipient;
use crate::usecases::keep_recipient::keep_recipient;

/// Keeps whom to write to, and in which language.
pub(super) async fn on_customer_registered(
    tx: &mut PgConnection,
    desk: &Desk,
    registered: CustomerRegistered,
) -> Result<(), HandlerError> {
    let recipient = Recipient {
        customer_id: registered.customer_id,
        language: registered.language,
        user_name: registered.user_name,
        user_mobile: registered.user_mobile,
        user_email: registered.user_email,
        changed_at: registered.registered_at,
    };
    keep_recipient(tx, &desk.clock, &desk.rules, &recipient).await?;
    Ok(())
}
