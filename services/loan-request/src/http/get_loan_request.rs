//! `GET /loanRequests/{loanRequestId}`

#[cfg(test)]
mod tests;

use ::events::LoanRequestId;
use ::events::codes::RequestStatus;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use common::hal::Resource;
use common::http::{BaseUrl, Json, Path, etag};
use common::problem::Problem;
use common::token::Principal;

use super::loan_request_shapes::{LoanRequestBody, problem_example, resource, resource_example};
use super::viewer;
use crate::error::Error;
use crate::store::loan_request;
use crate::usecases::Desk;

/// One request
///
/// A customer sees their own, an officer all that were not cancelled. One that
/// is not decided yet (after an answer 202) is shown to the customer in whose
/// name it was submitted.
#[utoipa::path(
    get,
    path = "/loanRequests/{loanRequestId}",
    tag = "loanRequests",
    operation_id = "get_loan_request",
    params(("loanRequestId" = LoanRequestId, Path, description = "the request")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The request", body = Resource<LoanRequestBody>,
         headers(("ETag" = String, description = "changes with every change of the request")),
         example = json!(resource_example(RequestStatus::Received))),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(401, "Unauthorized", "unauthenticated", "A bearer token is needed."))),
        (status = 403, description = "`no-role`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(403, "Forbidden", "no-role", "The token is neither a customer's nor an officer's."))),
        (status = 404, description = "`not-found`: there is none, it was cancelled, or it is another's",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(404, "Not Found", "not-found", "There is nothing here."))),
        (status = 421, description = "`misdirected-request`: this host name is not served here",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(421, "Misdirected Request", "misdirected-request", "This host name is not served here."))),
        (status = 500, description = "`internal`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(500, "Internal Server Error", "internal", "An error on our side. It has been recorded."))),
        (status = 503, description = "`unavailable`", body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "seconds")),
         example = json!(problem_example(503, "Service Unavailable", "unavailable", "The service is busy or its database does not answer."))),
    )
)]
pub(super) async fn get_loan_request(
    State(desk): State<Desk>,
    base: BaseUrl,
    principal: Principal,
    Path(id): Path<LoanRequestId>,
) -> Result<Response, Error> {
    let viewer = viewer(&principal)?;
    let request = loan_request::find(desk.db.pool(), id).await?.ok_or(Error::NotFound)?;
    if !viewer.sees(request.ownership()) {
        return Err(Error::NotFound);
    }
    let tag = [(header::ETAG, etag(request.version))];
    Ok((tag, Json(resource(request, &base))).into_response())
}
