//! The routes, all on this screen.

mod certification_shapes;
mod certify_loan_request;
mod change_customer;
mod customer_shapes;
mod failure_shapes;
mod get_customer;
mod get_jwks;
mod get_loan_auth;
mod issue_token;
mod list_loan_auths;
mod register_customer;
mod remove_customer;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod void_certification;

use std::sync::Arc;

use ::events::CustomerId;
use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use aws_lc_rs::digest;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use common::clock::Clock;
use common::config::Secret;
use common::db::Db;
use common::http::take_place;
use common::problem::Problem;
use common::token::{Principal, TokenVerifier};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Delay;
use crate::error::Error;
use crate::store::certification::Scope;
use crate::usecases::{Certifier, Hasher, Prover, Registrar, SessionSettings, TokenSigner};

/// What the endpoints need.
#[derive(Clone)]
pub struct Api {
    /// The database.
    pub db: Db,
    /// The time and new ids.
    pub clock: Clock,
    /// Checks tokens that come in a body.
    pub verifier: TokenVerifier,
    /// Which services may certify.
    pub services: Services,
    /// Signs tokens.
    pub signer: TokenSigner,
    /// Hashes new passwords.
    pub hasher: Hasher,
    /// Checks who somebody is.
    pub prover: Prover,
    /// Certifies requests.
    pub certifier: Certifier,
    /// Lets registrations through.
    pub registrar: Registrar,
    /// The figures of logins.
    pub sessions: SessionSettings,
    /// The experiment's delay.
    pub certify_delay: Option<Delay>,
    /// Requests about tokens and accounts that are worked on at once: a part of what the service
    /// may have, so that whatever comes from outside leaves certifications theirs.
    pub public_requests_max: usize,
}

/// The routes and their description.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi()).merge(certifications()).merge(accounts())
}

fn certifications() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(
            list_loan_auths::list_loan_auths,
            certify_loan_request::certify_loan_request
        ))
        .routes(routes!(get_loan_auth::get_loan_auth))
        .routes(routes!(void_certification::void_certification))
        .routes(routes!(get_jwks::get_jwks))
}

fn accounts() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(register_customer::register_customer))
        .routes(routes!(
            get_customer::get_customer,
            change_customer::change_customer,
            remove_customer::remove_customer
        ))
        .routes(routes!(issue_token::issue_token))
}

/// The routes with all that they need.
pub fn router(api: Api) -> OpenApiRouter {
    let places = Arc::new(Semaphore::new(api.public_requests_max));
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(certifications())
        .merge(accounts().layer(from_fn_with_state(places, take_place)))
        .with_state(api)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "loan-auth",
        description = "Who is who: customers, tokens, and the history of who was certified for which request."
    ),
    components(schemas(Problem)),
    modifiers(&Schemes)
)]
struct Description;

struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, description) in [
            ("bearer", "An access token of `POST /auth/token`."),
            (
                "service",
                "The credential of loan-request; this route is not to be reached from outside.",
            ),
        ] {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.description = Some(description.to_owned());
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// The services that may certify, by their credentials. Only hashes are kept, and
/// hashes are compared: how long that takes tells nothing.
#[derive(Clone)]
pub struct Services(Arc<[[u8; 32]]>);

impl Services {
    /// Whoever has one of these.
    #[must_use]
    pub fn new(credentials: &[Secret]) -> Self {
        Self(credentials.iter().map(|one| sha256(one.expose_secret())).collect())
    }

    fn know(&self, credential: &str) -> bool {
        let shown = sha256(credential);
        // Every one is compared, whichever fits.
        self.0.iter().fold(false, |known, one| known | (*one == shown))
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

/// The caller is a service that may certify; anyone else is answered 401 before
/// the body is read.
struct ServiceCaller;

impl FromRequestParts<Api> for ServiceCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let value = values.next().filter(|_| values.next().is_none());
        let is_known = value.and_then(|value| value.to_str().ok()?.split_once(' ')).is_some_and(
            |(scheme, shown)| {
                scheme.eq_ignore_ascii_case("bearer") && api.services.know(shown.trim())
            },
        );
        if is_known { Ok(Self) } else { Err(Error::UnknownService) }
    }
}

/// Whose certifications the caller sees.
fn scope_of(principal: &Principal) -> Result<Scope, Error> {
    if principal.has_role(ROLE_OFFICER) {
        Ok(Scope::All)
    } else if principal.has_role(ROLE_CUSTOMER) {
        Ok(Scope::Own(principal.subject.into()))
    } else {
        Err(Error::Forbidden)
    }
}

/// Who an address speaks of: `me`, or an id. Anything else is nobody.
fn whom(principal: &Principal, named: &str) -> Result<CustomerId, Error> {
    if named == "me" {
        return Ok(principal.subject.into());
    }
    named.parse().map_err(|_| Error::NotFound)
}

/// Only the person themselves: officers learn that before anything is looked up,
/// to other customers there is nothing here.
fn only_oneself(principal: &Principal, named: &str) -> Result<CustomerId, Error> {
    let id = whom(principal, named)?;
    if id.as_uuid() == principal.subject {
        Ok(id)
    } else if principal.has_role(ROLE_CUSTOMER) {
        Err(Error::NotFound)
    } else {
        Err(Error::Forbidden)
    }
}
