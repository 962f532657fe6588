//! What several addresses answer with, and take.

use std::fmt;

use ::events::{CustomerId, Language};
use common::config::Secret;
use common::hal::{Links, Resource};
use common::http::BaseUrl;
use common::problem::Problem;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::person::Person;
use crate::error::Error;

/// A customer, as they see themselves. Never with anything of the password.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Customer {
    /// Who, for ever; never used for another.
    pub customer_id: CustomerId,
    /// The login name.
    #[schema(example = "1@sk.com")]
    pub user_id: String,
    /// The name.
    #[schema(example = "유은상")]
    pub user_name: String,
    /// Where messages go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "010-000-0000")]
    pub user_mobile: Option<String>,
    /// Where mail goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1@sk.com")]
    pub user_email: Option<String>,
    /// The language of messages.
    pub language: Language,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: OffsetDateTime,
    /// The last change.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: OffsetDateTime,
}

impl Customer {
    /// Where a customer is.
    pub(super) fn address(id: CustomerId, base: &BaseUrl) -> String {
        base.join(&format!("/customers/{id}"))
    }

    /// The customer with its links.
    pub(super) fn resource(person: Person, base: &BaseUrl) -> Resource<Self> {
        let links = Links::to_self(Self::address(person.id, base));
        let body = Self {
            customer_id: person.id,
            user_id: person.user_id,
            user_name: person.user_name,
            user_mobile: person.user_mobile,
            user_email: person.user_email,
            language: person.language,
            registered_at: person.registered_at,
            changed_at: person.changed_at,
        };
        Resource::new(body, links)
    }
}

/// A secret text of a body: it is not shown, whatever is wrong with it.
#[derive(Clone)]
pub(super) struct SecretText(pub Secret);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own message would quote a password that was sent as a number.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(Secret::from(text))),
            _ => Err(serde::de::Error::custom("must be a string")),
        }
    }
}

/// A field that may be absent, null, or there.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// What is wrong with which field.
#[derive(Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Notes what a check has found.
    pub(super) fn check(&mut self, field: &'static str, outcome: Result<(), String>) {
        if let Err(message) = outcome {
            self.0.push((field, message));
        }
    }

    /// All that was found, as one 422.
    pub(super) fn outcome(self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let problem = Problem::invalid("The request has wrong fields.");
        let problem = self
            .0
            .into_iter()
            .fold(problem, |problem, (field, message)| problem.with_error(field, message));
        Err(Error::Request(problem))
    }
}
