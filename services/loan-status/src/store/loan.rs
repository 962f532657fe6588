//! `loan`: where each loan stands now.

use ::events::{CustomerId, LoanId, LoanStatus};
use common::db::column;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::domain::change::NewState;

/// A loan as it stands.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Loan {
    /// The loan.
    pub loan_id: LoanId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// What the application was called, as soon as that is known.
    pub request_name: Option<String>,
    /// How much was applied for, as soon as that is known.
    pub amount_of_money: Option<i64>,
    /// In which currency.
    pub currency: String,
    /// The state.
    pub loan_status: LoanStatus,
    /// What is owed, from the execution on.
    pub outstanding: Option<i64>,
    /// The number of the event that set the state.
    pub loan_version: i64,
    /// Since when.
    pub changed_at: OffsetDateTime,
}

/// Brings loans into a state each, unless a newer event did so before; what the
/// application said is kept in any case. No loan is there twice. `false` if one of them is
/// known to be another customer's, and that one was not changed.
///
/// # Errors
/// What the database says.
pub async fn keep(tx: &mut PgConnection, states: &[&NewState<'_>]) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO loan (loan_id, customer_id, request_name, amount_of_money, currency,
                           loan_status, outstanding, loan_version, changed_at)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[],
                              $6::text[], $7::bigint[], $8::bigint[], $9::timestamptz[])
         ON CONFLICT (loan_id) DO UPDATE SET
            request_name = COALESCE(loan.request_name, excluded.request_name),
            amount_of_money = COALESCE(loan.amount_of_money, excluded.amount_of_money),
            loan_status = CASE WHEN excluded.loan_version > loan.loan_version
                THEN excluded.loan_status ELSE loan.loan_status END,
            outstanding = CASE WHEN excluded.loan_version > loan.loan_version
                THEN COALESCE(excluded.outstanding, loan.outstanding)
                ELSE COALESCE(loan.outstanding, excluded.outstanding) END,
            changed_at = CASE WHEN excluded.loan_version > loan.loan_version
                THEN excluded.changed_at ELSE loan.changed_at END,
            loan_version = GREATEST(loan.loan_version, excluded.loan_version)
          WHERE loan.customer_id = excluded.customer_id",
    )
    .bind(column(states, |state| state.loan_id))
    .bind(column(states, |state| state.customer_id))
    .bind(column(states, |state| state.request_name))
    .bind(column(states, |state| state.amount))
    .bind(column(states, |state| state.currency.code()))
    .bind(column(states, |state| state.status))
    .bind(column(states, |state| state.outstanding))
    .bind(column(states, |state| state.loan_version))
    .bind(column(states, |state| state.changed_at))
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == states.len() as u64)
}

/// Drops a loan's row, to be made anew.
///
/// # Errors
/// What the database says.
pub async fn drop_row(tx: &mut PgConnection, loan_id: LoanId) -> Result<(), sqlx::Error> {
    // None is right too: it may be what is missing.
    sqlx::query("DELETE FROM loan WHERE loan_id = $1").bind(loan_id).execute(tx).await?;
    Ok(())
}

/// One loan.
///
/// # Errors
/// What the database says.
pub async fn find(pool: &PgPool, loan_id: LoanId) -> Result<Option<Loan>, sqlx::Error> {
    sqlx::query_as(
        "SELECT loan_id, customer_id, request_name, amount_of_money, currency, loan_status,
                outstanding, loan_version, changed_at
           FROM loan WHERE loan_id = $1",
    )
    .bind(loan_id)
    .fetch_optional(pool)
    .await
}
