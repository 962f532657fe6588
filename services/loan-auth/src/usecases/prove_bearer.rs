//! Whether a token is somebody's who is still there, with the same password.

use common::db::Db;
use common::token::{TokenError, TokenVerifier};

use crate::domain::person::Person;
use crate::error::Error;
use crate::store;
use crate::store::person::role_name;

/// The person whose token it is; `None` if it is nobody's, from before a change of
/// the password, or does not say what the person is: what a token does not entitle to
/// is not made up for by knowing better.
///
/// # Errors
/// [`Error::Request`] (503) if no token can be checked now; the database's.
pub async fn prove_bearer(
    db: &Db,
    verifier: &TokenVerifier,
    token: &str,
) -> Result<Option<Person>, Error> {
    let principal = match verifier.verify_fresh(token).await {
        Ok(principal) => principal,
        Err(error @ TokenError::NoKeys) => return Err(Error::Request(error.problem())),
        Err(TokenError::Invalid | TokenError::Expired | TokenError::UnknownKey) => return Ok(None),
    };
    let person = store::person::by_id(db.pool(), principal.subject.into()).await?;
    Ok(person.filter(|person| {
        person.credential_version == principal.credential_version
            && principal.has_role(role_name(person.role))
    }))
}
