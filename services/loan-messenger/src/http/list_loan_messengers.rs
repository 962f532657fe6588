//! `GET /loanMessengers`: the mailbox, page by page.

use ::events::{CustomerId, LoanId};
use axum::extract::State;
use common::hal::{Collection, Cursor, Direction, PageQuery, PageRequest, Total};
use common::http::{BaseUrl, Json, Query};
use common::problem::Problem;
use common::token::Principal;
use serde::Deserialize;
use utoipa::IntoParams;

use super::shapes::LoanMessenger;
use super::{Api, viewer_of};
use crate::error::Error;
use crate::store;
use crate::store::message::Start;

/// A page of messages.
type LoanMessengers = Collection<LoanMessenger>;

/// Which messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// About this loan.
    loan_id: Option<LoanId>,
    /// To this customer; of use to officers.
    customer_id: Option<CustomerId>,
}

impl Filter {
    /// The list's own address.
    fn address(&self, base: &BaseUrl) -> String {
        let mut query = Vec::new();
        if let Some(id) = self.loan_id {
            query.push(format!("loanId={id}"));
        }
        if let Some(id) = self.customer_id {
            query.push(format!("customerId={id}"));
        }
        let mark = if query.is_empty() { "" } else { "?" };
        base.join(&format!("/loanMessengers{mark}{}", query.join("&")))
    }
}

/// The mailbox
///
/// Customers see what was written to them, officers everything. Newest first
/// unless `sort=createdAt,asc`; for one customer this is the order of `seq`. A
/// filter by what is another customer's finds as much as one by what never was.
#[utoipa::path(
    get,
    path = "/loanMessengers",
    operation_id = "list_loan_messengers",
    tag = "loanMessengers",
    security(("bearer" = [])),
    params(Filter, PageQuery),
    responses(
        (status = 200, description = "A page of messages", body = LoanMessengers, example = json!({
            "_embedded": {"loanMessengers": [{
                "id": "01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11", "seq": 1,
                "loanRequestId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "loanId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "customerId": "01938e1b-ffff-7000-8000-000000000001",
                "kind": "request-received", "language": "en", "subject": "We have received your loan application",
                "body": "We have received your loan application \"Deposit\" for KRW 10,000. We will write to you again when the review begins.",
                "channel": "mailbox", "createdAt": "2026-11-21T08:00:00Z", "sentAt": "2026-11-21T08:00:00Z",
                "_links": {"self": {"href": "http://localhost:8080/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"}}
            }]},
            "page": {"size": 20, "totalElements": 1, "totalPages": 1, "number": 0},
            "_links": {
                "self": {"href": "http://localhost:8080/loanMessengers?page=0&size=20"},
                "first": {"href": "http://localhost:8080/loanMessengers?page=0&size=20"}
            }
        })),
        (status = 400, description = "A parameter that is out of bounds or unreadable", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/invalid-query", "title": "Bad Request", "status": 400, "code": "invalid-query",
                "detail": "The query string has a wrong parameter.", "instance": "/loanMessengers",
                "errors": [{"field": "size", "message": "must be from 1 to 200"}]
            })),
        (status = 401, description = "No token, or a bad one", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
                "code": "unauthenticated", "detail": "A bearer token is needed.", "instance": "/loanMessengers"
            })),
        (status = 403, description = "Neither a customer nor an officer", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/no-role", "title": "Forbidden", "status": 403, "code": "no-role",
                "detail": "Only customers and loan officers have messages to read.", "instance": "/loanMessengers"
            })),
        (status = 421, description = "A `Host` that no link may be made of", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/misdirected-request", "title": "Misdirected Request", "status": 421,
                "code": "misdirected-request", "detail": "This host name is not served here.",
                "instance": "/loanMessengers"
            })),
        (status = 500, description = "An error on our side", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/internal", "title": "Internal Server Error", "status": 500,
                "code": "internal", "detail": "An error on our side. It has been recorded.",
                "instance": "/loanMessengers"
            })),
        (status = 503, description = "The database does not answer; come back after `Retry-After`",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "seconds")),
            example = json!({
                "type": "/problems/unavailable", "title": "Service Unavailable", "status": 503,
                "code": "unavailable", "detail": "The service is busy or its database does not answer.",
                "instance": "/loanMessengers"
            })),
    )
)]
pub(super) async fn list_loan_messengers(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<LoanMessengers>, Error> {
    let scope = viewer_of(&principal)?.scope(filter.customer_id, filter.loan_id);
    let request = PageRequest::parse(&page, &["createdAt"])?;
    let newest_first = !matches!(request.sort, Some((_, Direction::Ascending)));
    let start = match request.position()? {
        Some(position) => Start::Behind(position),
        None => Start::Offset(request.offset()),
    };
    let pool = api.db.pool();
    // Counted before: what comes meanwhile is shown rather than counted and missing.
    let total = store::message::count(pool, scope).await?;
    // One more than asked for tells whether there is a next page.
    let mut messages =
        store::message::list(pool, scope, newest_first, start, request.limit() + 1).await?;
    let next = if messages.len() > request.size as usize {
        messages.truncate(request.size as usize);
        messages.last().map(|last| Cursor::encode(&last.position))
    } else {
        None
    };
    let items = messages.into_iter().map(|message| LoanMessenger::of(message, &base)).collect();
    let address = filter.address(&base);
    Ok(Json(Collection::new(
        "loanMessengers",
        items,
        &request,
        Total::counted(total),
        &address,
        next,
    )))
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
