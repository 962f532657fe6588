//! What the addresses of officers answer with, and take.

use ::events::{CustomerId, Language};
use common::config::Secret;
use common::problem::Problem;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

use crate::domain::person::Person;
use crate::error::Error;

/// An officer. Never with anything of the password.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Officer {
    /// Who, for ever; never used for another.
    pub(super) officer_id: CustomerId,
    /// The login name.
    user_id: String,
    /// The name, as it stands beside what the officer decided.
    user_name: String,
    /// Where mail goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    /// The officer's language.
    language: Language,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    registered_at: OffsetDateTime,
    /// The last change.
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
}

impl From<Person> for Officer {
    fn from(person: Person) -> Self {
        Self {
            officer_id: person.id,
            user_id: person.user_id,
            user_name: person.user_name,
            user_email: person.user_email,
            language: person.language,
            registered_at: person.registered_at,
            changed_at: person.changed_at,
        }
    }
}

/// A password of a body: it is not shown, whatever is wrong with it.
pub(super) fn password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    // serde's own message would quote a password that was sent as a number.
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(Secret::from(text)),
        _ => Err(serde::de::Error::custom("must be a string")),
    }
}

/// All that the checks have found, as one 422.
pub(super) fn check<const N: usize>(
    fields: [(&'static str, Result<(), String>); N],
) -> Result<(), Error> {
    let wrong = fields.into_iter().filter_map(|(field, outcome)| Some((field, outcome.err()?)));
    let problem = wrong.fold(None, |problem: Option<Problem>, (field, message)| {
        let problem = problem.unwrap_or_else(|| Problem::invalid("The request has wrong fields."));
        Some(problem.with_error(field, message))
    });
    problem.map_or(Ok(()), |problem| Err(Error::Request(problem)))
}
