//! Reading requests, without a lock.

use std::collections::HashMap;

use ::events::codes::RequestStatus;
use ::events::{CustomerId, LoanRequestId};
use sqlx::{PgExecutor, PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::{LoanRequest, columns, contradictory};
use crate::domain::standing::Standing;
use crate::domain::viewer::Viewer;

/// How many rows are counted at most; beyond that a total is a lower bound.
const COUNT_MAX: i64 = 10_000;

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// After so many requests.
    Offset(i64),
    /// Behind this one.
    Behind(LoanRequestId),
}

/// What waits for loan-auth's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Undecided {
    /// How many requests.
    pub count: i64,
    /// Since when the oldest of them waits.
    pub oldest_at: Option<OffsetDateTime>,
}

/// One request.
///
/// # Errors
/// What the database says.
pub async fn find(
    db: impl PgExecutor<'_>,
    id: LoanRequestId,
) -> Result<Option<LoanRequest>, sqlx::Error> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM loan_request WHERE loan_request_id = $1"))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// Where those of these requests stand that are there.
///
/// # Errors
/// What the database says.
pub async fn standings(
    db: impl PgExecutor<'_>,
    ids: &[LoanRequestId],
) -> Result<HashMap<LoanRequestId, Standing>, sqlx::Error> {
    let rows: Vec<(LoanRequestId, RequestStatus, Option<CustomerId>)> = sqlx::query_as(
        "SELECT loan_request_id, status, customer_id FROM loan_request WHERE loan_request_id = ANY ($1)",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(id, status, customer)| {
            let standing = Standing::of(status, customer).ok_or_else(contradictory)?;
            Ok((id, standing))
        })
        .collect()
}

/// At most `limit` of what this viewer lists. The ids are in the order of
/// submission, so they are all that a page needs to begin behind.
///
/// # Errors
/// What the database says.
pub async fn list(
    pool: &PgPool,
    viewer: Viewer<'_>,
    newest_first: bool,
    start: Start,
    limit: i64,
) -> Result<Vec<LoanRequest>, sqlx::Error> {
    let mut query = visible(concat!("SELECT ", columns!(), " FROM loan_request"), viewer);
    if let Start::Behind(id) = start {
        query.push(if newest_first {
            " AND loan_request_id < "
        } else {
            " AND loan_request_id > "
        });
        query.push_bind(id);
    }
    query.push(if newest_first {
        " ORDER BY loan_request_id DESC LIMIT "
    } else {
        " ORDER BY loan_request_id LIMIT "
    });
    query.push_bind(limit);
    if let Start::Offset(skipped) = start {
        query.push(" OFFSET ").push_bind(skipped);
    }
    query.build_query_as().fetch_all(pool).await
}

/// How many there are in the list, counted up to one more than `COUNT_MAX`.
///
/// # Errors
/// What the database says.
pub async fn count(pool: &PgPool, viewer: Viewer<'_>) -> Result<i64, sqlx::Error> {
    let mut query = visible("SELECT count(*) FROM (SELECT 1 FROM loan_request", viewer);
    query.push(" LIMIT ").push_bind(COUNT_MAX + 1).push(") AS counted");
    query.build_query_scalar().fetch_one(pool).await
}

/// The same rule as [`Viewer::lists`], for the database.
fn visible(select: &'static str, viewer: Viewer<'_>) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE status <> '요청취소'");
    if let Viewer::Customer { id, .. } = viewer {
        query.push(" AND customer_id = ").push_bind(id);
    }
    query
}

/// What waits for loan-auth's decision, the ones in flight left out: those
/// whose first deadline has passed.
///
/// # Errors
/// What the database says.
pub async fn undecided(
    db: impl PgExecutor<'_>,
    submitted_before: OffsetDateTime,
) -> Result<Undecided, sqlx::Error> {
    sqlx::query_as(
        "SELECT count(*) AS count, min(submitted_at) AS oldest_at FROM loan_request
         WHERE decide_after IS NOT NULL AND submitted_at < $1",
    )
    .bind(submitted_before)
    .fetch_one(db)
    .await
}
