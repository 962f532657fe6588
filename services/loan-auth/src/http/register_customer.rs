//! `POST /customers`: registration.

use ::events::Language;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use common::hal::Resource;
use common::http::{BaseUrl, ClientAddress, Json, etag};
use common::idempotency::{IdempotencyKey, hash_of};
use common::problem::Problem;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::customer_shapes::{Customer, Fields, SecretText};
use super::failure_shapes::{BodyFailures, LinkFailures, ServerFailures};
use crate::domain::person::{Person, Role};
use crate::domain::words;
use crate::error::Error;
use crate::usecases::{
    Again, Attempt, NewPerson, Origin, Proof, Purpose, Registered, RegistrationKey, nfc,
    register_person,
};

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Somebody new.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Register {
    /// The login name, often an e-mail address: visible ASCII characters and Hangul;
    /// compared without regard to case.
    #[schema(min_length = 3, max_length = 254, example = "1@sk.com")]
    user_id: String,
    /// The name, as it must be given with every request.
    #[schema(min_length = 1, max_length = 100, example = "유은상")]
    user_name: String,
    /// The password; none that everybody tries first.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    user_password: SecretText,
    /// Where messages go.
    #[schema(max_length = 30, example = "010-000-0000")]
    user_mobile: String,
    /// Where mail goes.
    #[serde(default)]
    #[schema(max_length = 254, example = "1@sk.com")]
    user_email: Option<String>,
    /// The language of messages.
    #[serde(default)]
    language: Option<Language>,
}

/// What an `Idempotency-Key` is tied to: all but the password.
#[derive(Serialize)]
struct Tied<'a>(&'a str, &'a str, &'a str, Option<&'a str>, Language);

impl Register {
    fn check(&self) -> Result<(), Error> {
        let (user_id, user_name) = (nfc(&self.user_id), nfc(&self.user_name));
        let password = nfc(self.user_password.0.expose_secret());
        let mut fields = Fields::default();
        fields.check("userId", words::check_user_id(&user_id));
        fields.check("userName", words::check_user_name(&user_name));
        fields.check("userPassword", words::check_new_password(&password, &user_id, &user_name));
        fields.check("userMobile", words::check_mobile(&self.user_mobile));
        if let Some(email) = &self.user_email {
            fields.check("userEmail", words::check_email(email));
        }
        fields.outcome()
    }

    fn hash(&self) -> [u8; 32] {
        let email = self.user_email.as_deref();
        let language = self.language.unwrap_or_default();
        hash_of(&Tied(&self.user_id, &self.user_name, &self.user_mobile, email, language))
    }

    fn person(&self) -> NewPerson {
        NewPerson {
            role: Role::Customer,
            user_id: self.user_id.clone(),
            user_name: self.user_name.clone(),
            user_mobile: Some(self.user_mobile.clone()),
            user_email: self.user_email.clone(),
            language: self.language.unwrap_or_default(),
        }
    }
}

