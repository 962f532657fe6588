//! Writing items, and the locks that go before it.

use ::events::codes::RejectionReason;
use ::events::{CustomerId, LoanId, LoanRequestId, LoanStatus};
use common::db::{ExpectRows, column};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Item, Officer, columns};
use crate::domain::loan::Loan;

/// Puts an item on the desk; `false` if it lies there already.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut PgConnection, item: &Item) -> Result<bool, sqlx::Error> {
    Ok(!insert_all(tx, std::slice::from_ref(item)).await?.is_empty())
}

/// Puts items on the desk, and says which of them did not lie there already.
///
/// # Errors
/// What the database says.
pub async fn insert_all(
    tx: &mut PgConnection,
    items: &[Item],
) -> Result<Vec<LoanRequestId>, sqlx::Error> {
    sqlx::query_scalar(concat!(
        "INSERT INTO item (",
        columns!(),
        ") SELECT ",
        columns!(),
        " FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
                 $8::bigint[], $9::bigint[], $10::text[], $11::uuid[], $12::text[], $13::text[], $14::text[],
                 $15::text[], $16::text[], $17::text[], $18::uuid[], $19::text[], $20::text[],
                 $21::timestamptz[], $22::timestamptz[]) AS new(",
        columns!(),
        ") ON CONFLICT (loan_request_id) DO NOTHING RETURNING loan_request_id"
    ))
    .bind(column(items, |item| item.loan_request_id))
    .bind(column(items, |item| item.kind))
    .bind(column(items, |item| item.loan_id))
    .bind(column(items, |item| item.status))
    .bind(column(items, |item| item.amount))
    .bind(column(items, |item| item.currency.code()))
    .bind(column(items, |item| item.outstanding))
    .bind(column(items, |item| item.loan_version))
    .bind(column(items, |item| item.version))
    .bind(column(items, |item| item.reason))
    .bind(column(items, |item| item.customer_id))
    .bind(column(items, |item| item.user_id.as_str()))
    .bind(column(items, |item| item.user_name.as_str()))
    .bind(column(items, |item| item.user_mobile.as_deref()))
    .bind(column(items, |item| item.account_no.as_deref()))
    .bind(column(items, |item| item.request_name.as_str()))
    .bind(column(items, |item| item.language))
    .bind(column(items, |item| item.proc_id))
    .bind(column(items, |item| item.proc_name.as_deref()))
    .bind(column(items, |item| item.adm_comment.as_deref()))
    .bind(column(items, |item| item.received_at))
    .bind(column(items, |item| item.changed_at))
    .fetch_all(tx)
    .await
}

/// Locks the loan that an item belongs to: for an application its own row.
/// `None` if there is no such item, or it never came to a loan.
///
/// # Errors
/// What the database says.
pub async fn lock_loan_behind(
    tx: &mut PgConnection,
    id: LoanRequestId,
) -> Result<Option<Item>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM item WHERE loan_request_id = (SELECT loan_id FROM item WHERE loan_request_id = $1) FOR UPDATE"
    ))
    .bind(id)
    .fetch_optional(tx)
    .await
}

/// Locks a loan, if it is this customer's; another's can't be held up by asking for it.
///
/// # Errors
/// What the database says.
pub async fn lock_loan_of(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    loan_id: LoanId,
) -> Result<Option<Item>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM item WHERE loan_request_id = $1 AND kind = '01' AND customer_id = $2 FOR UPDATE"
    ))
    .bind(loan_id)
    .bind(customer_id)
    .fetch_optional(tx)
    .await
}

/// Locks a customer's executed loans, two at most: more need not be told apart.
///
/// # Errors
/// What the database says.
pub async fn lock_executed_loans_of(
    tx: &mut PgConnection,
    customer_id: CustomerId,
) -> Result<Vec<Item>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM item WHERE customer_id = $1 AND kind = '01' AND status = '04'
          ORDER BY loan_request_id LIMIT 2 FOR UPDATE"
    ))
    .bind(customer_id)
    .fetch_all(tx)
    .await
}

/// Locks a repayment. The caller holds the lock on its loan's row, so that what
/// is read here stays true.
///
/// # Errors
/// What the database says.
pub async fn lock_repayment(tx: &mut PgConnection, id: LoanRequestId) -> Result<Item, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM item WHERE loan_request_id = $1 AND kind = '02' FOR UPDATE"
    ))
    .bind(id)
    .fetch_one(tx)
    .await
}

