//! A customer says the code that was sent to an address.

use ::events::CustomerId;
use ::events::codes::Channel;
use common::clock::Clock;
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;

use crate::store;

/// Wrong codes that can be tried before a new one is needed.
pub const TRIES_MAX: i32 = 5;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The address is verified.
    Verified,
    /// It is another code.
    Wrong {
        /// So many can still be tried.
        tries_left: i32,
    },
    /// There is no code that counts: none was asked for, it is too old, the address is
    /// another one by now, or too many wrong ones were tried.
    NoCode,
}

/// Verifies the address that the code was sent to, if it is right; then what waited for
/// that is sent.
///
/// # Errors
/// What the database says.
pub async fn confirm_address(
    tx: &mut PgConnection,
    clock: &Clock,
    customer_id: CustomerId,
    channel: Channel,
    code: &str,
) -> Result<Confirmed, sqlx::Error> {
    let now = clock.now();
    let Some(pending) = store::verification::newest(tx, customer_id, channel).await? else {
        return Ok(Confirmed::NoCode);
    };
    let contact = store::contact::find(&mut *tx, customer_id).await?;
    let is_present = contact.address(channel) == Some(&pending.address);
    if !is_present || pending.expires_at <= now || pending.tries >= TRIES_MAX {
        return Ok(Confirmed::NoCode);
    }
    if !bool::from(pending.code.as_bytes().ct_eq(code.as_bytes())) {
        store::verification::count_wrong(tx, pending.id).await?;
        return Ok(Confirmed::Wrong { tries_left: TRIES_MAX - pending.tries - 1 });
    }
    store::contact::verify(tx, customer_id, channel, &pending.address, now).await?;
    store::verification::end_codes(tx, customer_id, channel, now).await?;
    store::delivery::look_again(tx, customer_id, true, now).await?;
    Ok(Confirmed::Verified)
}
