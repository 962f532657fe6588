//! An officer gets another password without having proven the old one.

use ::events::CustomerId;
use common::clock::Clock;
use sqlx::PgConnection;

use crate::domain::person::Role;
use crate::error::Error;
use crate::store;

/// Sets an officer's password, and ends every login and every token of before.
///
/// # Errors
/// [`Error::NotFound`] if there is no such officer; the database's.
pub async fn reset_password(
    tx: &mut PgConnection,
    clock: &Clock,
    id: CustomerId,
    password_hash: &str,
) -> Result<(), Error> {
    let officer = store::person::lock(tx, id).await?;
    let mut officer =
        officer.filter(|person| person.role == Role::Officer).ok_or(Error::NotFound)?;
    officer.note_change(clock.now());
    officer.renew_credentials();
    store::person::set_password(tx, id, password_hash).await?;
    store::person::update(tx, &officer).await?;
    store::refresh_family::end_all(tx, id).await?;
    Ok(())
}
