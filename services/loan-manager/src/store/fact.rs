//! Items as operators compare them: with what was booked and what was told.

use ::events::codes::RejectionReason;
use ::events::{CustomerId, LoanId, LoanRequestId, LoanStatus, RequestKind};
use common::admin::Selection;
use serde::Serialize;
use sqlx::{FromRow, PgPool, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

/// What is compared of an item; nothing that is personal.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// A new loan or a repayment.
    pub kind: RequestKind,
    /// The loan, if it came to one.
    pub loan_id: Option<LoanId>,
    /// Where it stands.
    pub status: LoanStatus,
    /// How much is asked for, or is to be repaid.
    pub amount: i64,
    /// What is owed: on a loan, from its execution on.
    pub outstanding: Option<i64>,
    /// What was booked: on a loan.
    pub booked: i64,
    /// Why a repayment was rejected.
    pub reason: Option<RejectionReason>,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// Of a loan: the last event that says where it stands, its own or a repayment's,
    pub standing_event_id: Option<Uuid>,
    /// and that event's number among the loan's.
    pub standing_version: Option<i64>,
    /// When it came in.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// When it changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub changed_at: OffsetDateTime,
    /// What was told of it, in the order of the events' ids: the ids,
    pub event_ids: Vec<Uuid>,
    /// the types,
    pub event_types: Vec<String>,
    /// and the times, in milliseconds since 1970.
    pub event_times_ms: Vec<i64>,
}

/// Those of a selection, in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn facts(pool: &PgPool, selection: &Selection) -> Result<Vec<Fact>, sqlx::Error> {
    const KEY: &str = "item.loan_request_id";
    let mut query = QueryBuilder::new(
        "SELECT item.loan_request_id, kind, loan_id, status, amount, outstanding, reason, customer_id,
                received_at, changed_at, told.event_ids, told.event_types, told.event_times_ms,
                standing.event_id AS standing_event_id, standing.loan_version AS standing_version,
                coalesce((SELECT sum(booking.amount) FROM booking
                          WHERE booking.loan_id = item.loan_request_id), 0)::bigint AS booked
         FROM item CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(event_id ORDER BY event_id), '{}') AS event_ids,
                    coalesce(array_agg(event_type ORDER BY event_id), '{}') AS event_types,
                    coalesce(array_agg((extract(epoch FROM occurred_at) * 1000)::bigint
                                       ORDER BY event_id), '{}') AS event_times_ms
             FROM history WHERE history.loan_request_id = item.loan_request_id
         ) AS told LEFT JOIN LATERAL (
             SELECT event_id, (payload::jsonb ->> 'loanVersion')::bigint AS loan_version
             FROM history
             WHERE event_type IN ('LoanJudged', 'LoanExecuted', 'LoanRepaid')
               AND loan_request_id IN (
                   SELECT item.loan_request_id
                   UNION SELECT booking.loan_request_id FROM booking
                   WHERE booking.loan_id = item.loan_request_id)
             ORDER BY loan_version DESC LIMIT 1
         ) AS standing ON item.kind = '01'",
    );
    selection.push_where(&mut query, KEY);
    selection.push_order(&mut query, KEY);
    query.build_query_as().fetch_all(pool).await
}
