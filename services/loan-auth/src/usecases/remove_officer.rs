//! An officer leaves.

use ::events::CustomerId;
use common::clock::Clock;
use sqlx::PgConnection;

use crate::domain::person::Role;
use crate::error::Error;
use crate::store;

/// Removes an officer, forgets all that is personal here, and ends every login. The
/// id stays, and is never used again: it stands beside what was decided.
///
/// # Errors
/// [`Error::NotFound`] if there is no such officer; the database's.
pub async fn remove_officer(
    tx: &mut PgConnection,
    clock: &Clock,
    id: CustomerId,
) -> Result<(), Error> {
    let officer = store::person::lock(tx, id).await?;
    officer.filter(|person| person.role == Role::Officer).ok_or(Error::NotFound)?;
    let user_key = store::person::remove(tx, id, clock.now()).await?;
    store::certification::forget_claims(tx, &user_key).await?;
    store::known_address::forget(tx, id).await?;
    store::refresh_family::end_all(tx, id).await?;
    Ok(())
}
