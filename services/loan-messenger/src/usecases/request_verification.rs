//! A code is sent to an address, to prove that its customer reads it.

use std::time::Duration;

use ::events::CustomerId;
use ::events::codes::Channel;
use aws_lc_rs::digest;
use common::clock::Clock;
use sqlx::PgConnection;

use super::Rules;
use crate::domain::address::{CODE_DIGITS, comes_down_to};
use crate::store;
use crate::store::verification::NewVerification;

/// Codes that a customer can ask for in [`WINDOW`], over all channels.
pub const CODES_PER_CUSTOMER_MAX: i64 = 10;

/// Codes that an address gets in [`WINDOW`], whoever asks: nobody's mailbox is filled by
/// strangers who register with it.
pub const CODES_PER_ADDRESS_MAX: i64 = 5;

/// For how long they count.
pub const WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// The time between two codes to the same address.
pub const BETWEEN: Duration = Duration::from_secs(60);

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// A code is on its way.
    OnItsWay,
    /// The address is verified.
    Verified,
    /// There is no such channel here.
    NotOffered,
    /// There is no address to verify.
    NoAddress,
    /// There were too many, or one just now.
    TooMany {
        /// When there can be the next.
        retry_after: Duration,
    },
}

/// Has a code sent.
///
/// # Errors
/// What the database says.
pub async fn request_verification(
    tx: &mut PgConnection,
    clock: &Clock,
    rules: &Rules,
    customer_id: CustomerId,
    channel: Channel,
) -> Result<Requested, sqlx::Error> {
    if channel == Channel::Mailbox || !rules.offered.has(channel) {
        return Ok(Requested::NotOffered);
    }
    let contact = store::contact::find(&mut *tx, customer_id).await?;
    let Some(address) = contact.address(channel) else {
        return Ok(Requested::NoAddress);
    };
    let is_gone = channel == Channel::Webhook && contact.gone_at.is_some();
    if contact.verified.contains(&channel) && !is_gone {
        return Ok(Requested::Verified);
    }
    let key = digest::digest(&digest::SHA256, comes_down_to(channel, address).as_bytes());
    let key = key.as_ref();
    store::verification::take_turn(tx, customer_id, key).await?;
    let now = clock.now();
    let asked = store::verification::asked(tx, customer_id, channel, key, now - WINDOW).await?;
    if asked.by_customer >= CODES_PER_CUSTOMER_MAX || asked.to_address >= CODES_PER_ADDRESS_MAX {
        return Ok(Requested::TooMany { retry_after: Duration::from_secs(3_600) });
    }
    if let Some(next) = asked.last_at.map(|last| last + BETWEEN).filter(|next| *next > now) {
        let retry_after = Duration::try_from(next - now).unwrap_or(BETWEEN);
        return Ok(Requested::TooMany { retry_after });
    }
    let new = NewVerification {
        id: clock.new_id(),
        customer_id,
        channel,
        address: address.to_owned(),
        address_key: key.to_vec(),
        code: code().map_err(|_| sqlx::Error::Protocol("no randomness for a code".to_owned()))?,
        created_at: now,
        expires_at: now + rules.code_good_for,
    };
    store::verification::insert(tx, &new).await?;
    Ok(Requested::OnItsWay)
}

/// A code that nobody can foresee.
fn code() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let number = u64::from_ne_bytes(bytes);
    let digits = format!("{number:0CODE_DIGITS$}");
    Ok(digits[digits.len() - CODE_DIGITS..].to_owned())
}
