//! `open_loan`: which loans are open.

use ::events::{CustomerId, LoanId};
use common::admin::Selection;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use time::OffsetDateTime;

/// What an event of loan-manager says of a loan.
#[derive(Clone, Copy, Debug)]
pub struct LoanState {
    /// Which.
    pub loan_id: LoanId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Whether it is open.
    pub is_open: bool,
    /// The number of the event among the loan's.
    pub loan_version: i64,
}

/// Takes over what an event says; `false` if as new a one was seen before.
///
/// # Errors
/// What the database says.
pub async fn follow(
    tx: &mut PgConnection,
    state: LoanState,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO open_loan (loan_id, customer_id, is_open, loan_version, changed_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (loan_id) DO UPDATE
         SET is_open = excluded.is_open, loan_version = excluded.loan_version, changed_at = excluded.changed_at
         WHERE open_loan.loan_version < excluded.loan_version",
    )
    .bind(state.loan_id)
    .bind(state.customer_id)
    .bind(state.is_open)
    .bind(state.loan_version)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes a loan for good, because its application is no more; `false` if it was
/// closed so before.
///
/// # Errors
/// What the database says.
pub async fn cancel(
    tx: &mut PgConnection,
    loan_id: LoanId,
    customer_id: CustomerId,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO open_loan (loan_id, customer_id, is_open, cancelled_at, changed_at)
         VALUES ($1, $2, false, $3, $3)
         ON CONFLICT (loan_id) DO UPDATE
         SET is_open = false, cancelled_at = excluded.cancelled_at, changed_at = excluded.changed_at
         WHERE open_loan.cancelled_at IS NULL",
    )
    .bind(loan_id)
    .bind(customer_id)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a customer has an open loan. The customer's row is locked, so that no
/// certification opens one meanwhile.
///
/// # Errors
/// What the database says.
pub async fn any_of(tx: &mut PgConnection, id: CustomerId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM open_loan WHERE customer_id = $1 AND is_open AND cancelled_at IS NULL)",
    )
    .bind(id)
    .fetch_one(tx)
    .await
}

/// What is compared of a loan; nothing that is personal.
#[derive(Clone, Debug, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Which; the id of its application's request, too.
    pub loan_id: LoanId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Whether it keeps its customer from leaving.
    pub is_open: bool,
    /// The highest number of loan-manager's events seen; 0 before the first.
    pub loan_version: i64,
    /// The last change.
    #[serde(with = "time::serde::rfc3339")]
    pub changed_at: OffsetDateTime,
}

/// Those of a selection, in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn facts(pool: &PgPool, selection: &Selection) -> Result<Vec<Fact>, sqlx::Error> {
    const KEY: &str = "loan_id";
    let mut query = QueryBuilder::new(
        "SELECT loan_id, customer_id, is_open AND cancelled_at IS NULL AS is_open, loan_version, changed_at
         FROM open_loan",
    );
    selection.push_where(&mut query, KEY);
    selection.push_order(&mut query, KEY);
    query.build_query_as().fetch_all(pool).await
}
