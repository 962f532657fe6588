//! Deciding, once.

use ::events::codes::RequestKind;
use ::events::{CustomerId, LoanRequestId};
use common::db::ExpectRows as _;
use sqlx::{PgConnection, PgPool, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::certification::Asked;
use crate::domain::person::Person;

/// What became of a certification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certified {
    /// It was the first word on the request.
    Decided,
    /// Another was first.
    TooLate,
    /// The person has been removed, or has another password, since the proof.
    NoLongerProven,
}

/// Certifies a request for a proven person, if nothing was decided before, and
/// opens the loan of an application: one statement, because thousands of these
/// come in a second. `event_id` is that of the event that tells of it.
///
/// The person's row is locked against a removal or a change of the password
/// until the commit, and looked at again after any wait for one; several
/// certifications of one person do not wait for each other.
///
/// # Errors
/// What the database says.
pub async fn certify(
    tx: &mut PgConnection,
    asked: &Asked,
    person: &Person,
    event_id: Uuid,
    now: OffsetDateTime,
) -> Result<Certified, sqlx::Error> {
    let row = sqlx::query(
        "WITH holder AS (
             SELECT customer_id FROM person
             WHERE customer_id = $2 AND credential_version = $3 AND removed_at IS NULL
             FOR KEY SHARE
         ), decided AS (
             INSERT INTO certification (loan_request_id, outcome, customer_id, request_id, loan_id,
                                        request_name, amount_of_money, currency, decided_at,
                                        event_id, account_no, user_mobile)
             SELECT $1, 'certified', customer_id, $4, $5, $6, $7, $8, $9, $11, $12, $13 FROM holder
             ON CONFLICT (loan_request_id) DO NOTHING
             RETURNING loan_request_id, customer_id
         ), opened AS (
             INSERT INTO open_loan (loan_id, customer_id, is_open, changed_at)
             SELECT loan_request_id, customer_id, true, $9 FROM decided WHERE $10
             ON CONFLICT (loan_id) DO NOTHING
         )
         SELECT EXISTS (SELECT FROM holder) AS is_proven, EXISTS (SELECT FROM decided) AS is_decided",
    )
    .bind(asked.loan_request_id)
    .bind(person.id)
    .bind(person.credential_version)
    .bind(asked.request_id)
    .bind(asked.loan_id())
    .bind(&asked.request_name)
    .bind(asked.amount_of_money)
    .bind(asked.currency.code())
    .bind(now)
    .bind(asked.request_id == RequestKind::Apply)
    .bind(event_id)
    .bind(&asked.account_no)
    .bind(&asked.user_mobile)
    .fetch_one(tx)
    .await?;
    Ok(match (row.try_get("is_proven")?, row.try_get("is_decided")?) {
        (true, true) => Certified::Decided,
        (true, false) => Certified::TooLate,
        (false, _) => Certified::NoLongerProven,
    })
}

/// Who was not proven.
pub struct Refused<'a> {
    /// The login name that was claimed, as it is compared.
    pub claimed_user_key: Option<&'a str>,
    /// From where.
    pub address: &'a str,
}

/// Refuses a request, if nothing was decided before; says whether it was.
///
/// # Errors
/// What the database says.
pub async fn refuse(
    tx: &mut PgConnection,
    asked: &Asked,
    refused: &Refused<'_>,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO certification (loan_request_id, outcome, request_id, loan_id, request_name,
                                    amount_of_money, currency, claimed_user_key, address, decided_at)
         VALUES ($1, 'refused', $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (loan_request_id) DO NOTHING",
    )
    .bind(asked.loan_request_id)
    .bind(asked.request_id)
    .bind(asked.loan_id())
    .bind(&asked.request_name)
    .bind(asked.amount_of_money)
    .bind(asked.currency.code())
    .bind(refused.claimed_user_key)
    .bind(refused.address)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Voids a request, if nothing was decided before; says whether it was.
///
/// # Errors
/// What the database says.
pub async fn void(
    tx: &mut PgConnection,
    id: LoanRequestId,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO certification (loan_request_id, outcome, decided_at) VALUES ($1, 'voided', $2)
         ON CONFLICT (loan_request_id) DO NOTHING",
    )
    .bind(id)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks a certified request as cancelled. The row is locked and certified.
///
/// # Errors
/// What the database says.
pub async fn cancel(
    tx: &mut PgConnection,
    id: LoanRequestId,
    customer_id: CustomerId,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE certification SET outcome = 'cancelled', cancelled_at = $3
         WHERE loan_request_id = $1 AND outcome = 'certified' AND customer_id = $2",
    )
    .bind(id)
    .bind(customer_id)
    .bind(now)
    .execute(tx)
    .await?
    .expect_rows(1)
}

/// Forgets who claimed a login name and from where, because its owner is removed.
///
/// # Errors
/// What the database says.
pub async fn forget_claims(tx: &mut PgConnection, user_key: &str) -> Result<(), sqlx::Error> {
    // Any number is right: mostly nobody has claimed to be anyone else.
    sqlx::query("UPDATE certification SET claimed_user_key = NULL, address = NULL WHERE claimed_user_key = $1")
        .bind(user_key)
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets how to reach a customer about their requests, because they are removed.
///
/// # Errors
/// What the database says.
pub async fn forget_contacts(tx: &mut PgConnection, id: CustomerId) -> Result<(), sqlx::Error> {
    // Any number is right: mostly the registered number is meant.
    sqlx::query(
        "UPDATE certification SET account_no = NULL, user_mobile = NULL
         WHERE customer_id = $1 AND num_nonnulls(account_no, user_mobile) > 0",
    )
    .bind(id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps the id under which a certification is told of, where none is kept.
///
/// # Errors
/// What the database says.
pub async fn keep_event_id(
    tx: &mut PgConnection,
    id: LoanRequestId,
    event_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE certification SET event_id = $2 WHERE loan_request_id = $1 AND event_id IS NULL",
    )
    .bind(id)
    .bind(event_id)
    .execute(tx)
    .await?
    .expect_rows(1)
}

/// Forgets up to `limit` requests that nobody was proven for; says how many.
///
/// # Errors
/// What the database says.
pub async fn purge(pool: &PgPool, before: OffsetDateTime, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM certification WHERE loan_request_id IN (
             SELECT loan_request_id FROM certification
             WHERE customer_id IS NULL AND decided_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
