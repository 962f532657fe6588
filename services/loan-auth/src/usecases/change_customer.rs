//! A person changes what is known about them, or their password.

use ::events::CustomerId;
use common::clock::Clock;
use common::http::IfMatch;
use common::outbox;
use sqlx::PgConnection;

use crate::domain::person::{Changed, Changes, Person, Role};
use crate::error::Error;
use crate::publish;
use crate::store;

/// What is to change, and for whom.
pub struct CustomerChange<'a> {
    /// Who.
    pub id: CustomerId,
    /// The count of password changes that the caller's token was issued at.
    pub credential_version: i64,
    /// The version that the caller has seen.
    pub if_match: &'a IfMatch,
    /// What others see.
    pub changes: Changes,
    /// The hash of a new password, to be set by whoever has proven the old one.
    pub password_hash: Option<&'a str>,
}

/// Changes a person, and tells the others of what they see of a customer. A new
/// password ends every login and every token of before.
///
/// # Errors
/// [`Error::NotFound`], [`Error::StaleToken`], a 412 problem; the database's.
pub async fn change_customer(
    tx: &mut PgConnection,
    clock: &Clock,
    change: CustomerChange<'_>,
) -> Result<Person, Error> {
    let mut person = store::person::lock(tx, change.id).await?.ok_or(Error::NotFound)?;
    // The old password was proven at this version too, or the token is stale.
    if person.credential_version != change.credential_version {
        return Err(Error::StaleToken);
    }
    change.if_match.check(person.version)?;
    let changed = person.change(change.changes);
    if changed == Changed::AlreadyApplied && change.password_hash.is_none() {
        return Ok(person);
    }
    person.note_change(clock.now());
    if let Some(hash) = change.password_hash {
        person.renew_credentials();
        store::person::set_password(tx, person.id, hash).await?;
        store::refresh_family::end_all(tx, person.id).await?;
    }
    store::person::update(tx, &person).await?;
    if changed == Changed::Applied && person.role == Role::Customer {
        outbox::append(tx, &[publish::changed(&person, clock)]).await?;
    }
    Ok(person)
}
