//! Writing items, and the locks that go before it.

use ::events::codes::RejectionReason;
use ::events::{CustomerId, LoanId, LoanRequestId, LoanStatus};
use common::db::ExpectRows;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Item, Officer, columns};
use crate::domain::loan::Loan;

/// Puts an item on the desk; `false` if it lies there already.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut PgConnection, item: &Item) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(concat!(
        "INSERT INTO item (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                   $19, $20, $21, $22)
         ON CONFLICT (loan_request_id) DO NOTHING"
    ))
    .bind(item.loan_request_id)
    .bind(item.kind)
    .bind(item.loan_id)
    .bind(item.status)
    .bind(item.amount)
    .bind(item.currency.code())
    .bind(item.outstanding)
    .bind(item.loan_version)
    .bind(item.version)
    .bind(item.reason)
    .bind(item.customer_id)
    .bind(&item.user_id)
    .bind(&item.user_name)
    .bind(&item.user_mobile)
    .bind(&item.account_no)
    .bind(&item.request_name)
    .bind(item.language)
    .bind(item.proc_id)
    .bind(&item.proc_name)
    .bind(&item.adm_comment)
    .bind(item.received_at)
    .bind(item.changed_at)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
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
