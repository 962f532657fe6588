//! A refresh token is exchanged for the next one.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Session;
use super::start_session::RefreshToken;
use crate::domain::person::Person;
use crate::error::Error;
use crate::store::{person, refresh_family};

/// What came of a refresh token.
pub enum Renewal {
    /// It was good, and is not any more.
    Renewed(Box<Person>, Session),
    /// It was none, or its login has ended, now or before.
    Ended,
}

/// Exchanges a refresh token. One that was exchanged before has been copied: the
/// login ends, for the thief and for the owner, who can log in again. It also ends
/// with a change of the password and with the person.
///
/// # Errors
/// The database's.
pub async fn renew_session(
    tx: &mut PgConnection,
    shown: &str,
    now: OffsetDateTime,
) -> Result<Renewal, Error> {
    let Some(token) = RefreshToken::read(shown) else {
        return Ok(Renewal::Ended);
    };
    let Some(family) = refresh_family::lock(tx, token.family_id).await? else {
        return Ok(Renewal::Ended);
    };
    let is_reused = token.hash() != family.token_hash;
    if is_reused {
        tracing::warn!(customer_id = %family.customer_id, "a refresh token was used twice; its login ends");
        metrics::counter!("auth_refresh_reuse_total").increment(1);
    }
    let person = person::by_id(&mut *tx, family.customer_id).await?;
    let person = person.filter(|person| person.credential_version == family.credential_version);
    match person {
        Some(person) if !is_reused && family.expires_at > now => {
            let next = RefreshToken::try_new(Some(family.id))?;
            refresh_family::renew(tx, family.id, &next.hash(), now).await?;
            let session = Session { refresh_token: next.written(), expires_at: family.expires_at };
            Ok(Renewal::Renewed(Box::new(person), session))
        }
        _ => {
            refresh_family::end(tx, family.id).await?;
            Ok(Renewal::Ended)
        }
    }
}