/// What an officer's step makes of a loan's row.
pub struct LoanChange<'a> {
    /// The loan after it.
    pub loan: Loan,
    /// How many events it has had then.
    pub loan_version: i64,
    /// Who took the step.
    pub officer: &'a Officer,
    /// What was said to it; `None` leaves what was said before.
    pub comment: Option<&'a str>,
    /// When.
    pub changed_at: OffsetDateTime,
}

/// Writes a loan's new state, and says what the row is now.
///
/// # Errors
/// What the database says; also if the loan is not there.
pub async fn change_loan(
    tx: &mut PgConnection,
    id: LoanId,
    change: &LoanChange<'_>,
) -> Result<Item, sqlx::Error> {
    sqlx::query_as(concat!(
        "UPDATE item
            SET status = $2, outstanding = $3, loan_version = $4, version = version + 1,
                proc_id = $5, proc_name = $6, adm_comment = COALESCE($7, adm_comment), changed_at = $8
          WHERE loan_request_id = $1 AND kind = '01'
      RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(change.loan.status)
    .bind(change.loan.outstanding)
    .bind(change.loan_version)
    .bind(change.officer.id)
    .bind(&change.officer.name)
    .bind(change.comment)
    .bind(change.changed_at)
    .fetch_one(tx)
    .await
}

/// Counts an event that leaves the loan as it is: one about a repayment. The
/// row's `version` stays, for an officer who looks at the loan sees no change.
///
/// # Errors
/// What the database says; also if the loan is not there.
pub async fn count_event(
    tx: &mut PgConnection,
    id: LoanId,
    loan_version: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE item SET loan_version = $2 WHERE loan_request_id = $1 AND kind = '01'")
        .bind(id)
        .bind(loan_version)
        .execute(tx)
        .await?
        .expect_rows(1)
}

/// What an officer's step makes of a repayment's row.
pub struct RepaymentChange<'a> {
    /// Where it stands after it.
    pub status: LoanStatus,
    /// Why, if it was rejected.
    pub reason: Option<RejectionReason>,
    /// Who took the step.
    pub officer: &'a Officer,
    /// What was said to it; `None` leaves what was said before.
    pub comment: Option<&'a str>,
    /// When.
    pub changed_at: OffsetDateTime,
}

/// Ends a repayment that waits, and says what the row is now.
///
/// # Errors
/// What the database says; also if the repayment is not there, or does not wait.
pub async fn change_repayment(
    tx: &mut PgConnection,
    id: LoanRequestId,
    change: &RepaymentChange<'_>,
) -> Result<Item, sqlx::Error> {
    sqlx::query_as(concat!(
        "UPDATE item
            SET status = $2, reason = $3, version = version + 1,
                proc_id = $4, proc_name = $5, adm_comment = COALESCE($6, adm_comment), changed_at = $7
          WHERE loan_request_id = $1 AND kind = '02' AND status = '00'
      RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(change.status)
    .bind(change.reason)
    .bind(change.officer.id)
    .bind(&change.officer.name)
    .bind(change.comment)
    .bind(change.changed_at)
    .fetch_one(tx)
    .await
}

/// Rejects the first so many repayments of a loan that still wait, in the order
/// of their ids, and says which. No officer did it, so none is named.
///
/// # Errors
/// What the database says.
pub async fn reject_waiting(
    tx: &mut PgConnection,
    loan_id: LoanId,
    reason: RejectionReason,
    changed_at: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Item>, sqlx::Error> {
    let waiting: Vec<LoanRequestId> = sqlx::query_scalar(
        "SELECT loan_request_id FROM item
          WHERE loan_id = $1 AND kind = '02' AND status = '00'
          ORDER BY loan_request_id LIMIT $2 FOR UPDATE",
    )
    .bind(loan_id)
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let mut rejected: Vec<Item> = sqlx::query_as(concat!(
        "UPDATE item SET status = '03', reason = $2, version = version + 1, changed_at = $3
          WHERE loan_request_id = ANY($1) AND status = '00'
      RETURNING ",
        columns!()
    ))
    .bind(&waiting)
    .bind(reason)
    .bind(changed_at)
    .fetch_all(tx)
    .await?;
    if rejected.len() != waiting.len() {
        return Err(sqlx::Error::RowNotFound);
    }
    rejected.sort_by_key(|item| item.loan_request_id);
    Ok(rejected)
}
