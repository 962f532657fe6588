//! Messages as operators compare them: of each request, the events it was told of.

use ::events::LoanRequestId;
use common::admin::Selection;
use serde::Serialize;
use sqlx::{FromRow, PgPool, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

/// What was written about one request; nothing of the texts.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// The events that its messages tell of.
    pub event_ids: Vec<Uuid>,
    /// When the last one was written.
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
}

/// Those of a selection, in the order of the requests' ids.
///
/// # Errors
/// What the database says.
pub async fn facts(pool: &PgPool, selection: &Selection) -> Result<Vec<Fact>, sqlx::Error> {
    const KEY: &str = "loan_request_id";
    let mut query = QueryBuilder::new(
        "SELECT loan_request_id, array_agg(event_id ORDER BY event_id) AS event_ids,
                max(created_at) AS last_at FROM message",
    );
    selection.push_where(&mut query, KEY);
    query.push(" GROUP BY loan_request_id");
    selection.push_order(&mut query, KEY);
    query.build_query_as().fetch_all(pool).await
}
