//! `DELETE /customers/{customerId}` and `/customers/me`.

use axum::extract::State;
use axum::http::StatusCode;
use common::http::{IfMatch, Path};
use common::problem::Problem;
use common::token::Principal;

use super::failure_shapes::{
    NotFoundFailures, RoleFailures, ServerFailures, TokenFailures, VersionFailures,
};
use super::{Api, only_oneself};
use crate::error::Error;
use crate::usecases::remove_customer as remove;

/// Leave
///
/// Only the customer themselves, and not with an open loan. What is personal is
/// forgotten, every login ends, the login name is free again and inherits nothing.
#[utoipa::path(
    delete,
    path = "/customers/{customerId}",
    operation_id = "remove_customer",
    tag = "customers",
    security(("bearer" = [])),
    params(
        ("customerId" = String, Path, description = "The customer's id, or `me`", example = "me"),
        ("If-Match" = Option<String>, Header, description = "The version that was seen")
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 409, description = "A loan is open", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/open-loan", "title": "Conflict", "status": 409, "code": "open-loan",
                "detail": "A customer with an open loan cannot be removed.", "instance": "/customers/me"
            })),
        TokenFailures,
        RoleFailures,
        NotFoundFailures,
        VersionFailures,
        ServerFailures,
    )
)]
pub(super) async fn remove_customer(
    State(api): State<Api>,
    principal: Principal,
    if_match: IfMatch,
    Path(named): Path<String>,
) -> Result<StatusCode, Error> {
    let id = only_oneself(&principal, &named)?;
    let version = principal.credential_version;
    let work = async |tx: &mut _| remove(tx, &api.clock, id, version, &if_match).await;
    api.db.in_tx("remove_customer", work).await?;
    api.prover.forget(id);
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
#[path = "remove_customer_tests.rs"]
mod tests;
