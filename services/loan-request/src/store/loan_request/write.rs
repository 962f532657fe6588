//! Writing requests. Each statement says under which condition it writes; where
//! that is a rule of the domain in SQL, it is there to save a round trip on the
//! way that nearly every request takes, and whatever it does not match goes
//! through the domain.

use ::events::codes::RequestStatus;
use ::events::{CustomerId, LoanId, LoanRequestId};
use common::db::ExpectRows as _;
use sqlx::{PgConnection, PgExecutor};
use time::{Duration, OffsetDateTime};

use super::{LoanRequest, columns};
use crate::domain::standing::Standing;

/// What a step changes.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Where the request stands after it.
    pub standing: Standing,
    /// The loan, where the step tells it.
    pub loan_id: Option<LoanId>,
    /// Why it ended.
    pub reason: Option<&'a str>,
    /// What an officer said to it.
    pub comment: Option<&'a str>,
    /// When.
    pub at: OffsetDateTime,
}

/// Writes a new, undecided request down. `decide_after` is when others may ask
/// for its decision.
///
/// # Errors
/// What the database says.
pub async fn insert(
    db: impl PgExecutor<'_>,
    request: &LoanRequest,
    decide_after: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO loan_request (loan_request_id, request_id, loan_id, request_name, amount, currency,
             account_no, user_mobile, user_id, user_name, claimed_customer_id, status, submitted_at, decide_after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(request.id)
    .bind(request.kind)
    .bind(request.loan_id)
    .bind(&request.name)
    .bind(request.amount)
    .bind(request.currency().code())
    .bind(&request.account_no)
    .bind(&request.user_mobile)
    .bind(&request.user_id)
    .bind(&request.user_name)
    .bind(request.claimed_customer_id)
    .bind(RequestStatus::Pending)
    .bind(request.submitted_at)
    .bind(decide_after)
    .execute(db)
    .await?
    .expect_rows(1)
}

/// One request, locked until the transaction ends.
///
/// # Errors
/// What the database says.
pub async fn lock(
    tx: &mut PgConnection,
    id: LoanRequestId,
) -> Result<Option<LoanRequest>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM loan_request WHERE loan_request_id = $1 FOR UPDATE"
    ))
    .bind(id)
    .fetch_optional(tx)
    .await
}

/// Takes the step on a locked request.
///
/// # Errors
/// What the database says.
pub async fn write(
    tx: &mut PgConnection,
    id: LoanRequestId,
    change: Change<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE loan_request SET
             status = $2, customer_id = $3, loan_id = coalesce($4, loan_id), reason = $5, comment = $6,
             certified_at = CASE WHEN $3::uuid IS NULL THEN NULL ELSE coalesce(certified_at, $7) END,
             received_at = CASE WHEN $2 = '요청완료' THEN $7 ELSE received_at END,
             refused_at = CASE WHEN $2 = '인증실패' THEN $7 END,
             cancelled_at = CASE WHEN $2 = '요청취소' THEN $7 END,
             decide_after = NULL, version = version + 1
         WHERE loan_request_id = $1",
    )
    .bind(id)
    .bind(change.standing.status())
    .bind(change.standing.customer())
    .bind(change.loan_id)
    .bind(change.reason)
    .bind(change.comment)
    .bind(change.at)
    .execute(tx)
    .await?
    .expect_rows(1)
}

/// Certifies the request if it is undecided; says whether it was.
///
/// # Errors
/// What the database says.
pub async fn certify_undecided(
    db: impl PgExecutor<'_>,
    id: LoanRequestId,
    customer: CustomerId,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE loan_request SET customer_id = $2, certified_at = $3, decide_after = NULL, version = version + 1
         WHERE loan_request_id = $1 AND status = '인증대기' AND customer_id IS NULL",
    )
    .bind(id)
    .bind(customer)
    .bind(at)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks the request as received if it is certified for this customer, or
/// undecided; says whether it was.
///
/// # Errors
/// What the database says.
pub async fn receive_pending(
    db: impl PgExecutor<'_>,
    id: LoanRequestId,
    customer: CustomerId,
    loan: LoanId,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE loan_request SET
             status = '요청완료', customer_id = $2, loan_id = $3, certified_at = coalesce(certified_at, $4),
             received_at = $4, decide_after = NULL, version = version + 1
         WHERE loan_request_id = $1 AND status = '인증대기' AND (customer_id IS NULL OR customer_id = $2)",
    )
    .bind(id)
    .bind(customer)
    .bind(loan)
    .bind(at)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes the request if it is undecided; says whether it was. One that was
/// decided meanwhile stays.
///
/// # Errors
/// What the database says.
pub async fn remove_undecided(
    tx: &mut PgConnection,
    id: LoanRequestId,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM loan_request
         WHERE loan_request_id = $1 AND status = '인증대기' AND customer_id IS NULL",
    )
    .bind(id)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes at most `limit` requests whose decision is overdue, for asking. Nobody
/// else takes them until `pause`, doubled with every earlier attempt up to
/// `pause_max`, is over; should this process die, somebody does then.
///
/// # Errors
/// What the database says.
pub async fn lease_overdue(
    db: impl PgExecutor<'_>,
    now: OffsetDateTime,
    pause: Duration,
    pause_max: Duration,
    limit: i64,
) -> Result<Vec<LoanRequestId>, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE loan_request SET
             decide_after = $1 + least($2 * (2 ^ least(decide_attempts, 20)), $3) * interval '1 second',
             decide_attempts = decide_attempts + 1
         WHERE loan_request_id IN (
             SELECT loan_request_id FROM loan_request WHERE decide_after <= $1
             ORDER BY decide_after LIMIT $4 FOR UPDATE SKIP LOCKED
         )
         RETURNING loan_request_id",
    )
    .bind(now)
    .bind(pause.as_seconds_f64())
    .bind(pause_max.as_seconds_f64())
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Lets the decision of a request be asked for from `now` on. One that has been
/// decided meanwhile stays as it is.
///
/// # Errors
/// What the database says.
pub async fn make_due(
    db: impl PgExecutor<'_>,
    id: LoanRequestId,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE loan_request SET decide_after = $2 WHERE loan_request_id = $1 AND decide_after IS NOT NULL",
    )
    .bind(id)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Removes at most `limit` requests that were refused before then; says how
/// many it were.
///
/// # Errors
/// What the database says.
pub async fn purge_refused(
    db: impl PgExecutor<'_>,
    refused_before: OffsetDateTime,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM loan_request WHERE loan_request_id IN (
             SELECT loan_request_id FROM loan_request WHERE refused_at < $1
             ORDER BY refused_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind(refused_before)
    .bind(limit)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Removes at most `limit` requests that were withdrawn before then, without
/// anyone having been certified; says how many it were.
///
/// # Errors
/// What the database says.
pub async fn purge_withdrawn(
    db: impl PgExecutor<'_>,
    withdrawn_before: OffsetDateTime,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM loan_request WHERE loan_request_id IN (
             SELECT loan_request_id FROM loan_request
             WHERE cancelled_at < $1 AND customer_id IS NULL
             ORDER BY cancelled_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind(withdrawn_before)
    .bind(limit)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
