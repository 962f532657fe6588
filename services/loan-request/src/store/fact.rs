//! Requests as operators compare them, and as a compensation is told of once more.

use ::events::codes::RequestStatus;
use ::events::{CustomerId, LoanRequestId};
use common::admin::Selection;
use common::db::ExpectRows as _;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

/// What is compared of a request; nothing that is personal.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// Where it stands.
    pub status: RequestStatus,
    /// Whose it is, once that is proven.
    pub customer_id: Option<CustomerId>,
    /// How much is asked for, or is to be repaid.
    pub amount: i64,
    /// The event that told of its compensation.
    pub cancelled_event_id: Option<Uuid>,
    /// When it came in.
    #[serde(with = "time::serde::rfc3339")]
    pub submitted_at: OffsetDateTime,
    /// When it came to stand where it stands.
    #[serde(with = "time::serde::rfc3339")]
    pub changed_at: OffsetDateTime,
}

/// Those of a selection, in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn facts(pool: &PgPool, selection: &Selection) -> Result<Vec<Fact>, sqlx::Error> {
    const KEY: &str = "loan_request_id";
    let mut query = QueryBuilder::new(
        "SELECT loan_request_id, status, customer_id, amount, cancelled_event_id, submitted_at,
                coalesce(cancelled_at, refused_at, received_at, certified_at, submitted_at) AS changed_at
         FROM loan_request",
    );
    selection.push_where(&mut query, KEY);
    selection.push_order(&mut query, KEY);
    query.build_query_as().fetch_all(pool).await
}

/// The event that told of a compensation, and when that was.
///
/// # Errors
/// What the database says.
pub async fn cancellation(
    tx: &mut PgConnection,
    id: LoanRequestId,
) -> Result<Option<(Option<Uuid>, OffsetDateTime)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT cancelled_event_id, cancelled_at FROM loan_request
         WHERE loan_request_id = $1 AND status = '요청취소' AND customer_id IS NOT NULL",
    )
    .bind(id)
    .fetch_optional(tx)
    .await
}

/// Keeps the id of the event that tells of a compensation.
///
/// # Errors
/// What the database says.
pub async fn keep_cancellation(
    tx: &mut PgConnection,
    id: LoanRequestId,
    event_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE loan_request SET cancelled_event_id = $2 WHERE loan_request_id = $1")
        .bind(id)
        .bind(event_id)
        .execute(tx)
        .await?
        .expect_rows(1)
}
