//! The caller, who must be a loan officer.

use ::events::codes::ROLE_OFFICER;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use common::token::Principal;

use crate::error::Error;
use crate::store::item;

/// A caller with an officer's token. Every handler takes it first, so that
/// others learn nothing: neither what exists nor what is wrong with their
/// request.
pub(super) struct Officer(pub(super) item::Officer);

impl<S: Send + Sync> FromRequestParts<S> for Officer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        officer(<Principal as FromRequestParts<S>>::from_request_parts(parts, state).await?)
    }
}

/// The caller as an officer, named as well as the token can.
fn officer(caller: Principal) -> Result<Officer, Error> {
    if !caller.has_role(ROLE_OFFICER) {
        return Err(Error::NotAnOfficer);
    }
    Ok(Officer(item::Officer { id: caller.subject, name: caller.name.or(caller.username) }))
}
