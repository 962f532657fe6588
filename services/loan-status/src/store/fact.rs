//! What is shown, as operators compare it: of each request the events, and, where
//! it is a loan's application, where the loan stands.

use ::events::{LoanRequestId, LoanStatus};
use common::admin::Selection;
use serde::Serialize;
use sqlx::{FromRow, PgPool, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

/// What is shown of one request.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The events that are shown.
    pub event_ids: Vec<Uuid>,
    /// When the last of them happened.
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
    /// Whether it is shown as compensated.
    pub is_cancelled: bool,
    /// Of an application: where its loan is shown to stand; null if it is not shown.
    pub loan_status: Option<LoanStatus>,
    /// Of an application: what is shown to be owed.
    pub outstanding: Option<i64>,
}

/// Those of a selection, in the order of the requests' ids.
///
/// # Errors
/// What the database says.
pub async fn facts(pool: &PgPool, selection: &Selection) -> Result<Vec<Fact>, sqlx::Error> {
    const KEY: &str = "loan_request_id";
    let mut query = QueryBuilder::new(
        "SELECT shown.*, cancellation.loan_request_id IS NOT NULL AS is_cancelled,
                loan.loan_status, loan.outstanding
         FROM (SELECT loan_request_id, array_agg(event_id ORDER BY event_id) AS event_ids,
                      max(occurred_at) AS last_at FROM entry",
    );
    selection.push_where(&mut query, KEY);
    query.push(" GROUP BY loan_request_id");
    selection.push_order(&mut query, KEY);
    query.push(
        ") AS shown LEFT JOIN cancellation USING (loan_request_id)
         LEFT JOIN loan ON loan.loan_id = shown.loan_request_id ORDER BY shown.loan_request_id",
    );
    query.build_query_as().fetch_all(pool).await
}
