//! A customer leaves.

use ::events::CustomerId;
use common::clock::Clock;
use common::http::IfMatch;
use common::outbox;
use sqlx::PgConnection;

use crate::domain::person::Role;
use crate::error::Error;
use crate::publish;
use crate::store;

/// Removes a customer without an open loan, forgets all that is personal, ends
/// every login, and tells the others. The id stays, and is never used again.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for an officer,
/// [`Error::StaleToken`], a 412 problem, [`Error::OpenLoan`]; the database's.
pub async fn remove_customer(
    tx: &mut PgConnection,
    clock: &Clock,
    id: CustomerId,
    credential_version: i64,
    if_match: &IfMatch,
) -> Result<(), Error> {
    // No certification of theirs commits from here on, so that no loan is opened
    // between the look and the removal.
    let person = store::person::lock(tx, id).await?.ok_or(Error::NotFound)?;
    if person.role != Role::Customer {
        return Err(Error::Forbidden);
    }
    if person.credential_version != credential_version {
        return Err(Error::StaleToken);
    }
    if_match.check(person.version)?;
    if store::open_loan::any_of(tx, id).await? {
        return Err(Error::OpenLoan);
    }
    let now = clock.now();
    let user_key = store::person::remove(tx, id, now).await?;
    store::certification::forget_claims(tx, &user_key).await?;
    store::certification::forget_contacts(tx, id).await?;
    store::known_address::forget(tx, id).await?;
    store::refresh_family::end_all(tx, id).await?;
    outbox::append(tx, &publish::removed(id, now, clock)).await?;
    Ok(())
}
