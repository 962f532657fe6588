//! The caller as an extractor.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::header;
use http::request::Parts;

use super::claims::Principal;
use super::verifier::TokenVerifier;
use crate::problem::Problem;

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        principal_of(parts)
            .await?
            .ok_or_else(|| Problem::unauthenticated("A bearer token is needed."))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Problem> {
        principal_of(parts).await
    }
}

async fn principal_of(parts: &Parts) -> Result<Option<Principal>, Problem> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::unauthenticated("There is more than one token."));
    }
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::unauthenticated("Only bearer tokens are accepted."))?;
    let verifier = parts.extensions.get::<TokenVerifier>().ok_or_else(|| {
        tracing::error!("the router was not wrapped in the server's stack");
        Problem::internal()
    })?;
    let verified = verifier.verify_fresh(token).await;
    verified.map(Some).map_err(super::TokenError::problem)
}
