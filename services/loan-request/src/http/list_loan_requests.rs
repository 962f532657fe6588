//! `GET /loanRequests`

#[cfg(test)]
mod tests;

use ::events::LoanRequestId;
use ::events::codes::RequestStatus;
use axum::extract::State;
use common::hal::{Collection, Cursor, Direction, PageQuery, PageRequest, Resource, Total};
use common::http::{BaseUrl, Json, Query};
use common::problem::Problem;
use common::token::Principal;

use super::loan_request_shapes::{LoanRequestBody, problem_example, resource, resource_example};
use super::{COLLECTION, viewer};
use crate::error::Error;
use crate::store::loan_request::{self, Start};
use crate::usecases::Desk;

/// The order of submission, which is the order of the ids.
const SUBMITTED_AT: &str = "submittedAt";

type Page = Collection<Resource<LoanRequestBody>>;

/// Requests
///
/// A customer's own that were certified; an officer's list has all but those
/// that were cancelled. The newest first, unless `sort` says otherwise.
#[utoipa::path(
    get,
    path = "/loanRequests",
    tag = "loanRequests",
    operation_id = "list_loan_requests",
    params(PageQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "A page; `sort` may be `submittedAt`",
         body = Page,
         example = json!({
             "_embedded": { "loanRequests": [resource_example(RequestStatus::Received)] },
             "page": { "size": 20, "totalElements": 1, "totalPages": 1, "number": 0 },
             "_links": { "self": { "href": "http://localhost:8080/loanRequests?page=0&size=20" } }
         })),
        (status = 400, description = "`invalid-query`: a parameter is out of bounds, or `sort` is not listed",
         body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(400, "Bad Request", "invalid-query", "The query string has a wrong parameter."))),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(401, "Unauthorized", "unauthenticated", "A bearer token is needed."))),
        (status = 403, description = "`no-role`", body = Problem, content_type = "application/problem+json",
         example = json!(problem_example(403, "Forbidden", "no-role", "The token is neither a customer's nor an officer's."))),
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
pub(super) async fn list_loan_requests(
    State(desk): State<Desk>,
    base: BaseUrl,
    principal: Principal,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page>, Error> {
    let viewer = viewer(&principal)?;
    let page = PageRequest::parse(&query, &[SUBMITTED_AT])?;
    let newest_first = !matches!(page.sort, Some((_, Direction::Ascending)));
    let start = match page.position::<LoanRequestId>()? {
        Some(id) => Start::Behind(id),
        None => Start::Offset(page.offset()),
    };
    let pool = desk.db.pool();
    // Counted before: what comes meanwhile is shown rather than counted and missing.
    let total = Total::counted(loan_request::count(pool, viewer).await?);
    // One more than is shown tells whether there is a next page.
    let mut found = loan_request::list(pool, viewer, newest_first, start, page.limit() + 1).await?;
    let shown = usize::try_from(page.size).unwrap_or(usize::MAX);
    let more = found.len() > shown;
    found.truncate(shown);
    let next = found.last().filter(|_| more).map(|last| Cursor::encode(&last.id));
    let items = found.into_iter().map(|request| resource(request, &base)).collect();
    Ok(Json(Collection::new("loanRequests", items, &page, total, &base.join(COLLECTION), next)))
}
