//! `GET /loanStatus`: the entries, page by page.

use axum::extract::State;
use common::hal::{Collection, Cursor, Direction, Links, PageQuery, PageRequest, Total};
use common::http::{BaseUrl, Json, Query};
use common::problem::Problem;
use common::token::Principal;

use super::shapes::{Filter, StatusEntry};
use super::until_shown::{Applied, MinVersion, until_shown};
use super::{Api, viewer_of};
use crate::domain::feed_id::Epoch;
use crate::error::Error;
use crate::store;
use crate::store::entry::{Entry, Start};

/// A page of entries.
type StatusEntries = Collection<StatusEntry>;

fn linked(entry: &Entry, epoch: &Epoch, base: &BaseUrl) -> StatusEntry {
    let links = match entry.loan_id {
        Some(loan_id) => {
            Links::new().with("loan", base.join(&format!("/loanStatus/loans/{loan_id}")))
        }
        None => Links::new(),
    };
    StatusEntry { links: Some(links), ..StatusEntry::of(entry, epoch) }
}

/// The entries
///
/// One for each event. Customers see their own, officers all. Newest first
/// unless `sort=id,asc`. A filter by what is another customer's finds as much as
/// one by what never was. With `minVersion` whoever has written something reads
/// what they have written, or 202.
#[utoipa::path(
    get,
    path = "/loanStatus",
    operation_id = "list_loan_status",
    tag = "loanStatus",
    security(("bearer" = [])),
    params(
        Filter,
        PageQuery,
        ("minVersion" = Option<String>, Query, description = "What a write has answered as `Loan-Version`: answer only when that \
            is shown. Waits up to 2 s for it", example = "AQEBk44cChF7HI9TL29tC3oB"),
        ("Prefer" = Option<String>, Header, description = "`wait=n`: waits up to n seconds instead, 10 at most (RFC 7240); \
            `Preference-Applied` says so", example = "wait=5"),
    ),
    responses(
        (status = 200, description = "A page of entries", body = StatusEntries, example = json!({
            "_embedded": {"loanStatus": [{
                "id": "5f0c3b9a7d21-42", "eventType": "LoanExecuted",
                "loanRequestId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "loanId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "customerId": "01938e1b-ffff-7000-8000-000000000001",
                "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10000, "currency": "KRW",
                "outstanding": 10000, "loanStatus": "대출실행", "loanStatusCode": "04",
                "requestStatus": "요청완료", "loanVersion": 4, "occurredAt": "2026-11-21T08:00:00Z",
                "_links": {"loan": {"href": "http://localhost:8080/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"}}
            }]},
            "page": {"size": 20, "totalElements": 1, "totalPages": 1, "number": 0},
            "_links": {
                "self": {"href": "http://localhost:8080/loanStatus?page=0&size=20"},
                "first": {"href": "http://localhost:8080/loanStatus?page=0&size=20"},
                "stream": {"href": "http://localhost:8080/loanStatus/stream"}
            }
        })),
        (status = 202, description = "What `minVersion` names is not shown yet; ask again after `Retry-After`", body = Problem,
            content_type = "application/problem+json", headers(
                ("Retry-After" = u32, description = "Seconds"),
                ("Preference-Applied" = Option<String>, description = "How long was waited, if `Prefer` said it"),
            ), example = json!({
                "type": "/problems/not-shown-yet", "title": "Accepted", "status": 202, "code": "not-shown-yet",
                "detail": "What `minVersion` names was accepted and is not shown yet. Ask again.",
                "instance": "/loanStatus"
            })),
        (status = 400, description = "A parameter that is out of bounds or unreadable", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/invalid-query", "title": "Bad Request", "status": 400, "code": "invalid-query",
                "detail": "The query string has a wrong parameter.", "instance": "/loanStatus",
                "errors": [{"field": "size", "message": "must be from 1 to 200"}]
            })),
        (status = 401, description = "No token, or a bad one", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
                "code": "unauthenticated", "detail": "A bearer token is needed.", "instance": "/loanStatus"
            })),
        (status = 403, description = "Neither a customer nor an officer", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/no-role", "title": "Forbidden", "status": 403, "code": "no-role",
                "detail": "Only customers and loan officers have a status to see.", "instance": "/loanStatus"
            })),
        (status = 421, description = "A `Host` that no link may be made of", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/misdirected-request", "title": "Misdirected Request", "status": 421,
                "code": "misdirected-request", "detail": "This host name is not served here.", "instance": "/loanStatus"
            })),
        (status = 500, description = "An error on our side", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/internal", "title": "Internal Server Error", "status": 500,
                "code": "internal", "detail": "An error on our side. It has been recorded.",
                "instance": "/loanStatus"
            })),
        (status = 503, description = "The database does not answer; come back after `Retry-After`",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "seconds")),
            example = json!({
                "type": "/problems/unavailable", "title": "Service Unavailable", "status": 503,
                "code": "unavailable", "detail": "The service is busy or its database does not answer.",
                "instance": "/loanStatus"
            })),
    )
)]
pub(super) async fn list_loan_status(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
    asked: MinVersion,
) -> Result<(Applied, Json<StatusEntries>), Error> {
    let viewer = viewer_of(&principal)?;
    let scope = viewer.scope(filter.customer_id, filter.loan_id);
    let request = PageRequest::parse(&page, &["id"])?;
    let newest_first = !matches!(request.sort, Some((_, Direction::Ascending)));
    let start = match request.position()? {
        Some(number) => Start::Behind(number),
        None => Start::Offset(request.offset()),
    };
    let applied = until_shown(&api, viewer, asked).await?;
    let pool = api.db.pool();
    let epoch = store::feed_counter::position(pool).await?.epoch;
    // Counted before: what comes meanwhile is shown rather than counted and missing.
    let total = store::entry::count(pool, scope).await?;
    // One more than asked for tells whether there is a next page.
    let mut entries =
        store::entry::list(pool, scope, newest_first, start, request.limit() + 1).await?;
    let next = if entries.len() > request.size as usize {
        entries.truncate(request.size as usize);
        entries.last().map(|last| Cursor::encode(&last.id))
    } else {
        None
    };
    let items = entries.iter().map(|entry| linked(entry, &epoch, &base)).collect();
    let address = base.join(&filter.address("/loanStatus"));
    let collection =
        Collection::new("loanStatus", items, &request, Total::counted(total), &address, next);
    let stream = base.join(&filter.address("/loanStatus/stream"));
    Ok((applied, Json(collection.with_link("stream", stream))))
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