/// Register
///
/// With an `Idempotency-Key` (kept 24 hours, scoped to the `userId`) the same
/// request sent twice registers once; the second one must have the right password
/// too, and then gets the customer as they are now.
#[utoipa::path(
    post,
    path = "/customers",
    operation_id = "register_customer",
    tag = "customers",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    request_body(content = Register, example = json!({
        "userId": "1@sk.com", "userName": "유은상", "userPassword": "correct horse battery",
        "userMobile": "010-000-0000", "language": "ko"
    })),
    responses(
        (status = 201, description = "Registered", body = Resource<Customer>,
            headers(
                ("Location" = String, description = "The customer's address"),
                ("ETag" = String, description = "The version, for `If-Match`"),
                ("Idempotency-Replayed" = Option<String>, description = "`true` if it was registered before")
            ),
            example = json!({
                "customerId": "01938e1b-ffff-7000-8000-000000000001", "userId": "1@sk.com",
                "userName": "유은상", "userMobile": "010-000-0000", "language": "ko",
                "registeredAt": "2026-11-21T08:00:00Z", "changedAt": "2026-11-21T08:00:00Z",
                "_links": {"self": {"href": "http://localhost:8080/customers/01938e1b-ffff-7000-8000-000000000001"}}
            })),
        (status = 404, description = "The key's customer has been removed meanwhile", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/not-found", "title": "Not Found", "status": 404, "code": "not-found",
                "detail": "There is nothing here.", "instance": "/customers"
            })),
        (status = 409, description = "Somebody has this `userId`", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/user-id-taken", "title": "Conflict", "status": 409, "code": "user-id-taken",
                "detail": "This `userId` is taken; choose another.", "instance": "/customers"
            })),
        (status = 429, description = "`too-many-registrations` from this address; or, of a replay, `too-many-failures`. Come back after `Retry-After` (1 to 60 seconds, growing)",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds")),
            example = json!({
                "type": "/problems/too-many-registrations", "title": "Too Many Requests", "status": 429,
                "code": "too-many-registrations",
                "detail": "Too many registrations from this address. Come back after `Retry-After`.",
                "instance": "/customers"
            })),
        (status = 403, description = "A replay whose password is not right", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/wrong-credentials", "title": "Forbidden", "status": 403,
                "code": "wrong-credentials", "detail": "The credentials are not right.", "instance": "/customers"
            })),
        BodyFailures,
        (status = 400, description = "Not JSON, not UTF-8 or nested too deep; `bad-idempotency-key`",
            body = Problem, content_type = "application/problem+json", example = json!({
                "type": "/problems/malformed-body", "title": "Bad Request", "status": 400, "code": "malformed-body",
                "detail": "The body is not JSON (line 1, column 2).", "instance": "/customers"
            })),
        (status = 422, description = "Readable, but wrong: `errors` says which field; `idempotency-key-reused`: the key stands for another body",
            body = Problem, content_type = "application/problem+json", example = json!({
                "type": "/problems/invalid", "title": "Unprocessable Entity", "status": 422, "code": "invalid",
                "detail": "The request has wrong fields.", "instance": "/customers",
                "errors": [{"field": "userPassword", "message": "must have at least 8 characters"}]
            })),
        LinkFailures,
        ServerFailures,
    )
)]
pub(super) async fn register_customer(
    State(api): State<Api>,
    base: BaseUrl,
    ClientAddress(address): ClientAddress,
    key: Option<IdempotencyKey>,
    Json(body): Json<Register>,
) -> Result<Response, Error> {
    body.check()?;
    let key = key.map(|key| RegistrationKey { key, body_hash: body.hash() });
    let person = body.person().into_person(&api.clock);
    // Before the transaction: it takes as long as a hundred statements.
    let origin = Origin::of(address);
    let place = api.registrar.admit_registration(&origin).await?;
    let hash = api.hasher.hash_password(place, &body.user_password.0).await?;
    let work =
        async |tx: &mut _| register_person(tx, &api.clock, &person, &hash, key.as_ref()).await;
    match api.db.in_tx("register_customer", work).await? {
        Registered::Fresh => Ok(answer(person, &base, false)),
        Registered::Before(id, again) => {
            let attempt = Attempt {
                purpose: Purpose::Register,
                user_id: body.user_id,
                user_name: None,
                password: body.user_password.0,
                origin,
            };
            match api.prover.prove_person(attempt).await? {
                Proof::Proven(proven) if proven.person.id == id => match again {
                    Again::Alike => Ok(answer(proven.person, &base, true)),
                    Again::Otherwise => Err(Error::KeyReused),
                },
                // The key's customer has left, and the name is another's now.
                Proof::Proven(_) => Err(Error::NotFound),
                Proof::Wrong => Err(Error::WrongCredentials),
                Proof::Throttled { retry_after } => Err(Error::Throttled { retry_after }),
            }
        }
    }
}

fn answer(person: Person, base: &BaseUrl, is_replayed: bool) -> Response {
    let etag = etag(person.version);
    let location = HeaderValue::from_str(&Customer::address(person.id, base)).ok();
    let body = Json(Customer::resource(person, base));
    let mut response = (StatusCode::CREATED, [(ETAG, etag)], body).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    if is_replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
#[path = "register_customer_tests.rs"]
mod tests;
