//! `GET /loanManagers`: the queue.

use std::fmt::Write as _;
use std::str::FromStr;

use ::events::{LoanId, LoanRequestId, LoanStatus, RequestKind};
use axum::extract::State;
use axum::http::StatusCode;
use common::hal::{Collection, Cursor, Direction, PageQuery, PageRequest, Resource, Total};
use common::http::{BaseUrl, Json, Query};
use common::problem::Problem;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::IntoParams;

use super::AppState;
use super::officer::Officer;
use super::shapes::{LoanManager, LoanManagerPage, examples, resource};
use crate::domain::step::WAITING_FOR_OFFICER;
use crate::error::Error;
use crate::store::item::{self, Filter, Item, Start};

/// The one field to sort by; ascending if nothing else is said.
const SORTS: &[&str] = &["receivedAt"];

/// What asks for items in every state.
const EVERY_STATE: &str = "all";

/// Which part of the queue is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct QueueQuery {
    /// States, comma separated (`00,01`), or `all`. Without it: what waits for an
    /// officer (`00`, `01`, `02`).
    #[param(example = "00")]
    loan_status: Option<String>,
    /// `01` applications, `02` repayment requests.
    #[param(example = "01")]
    request_id: Option<String>,
    /// A loan and its repayment requests.
    #[param(value_type = Option<LoanId>)]
    loan_id: Option<String>,
    /// The page.
    #[serde(flatten)]
    #[param(ignore)]
    page: PageQuery,
}

/// Where a page ended.
#[derive(Serialize, Deserialize)]
struct Position {
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    id: LoanRequestId,
}

/// The queue: what waits for an officer, oldest first.
///
/// Officers only. `_links.next` holds a key cursor: it neither skips nor repeats
/// an item while others come in, and it goes on beyond `page` × `size` = 10,000.
#[utoipa::path(
    get,
    path = "/loanManagers",
    tag = "loanManagers",
    params(QueueQuery, PageQuery),
    responses(
        (status = 200, description = "A page of the queue under `_embedded.loanManagers`",
         body = LoanManagerPage, example = json!(examples::page())),
        (status = 400, description = "A parameter that is wrong", body = Problem,
         content_type = "application/problem+json", example = json!(examples::wrong_query())),
        (status = 401, description = "No token, or a bad one", body = Problem,
         content_type = "application/problem+json", example = json!(examples::unauthenticated())),
        (status = 403, description = "Not an officer", body = Problem,
         content_type = "application/problem+json", example = json!(examples::forbidden())),
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
pub(super) async fn list_loan_managers(
    _: Officer,
    base: BaseUrl,
    State(state): State<AppState>,
    Query(query): Query<QueueQuery>,
) -> Result<Json<Collection<Resource<LoanManager>>>, Error> {
    let filter = filter_of(&query)?;
    let request = PageRequest::parse(&query.page, SORTS)?;
    let newest_first = matches!(request.sort, Some((_, Direction::Descending)));
    let start = match request.position::<Position>()? {
        Some(position) => Start::Behind(position.received_at, position.id),
        None => Start::Offset(request.offset()),
    };
    let pool = state.db.pool();
    // Counted before: what comes meanwhile is shown rather than counted and missing.
    let total = Total::counted(item::count(pool, &filter, Total::COUNT_LIMIT).await?);
    // One more than is shown tells whether there is a next page.
    let mut items = item::list(pool, &filter, newest_first, start, request.limit() + 1).await?;
    let next = cut(&mut items, request.size as usize);
    let items = items.into_iter().map(|item| resource(item, &base)).collect();
    let address = base.join(&address_of(&query));
    Ok(Json(Collection::new("loanManagers", items, &request, total, &address, next)))
}

/// Leaves `size` items; the cursor behind the last of them if there were more.
fn cut(items: &mut Vec<Item>, size: usize) -> Option<String> {
    if items.len() <= size {
        return None;
    }
    items.truncate(size);
    let last = items.last()?;
    Some(Cursor::encode(&Position { received_at: last.received_at, id: last.loan_request_id }))
}

fn filter_of(query: &QueueQuery) -> Result<Filter, Problem> {
    let statuses = match given(query.loan_status.as_deref()) {
        None => Some(WAITING_FOR_OFFICER.to_vec()),
        Some(EVERY_STATE) => None,
        Some(list) => {
            let mut statuses = list
                .split(',')
                .map(|code| parse("loanStatus", code))
                .collect::<Result<Vec<LoanStatus>, _>>()?;
            statuses.sort_unstable();
            statuses.dedup();
            Some(statuses)
        }
    };
    let kind: Option<RequestKind> =
        given(query.request_id.as_deref()).map(|code| parse("requestId", code)).transpose()?;
    let loan_id: Option<LoanId> =
        given(query.loan_id.as_deref()).map(|id| parse("loanId", id)).transpose()?;
    Ok(Filter { statuses, kind, loan_id })
}

/// A parameter without a value is one that was not given.
fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

fn parse<T: FromStr<Err: std::fmt::Display>>(field: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|error: T::Err| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid-query",
            "The query string has a wrong parameter.",
        )
        .with_error(field, error.to_string())
    })
}

/// The list's own address with its filters, which are good by now: codes,
/// commas and ids, nothing that would have to be escaped.
fn address_of(query: &QueueQuery) -> String {
    let mut address = "/loanManagers".to_owned();
    let filters = [
        ("loanStatus", &query.loan_status),
        ("requestId", &query.request_id),
        ("loanId", &query.loan_id),
    ];
    let mut separator = '?';
    for (name, value) in filters {
        if let Some(value) = given(value.as_deref()) {
            // Writing to a String can't fail.
            let _ = write!(address, "{separator}{name}={value}");
            separator = '&';
        }
    }
    address
}

#[cfg(test)]
mod tests;
