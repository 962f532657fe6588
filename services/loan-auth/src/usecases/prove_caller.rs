//! Whether the caller of a request is the customer that they say they are: by
//! credentials, by a token, or by both, and then both must say the same.

use common::config::Secret;
use common::db::Db;
use common::token::TokenVerifier;
use secrecy::ExposeSecret as _;

use super::{Attempt, Origin, Proof, Proven, Prover, Purpose, nfc, prove_bearer, user_key};
use crate::domain::person::{Person, Role};
use crate::error::Error;

/// What the caller says, and from where.
pub struct Caller {
    /// The login name.
    pub user_id: Option<String>,
    /// The name.
    pub user_name: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// A token.
    pub token: Option<Secret>,
    /// From where.
    pub origin: Origin,
}

/// Checks all that the caller says. A failure of the token alone is not counted:
/// nobody guesses a signature.
///
/// # Errors
/// As [`Prover::prove_person`] and [`prove_bearer`].
pub async fn prove_caller(
    db: &Db,
    prover: &Prover,
    verifier: &TokenVerifier,
    caller: Caller,
) -> Result<Proof, Error> {
    let bearer = match &caller.token {
        Some(token) => match prove_bearer(db, verifier, token.expose_secret()).await? {
            Some(person) if is_as_said(&person, &caller) => Some(person),
            Some(_) | None => return Ok(Proof::Wrong),
        },
        None => None,
    };
    let proof = match (caller.user_id, caller.user_name, caller.password) {
        (Some(user_id), user_name @ Some(_), Some(password)) => {
            let (purpose, origin) = (Purpose::Certify, caller.origin);
            let attempt = Attempt { purpose, user_id, user_name, password, origin };
            prover.prove_person(attempt).await?
        }
        // Nothing but a token, and what was said beside it is right.
        (_, _, None) => match bearer.clone() {
            Some(person) => Proof::Proven(Proven { person, note: None }),
            None => Proof::Wrong,
        },
        (_, _, Some(_)) => Proof::Wrong,
    };
    Ok(match proof {
        Proof::Proven(proven)
            if proven.person.role == Role::Customer
                && bearer.is_none_or(|bearer| bearer.id == proven.person.id) =>
        {
            Proof::Proven(proven)
        }
        Proof::Proven(_) => Proof::Wrong,
        other => other,
    })
}

fn is_as_said(person: &Person, caller: &Caller) -> bool {
    let id =
        caller.user_id.as_deref().is_none_or(|said| user_key(said) == user_key(&person.user_id));
    let name = caller.user_name.as_deref().is_none_or(|said| person.is_named(&nfc(said)));
    id && name
}
