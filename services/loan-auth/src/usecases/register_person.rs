//! Somebody new.

use ::events::{CustomerId, Language};
use common::clock::Clock;
use common::idempotency::{self, Claim, IdempotencyKey};
use common::outbox;
use sqlx::PgConnection;

use super::{nfc, user_key};
use crate::domain::person::{Person, Role};
use crate::error::Error;
use crate::publish;
use crate::store;

/// Who is to be added.
#[derive(Clone)]
pub struct NewPerson {
    /// Customer or officer.
    pub role: Role,
    /// The login name.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// Where messages go.
    pub user_mobile: Option<String>,
    /// Where mail goes.
    pub user_email: Option<String>,
    /// The language to write in.
    pub language: Language,
}

impl NewPerson {
    /// The person, with a new id.
    #[must_use]
    pub fn into_person(self, clock: &Clock) -> Person {
        let now = clock.now();
        Person {
            id: clock.new_id().into(),
            role: self.role,
            user_id: nfc(&self.user_id),
            user_name: nfc(&self.user_name),
            user_mobile: self.user_mobile,
            user_email: self.user_email,
            language: self.language,
            credential_version: 1,
            version: 1,
            registered_at: now,
            changed_at: now,
        }
    }
}

/// Under which key a registration is known to its sender.
pub struct RegistrationKey {
    /// The `Idempotency-Key`.
    pub key: IdempotencyKey,
    /// What it is tied to.
    pub body_hash: [u8; 32],
}

/// The operation that a key is kept for.
const ROUTE: &str = "POST /customers";

/// What came of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The person was added.
    Fresh,
    /// This one was added before under the same key, and asked for with the same body
    /// or with another; whoever asks is proven before they learn which.
    Before(CustomerId, Again),
}

/// With what a person who is there was asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same as the first time.
    Alike,
    /// Another body.
    Otherwise,
}

/// Adds a person; of a customer the others are told.
///
/// # Errors
/// [`Error::UserIdTaken`] if somebody active has the login name; the database's.
pub async fn register_person(
    tx: &mut PgConnection,
    clock: &Clock,
    person: &Person,
    password_hash: &str,
    key: Option<&RegistrationKey>,
) -> Result<Registered, Error> {
    let user_key = user_key(&person.user_id);
    if let Some(RegistrationKey { key, body_hash }) = key {
        let (id, now) = (person.id.as_uuid(), clock.now());
        match idempotency::claim(tx, &user_key, ROUTE, key, *body_hash, id, now).await? {
            Claim::Fresh => {}
            Claim::Existing { resource_id } => {
                return Ok(Registered::Before(resource_id.into(), Again::Alike));
            }
            Claim::OtherBody { resource_id } => {
                return Ok(Registered::Before(resource_id.into(), Again::Otherwise));
            }
        }
    }
    if !store::person::add(tx, person, &user_key, password_hash).await? {
        return Err(Error::UserIdTaken);
    }
    if person.role == Role::Customer {
        outbox::append(tx, &[publish::registered(person, clock)]).await?;
    }
    Ok(Registered::Fresh)
}
