//! `GET /loanAuths`: the history of certifications, page by page.

use axum::extract::State;
use common::hal::{Collection, Cursor, Direction, PageQuery, PageRequest, Resource, Total};
use common::http::{BaseUrl, Json, Query};
use common::problem::Problem;
use common::token::Principal;

use super::certification_shapes::LoanAuth;
use super::failure_shapes::{LinkFailures, RoleFailures, ServerFailures, TokenFailures};
use super::{Api, scope_of};
use crate::error::Error;
use crate::store::certification::{self, Position, Start};

/// A page of certifications.
type LoanAuths = Collection<Resource<LoanAuth>>;

/// The certifications
///
/// Customers see their own in which they were proven, officers all. Newest first
/// unless `sort=decidedAt,asc`.
#[utoipa::path(
    get,
    path = "/loanAuths",
    operation_id = "list_loan_auths",
    tag = "loanAuths",
    security(("bearer" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of certifications", body = LoanAuths, example = json!({
            "_embedded": {"loanAuths": [{
                "loanRequestId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "loanId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
                "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10000, "currency": "KRW",
                "customerId": "01938e1b-ffff-7000-8000-000000000001", "userId": "1@sk.com",
                "authStatus": "certified", "decidedAt": "2026-11-21T08:00:00Z",
                "_links": {"self": {"href": "http://localhost:8080/loanAuths/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"}}
            }]},
            "page": {"size": 20, "totalElements": 1, "totalPages": 1, "number": 0},
            "_links": {
                "self": {"href": "http://localhost:8080/loanAuths?page=0&size=20"},
                "first": {"href": "http://localhost:8080/loanAuths?page=0&size=20"}
            }
        })),
        (status = 400, description = "A parameter that is out of bounds or unreadable", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/invalid-query", "title": "Bad Request", "status": 400, "code": "invalid-query",
                "detail": "The query string has a wrong parameter.", "instance": "/loanAuths",
                "errors": [{"field": "size", "message": "must be from 1 to 200"}]
            })),
        TokenFailures,
        RoleFailures,
        LinkFailures,
        ServerFailures,
    )
)]
pub(super) async fn list_loan_auths(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Query(page): Query<PageQuery>,
) -> Result<Json<LoanAuths>, Error> {
    let scope = scope_of(&principal)?;
    let request = PageRequest::parse(&page, &["decidedAt"])?;
    let newest_first = !matches!(request.sort, Some((_, Direction::Ascending)));
    let start = match request.position()? {
        Some(position) => Start::Behind(position),
        None => Start::Offset(request.offset()),
    };
    let pool = api.db.pool();
    // Counted before: what comes meanwhile is shown rather than counted and missing.
    let total = certification::count(pool, scope, Total::COUNT_LIMIT).await?;
    // One more than asked for tells whether there is a next page.
    let mut rows =
        certification::list(pool, scope, newest_first, start, request.limit() + 1).await?;
    let next = if rows.len() > request.size as usize {
        rows.truncate(request.size as usize);
        rows.last().map(|last| {
            Cursor::encode(&Position {
                decided_at: last.decided_at,
                loan_request_id: last.loan_request_id,
            })
        })
    } else {
        None
    };
    let items = rows.into_iter().map(|row| LoanAuth::resource(row, &base)).collect();
    let address = base.join("/loanAuths");
    Ok(Json(Collection::new("loanAuths", items, &request, Total::counted(total), &address, next)))
}

#[cfg(test)]
#[path = "list_loan_auths_tests.rs"]
mod tests;
