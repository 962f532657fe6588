//! `GET /loanManagers/{id}`: one item.

use ::events::LoanRequestId;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::response::IntoResponse;
use common::hal::Resource;
use common::http::{BaseUrl, Json, Path, etag};
use common::problem::Problem;

use super::AppState;
use super::officer::Officer;
use super::shapes::{LoanManager, examples, resource};
use crate::error::Error;
use crate::store::item;

/// One item of the queue.
///
/// Officers only. The `ETag` is the item's version, for `If-Match` of a `PATCH`.
#[utoipa::path(
    get,
    path = "/loanManagers/{id}",
    tag = "loanManagers",
    params(("id" = LoanRequestId, Path, description = "The `loanRequestId`; of a loan its `loanId`")),
    responses(
        (status = 200, description = "The item, with its next steps as links", body = Resource<LoanManager>,
         headers(("ETag" = String, description = "The item's version")), example = json!(examples::item())),
        (status = 401, description = "No token, or a bad one", body = Problem,
         content_type = "application/problem+json", example = json!(examples::unauthenticated())),
        (status = 403, description = "Not an officer", body = Problem,
         content_type = "application/problem+json", example = json!(examples::forbidden())),
        (status = 404, description = "No such item", body = Problem,
         content_type = "application/problem+json", example = json!(examples::not_found())),
        (status = 421, description = "A host name that is not ours", body = Problem,
         content_type = "application/problem+json", example = json!(examples::misdirected())),
        (status = 500, description = "An error on our side", body = Problem,
         content_type = "application/problem+json", example = json!(examples::internal())),
        (status = 503, description = "The database does not answer; `Retry-After` says when to try again",
         body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "seconds")),
         example = json!(examples::unavailable())),
    ),
    security(("bearer" = []))
)]
pub(super) async fn get_loan_manager(
    _: Officer,
    base: BaseUrl,
    State(state): State<AppState>,
    Path(id): Path<LoanRequestId>,
) -> Result<impl IntoResponse, Error> {
    let item = item::find(state.db.pool(), id).await?.ok_or(Error::NotFound)?;
    Ok(([(ETAG, etag(item.version))], Json(resource(item, &base))))
}

#[cfg(test)]
mod tests;
