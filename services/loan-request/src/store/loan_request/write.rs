//! Writing requests. Each statement says under which condition it writes; where
//! that is a rule of the domain in SQL, it is there to save a round trip on the
//! way that nearly every request takes, and whatever it does not match goes
//! through the domain.

use ::events::codes::RequestStatus;
use ::events::{CustomerId, LoanId, LoanRequestId};
use common::db::{ExpectRows as _, column};
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

/// A new, undecided request. `decide_after` is when others may ask for its decision.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The request.
    pub request: LoanRequest,
    /// From when on.
    pub decide_after: OffsetDateTime,
}

/// Writes new requests down; those that are there already stay as they are: they are the same,
/// written a moment ago by an attempt whose answer was lost.
///
/// # Errors
/// What the database says.
pub async fn insert(db: impl PgExecutor<'_>, new: &[NewRequest]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO loan_request (loan_request_id, request_id, loan_id, request_name, amount, currency,
             account_no, user_mobile, user_id, user_name, claimed_customer_id, submitted_at, decide_after, status)
         SELECT new.*, $14 FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::text[], $11::uuid[], $12::timestamptz[], $13::timestamptz[]) AS new
         ON CONFLICT (loan_request_id) DO NOTHING",
    )
    .bind(column(new, |one| one.request.id))
    .bind(column(new, |one| one.request.kind))
    .bind(column(new, |one| one.request.loan_id))
    .bind(column(new, |one| one.request.name.as_str()))
    .bind(column(new, |one| one.request.amount))
    .bind(column(new, |one| one.request.currency().code()))
    .bind(column(new, |one| one.request.account_no.as_deref()))
    .bind(column(new, |one| one.request.user_mobile.as_deref()))
    .bind(column(new, |one| one.request.user_id.as_deref()))
    .bind(column(new, |one| one.request.user_name.as_deref()))
    .bind(column(new, |one| one.request.claimed_customer_id))
    .bind(column(new, |one| one.request.submitted_at))
    .bind(column(new, |one| one.decide_after))
    .bind(RequestStatus::Pending)
    .execute(db)
    .await?;
    Ok(())
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

/// A request that was certified for this customer then.
#[derive(Clone, Copy, Debug)]
pub struct NewlyCertified {
    /// The request.
    pub id: LoanRequestId,
    /// For whom.
    pub customer: CustomerId,
    /// When.
    pub at: OffsetDateTime,
}

/// Certifies those of the requests that are undecided and that nobody else is writing to;
/// says which those were.
///
/// # Errors
/// What the database says.
pub async fn certify_undecided(
    db: impl PgExecutor<'_>,
    certified: &[NewlyCertified],
) -> Result<Vec<LoanRequestId>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH undecided AS (
             SELECT loan_request_id FROM loan_request
             WHERE loan_request_id = ANY ($1) AND status = '인증대기' AND customer_id IS NULL
             FOR NO KEY UPDATE SKIP LOCKED
         )
         UPDATE loan_request SET
             customer_id = said.customer_id, certified_at = said.at, decide_after = NULL, version = version + 1
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS said(loan_request_id, customer_id, at)
             JOIN undecided USING (loan_request_id)
         WHERE loan_request.loan_request_id = said.loan_request_id
         RETURNING loan_request.loan_request_id",
    )
    .bind(column(certified, |one| one.id))
    .bind(column(certified, |one| one.customer))
    .bind(column(certified, |one| one.at))
    .fetch_all(db)
    .await
}

/// A request that loan-manager has taken in.
#[derive(Clone, Copy, Debug)]
pub struct NewlyReceived {
    /// The request.
    pub id: LoanRequestId,
    /// Of whom.
    pub customer: CustomerId,
    /// About which loan.
    pub loan: LoanId,
    /// When.
    pub at: OffsetDateTime,
}

/// Marks those of the requests as received that are certified for their customer, or
/// undecided; says which those were, and for whom.
///
/// # Errors
/// What the database says.
pub async fn receive_pending(
    tx: &mut PgConnection,
    received: &[NewlyReceived],
) -> Result<Vec<(LoanRequestId, CustomerId)>, sqlx::Error> {
    // Locked in the order of the ids: two that write to the same requests wait for each other.
    sqlx::query_as(
        "WITH pending AS (
             SELECT loan_request_id FROM loan_request WHERE loan_request_id = ANY ($1) AND status = '인증대기'
             ORDER BY loan_request_id FOR NO KEY UPDATE
         )
         UPDATE loan_request SET
             status = '요청완료', customer_id = said.customer_id, loan_id = said.loan_id,
             certified_at = coalesce(certified_at, said.at), received_at = said.at, decide_after = NULL,
             version = version + 1
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])
                  AS said(loan_request_id, customer_id, loan_id, at)
             JOIN pending USING (loan_request_id)
         WHERE loan_request.loan_request_id = said.loan_request_id
           AND (loan_request.customer_id IS NULL OR loan_request.customer_id = said.customer_id)
         RETURNING loan_request.loan_request_id, loan_request.customer_id",
    )
    .bind(column(received, |one| one.id))
    .bind(column(received, |one| one.customer))
    .bind(column(received, |one| one.loan))
    .bind(column(received, |one| one.at))
    .fetch_all(tx)
    .await
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
         WHERE loan_request_id = ANY (ARRAY(
             SELECT loan_request_id FROM loan_request WHERE decide_after <= $1
             ORDER BY decide_after LIMIT $4 FOR UPDATE SKIP LOCKED
         ))
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
        "DELETE FROM loan_request WHERE loan_request_id = ANY (ARRAY(
             SELECT loan_request_id FROM loan_request WHERE refused_at < $1
             ORDER BY refused_at LIMIT $2 FOR UPDATE SKIP LOCKED
         ))",
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
        "DELETE FROM loan_request WHERE loan_request_id = ANY (ARRAY(
             SELECT loan_request_id FROM loan_request
             WHERE cancelled_at < $1 AND customer_id IS NULL
             ORDER BY cancelled_at LIMIT $2 FOR UPDATE SKIP LOCKED
         ))",
    )
    .bind(withdrawn_before)
    .bind(limit)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
