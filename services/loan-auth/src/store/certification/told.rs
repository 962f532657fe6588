//! Certifications as operators compare them, and as they are told of once more.

use ::events::codes::RequestKind;
use ::events::{CustomerId, LoanId, LoanRequestId};
use common::admin::Selection;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::certification::Asked;

/// What is compared of a certification; nothing that is personal.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// The request.
    pub loan_request_id: LoanRequestId,
    /// `certified`, `refused`, `voided` or `cancelled`.
    pub outcome: String,
    /// Who was proven.
    pub customer_id: Option<CustomerId>,
    /// How much was asked for.
    pub amount_of_money: Option<i64>,
    /// The event that tells of it.
    pub event_id: Option<Uuid>,
    /// When it was decided.
    #[serde(with = "time::serde::rfc3339")]
    pub decided_at: OffsetDateTime,
}

/// Those of a selection, in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn facts(pool: &PgPool, selection: &Selection) -> Result<Vec<Fact>, sqlx::Error> {
    const KEY: &str = "loan_request_id";
    let mut query = QueryBuilder::new(
        "SELECT loan_request_id, outcome, customer_id, amount_of_money, event_id, decided_at FROM certification",
    );
    selection.push_where(&mut query, KEY);
    selection.push_order(&mut query, KEY);
    query.build_query_as().fetch_all(pool).await
}

/// A certified request, as it was asked for.
pub struct Told {
    /// What was certified.
    pub asked: Asked,
    /// For whom.
    pub customer_id: CustomerId,
    /// The id of the event that told of it, where it is kept.
    pub event_id: Option<Uuid>,
    /// When.
    pub certified_at: OffsetDateTime,
}

#[derive(FromRow)]
struct Row {
    loan_request_id: LoanRequestId,
    customer_id: CustomerId,
    request_id: RequestKind,
    loan_id: Option<LoanId>,
    request_name: String,
    amount_of_money: ::events::Amount,
    account_no: Option<String>,
    user_mobile: Option<String>,
    event_id: Option<Uuid>,
    decided_at: OffsetDateTime,
}

/// A request that is certified and was not cancelled, locked until the end of the
/// transaction.
///
/// # Errors
/// What the database says.
pub async fn told(tx: &mut PgConnection, id: LoanRequestId) -> Result<Option<Told>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT loan_request_id, customer_id, request_id, loan_id, request_name, amount_of_money,
                account_no, user_mobile, event_id, decided_at
         FROM certification WHERE loan_request_id = $1 AND outcome = 'certified' FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| Told {
        asked: Asked {
            loan_request_id: row.loan_request_id,
            request_id: row.request_id,
            named_loan: row.loan_id,
            request_name: row.request_name,
            amount_of_money: row.amount_of_money,
            // The one that there is.
            currency: ::events::Currency::KRW,
            account_no: row.account_no,
            user_mobile: row.user_mobile,
        },
        customer_id: row.customer_id,
        event_id: row.event_id,
        certified_at: row.decided_at,
    }))
}
