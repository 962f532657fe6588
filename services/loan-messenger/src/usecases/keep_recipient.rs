//! Someone can be written to.

use ::events::codes::Channel;
use common::clock::Clock;
use sqlx::PgConnection;

use super::Rules;
use super::request_verification::request_verification;
use crate::store;
use crate::store::recipient::Recipient;

/// Keeps whom we write to; `false` if what is known is as new, or the customer
/// was removed. A mail address that is new is sent a code, and what waited for an
/// address is looked at again.
///
/// # Errors
/// What the database says.
pub async fn keep_recipient(
    tx: &mut PgConnection,
    clock: &Clock,
    rules: &Rules,
    recipient: &Recipient,
) -> Result<bool, sqlx::Error> {
    store::message::take_turn(tx).await?;
    let customer_id = recipient.customer_id;
    let (mail, mobile) = store::recipient::addresses(tx, customer_id).await?;
    if !store::recipient::keep(tx, recipient).await? {
        return Ok(false);
    }
    // An address that comes back later is proven anew.
    let is_other_mail = recipient.user_email != mail;
    if is_other_mail {
        store::contact::unverify(tx, customer_id, Channel::Mail).await?;
    }
    let is_other_mobile = mobile.as_deref() != Some(recipient.user_mobile.as_str());
    if is_other_mobile {
        store::contact::unverify(tx, customer_id, Channel::Sms).await?;
    }
    let now = clock.now();
    for (channel, is_other) in [(Channel::Mail, is_other_mail), (Channel::Sms, is_other_mobile)] {
        if is_other {
            store::verification::end_codes(tx, customer_id, channel, now).await?;
        }
    }
    store::delivery::look_again(tx, customer_id, is_other_mail || is_other_mobile, now).await?;
    // Who reads the whole history of the customers does not write to all of them.
    let is_news = now - recipient.changed_at < rules.code_good_for;
    if is_news && recipient.user_email.is_some() && is_other_mail {
        // Whether a code was sent is the customer's to find out: they can ask for one.
        request_verification(tx, clock, rules, customer_id, Channel::Mail).await?;
    }
    Ok(true)
}
