//! `PATCH /customers/{customerId}` and `/customers/me`.

use ::events::{CustomerId, Language};
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderName, HeaderValue};
use common::config::Secret;
use common::hal::Resource;
use common::http::{BaseUrl, ClientAddress, IfMatch, Json, Path, etag};
use common::token::Principal;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use utoipa::ToSchema;

use super::customer_shapes::{Customer, Fields, SecretText, present};
use super::failure_shapes::{
    BodyFailures, LinkFailures, NotFoundFailures, PasswordFailures, ServerFailures, TokenFailures,
    VersionFailures,
};
use super::{Api, only_oneself};
use crate::domain::person::{Changes, Person};
use crate::domain::words;
use crate::error::Error;
use crate::store;
use crate::usecases::{
    Attempt, CustomerChange, Origin, Proof, Purpose, change_customer as change, nfc, user_key,
};

/// What is to change; what is absent stays. `userEmail` may be null: none any more.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    /// The login name; it can't change, and may only be repeated.
    #[serde(default)]
    user_id: Option<String>,
    /// The name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "유은상")]
    user_name: Option<Option<String>>,
    /// Where messages go.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 30, example = "010-111-1111")]
    user_mobile: Option<Option<String>>,
    /// Where mail goes.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 254)]
    user_email: Option<Option<String>>,
    /// The language of messages.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Language>)]
    language: Option<Option<Language>>,
    /// A new password; it ends every login.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 128)]
    user_password: Option<SecretText>,
    /// The password so far, which a new one needs.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    old_password: Option<SecretText>,
}

impl Change {
    /// What is wrong with it for this person.
    fn check(&self, person: &Person) -> Result<(), Error> {
        let mut fields = Fields::default();
        if self.user_id.as_deref().is_some_and(|id| user_key(id) != user_key(&person.user_id)) {
            fields.check("userId", Err("can't be changed".to_owned()));
        }
        let needed =
            |is_null: bool| if is_null { Err("can't be removed".to_owned()) } else { Ok(()) };
        match &self.user_name {
            Some(Some(name)) => fields.check("userName", words::check_user_name(&nfc(name))),
            other => fields.check("userName", needed(other.is_some())),
        }
        match &self.user_mobile {
            Some(Some(mobile)) => fields.check("userMobile", words::check_mobile(mobile)),
            other => fields.check("userMobile", needed(other.is_some())),
        }
        if let Some(Some(email)) = &self.user_email {
            fields.check("userEmail", words::check_email(email));
        }
        fields.check("language", needed(self.language == Some(None)));
        if let Some(password) = &self.user_password {
            let name = self
                .user_name
                .clone()
                .flatten()
                .map_or(person.user_name.clone(), |name| nfc(&name));
            let password = nfc(password.0.expose_secret());
            fields.check(
                "userPassword",
                words::check_new_password(&password, &person.user_id, &name),
            );
            if self.old_password.is_none() {
                fields.check("oldPassword", Err("is needed for a new password".to_owned()));
            }
        }
        fields.outcome()
    }

    fn changes(self) -> Changes {
        Changes {
            user_name: self.user_name.flatten().map(|name| nfc(&name)),
            user_mobile: self.user_mobile.flatten(),
            user_email: self.user_email,
            language: self.language.flatten(),
        }
    }
}

/// Change a customer
///
/// Only by themselves. A new password needs the old one, and ends every login and
/// every token of before: renewing and applying at once, reading when the token
/// expires.
#[utoipa::path(
    patch,
    path = "/customers/{customerId}",
    operation_id = "change_customer",
    tag = "customers",
    security(("bearer" = [])),
    params(
        ("customerId" = String, Path, description = "The customer's id, or `me`", example = "me"),
        ("If-Match" = Option<String>, Header, description = "The version that was seen")
    ),
    request_body(content = Change, examples(
        ("mobile" = (value = json!({"userMobile": "010-111-1111"}))),
        ("password" = (value = json!({"oldPassword": "correct horse battery", "userPassword": "staple of my own"})))
    )),
    responses(
        (status = 200, description = "As it is now", body = Resource<Customer>,
            headers(("ETag" = String, description = "The version, for `If-Match`")),
            example = json!({
                "customerId": "01938e1b-ffff-7000-8000-000000000001", "userId": "1@sk.com",
                "userName": "유은상", "userMobile": "010-111-1111", "language": "ko",
                "registeredAt": "2026-11-21T08:00:00Z", "changedAt": "2026-11-21T09:00:00Z",
                "_links": {"self": {"href": "http://localhost:8080/customers/01938e1b-ffff-7000-8000-000000000001"}}
            })),
        TokenFailures,
        PasswordFailures,
        NotFoundFailures,
        VersionFailures,
        BodyFailures,
        LinkFailures,
        ServerFailures,
    )
)]
pub(super) async fn change_customer(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    ClientAddress(address): ClientAddress,
    if_match: IfMatch,
    Path(named): Path<String>,
    Json(mut body): Json<Change>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<Resource<Customer>>), Error> {
    let id = only_oneself(&principal, &named)?;
    let person = store::person::by_id(api.db.pool(), id).await?.ok_or(Error::NotFound)?;
    body.check(&person)?;
    let hash = match (body.user_password.take(), body.old_password.take()) {
        (Some(new), Some(old)) => {
            let origin = Origin::of(address);
            prove(&api, id, person.user_id, old.0, &origin).await?;
            let deadline = api.hasher.deadline();
            let place = api.hasher.place(Purpose::Register, &origin, deadline).await?;
            Some(api.hasher.hash_password(place, &new.0).await?)
        }
        // An old password alone changes nothing.
        (_, _) => None,
    };
    let changes = body.changes();
    let work = async |tx: &mut _| {
        let changes = changes.clone();
        let (credential_version, if_match) = (principal.credential_version, &if_match);
        let password_hash = hash.as_deref();
        change(
            tx,
            &api.clock,
            CustomerChange { id, credential_version, if_match, changes, password_hash },
        )
        .await
    };
    let person = api.db.in_tx("change_customer", work).await?;
    if hash.is_some() {
        api.prover.forget(id);
    }
    Ok(([(ETAG, etag(person.version))], Json(Customer::resource(person, &base))))
}

async fn prove(
    api: &Api,
    id: CustomerId,
    user_id: String,
    password: Secret,
    origin: &Origin,
) -> Result<(), Error> {
    let (purpose, origin) = (Purpose::Register, origin.clone());
    let attempt = Attempt { purpose, user_id, user_name: None, password, origin };
    match api.prover.prove_person(attempt).await? {
        Proof::Proven(proven) if proven.person.id == id => Ok(()),
        Proof::Proven(_) | Proof::Wrong => Err(Error::WrongCredentials),
        Proof::Throttled { retry_after } => Err(Error::Throttled { retry_after }),
    }
}

#[cfg(test)]
#[path = "change_customer_tests.rs"]
mod tests;
