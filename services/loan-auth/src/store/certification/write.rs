//! Deciding, once.

use ::events::codes::RequestKind;
use ::events::{CustomerId, LoanRequestId};
use common::db::{ExpectRows as _, column};
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

/// A certification among others.
pub struct NewCertification<'a> {
    /// What is certified.
    pub asked: &'a Asked,
    /// To whom.
    pub person: &'a Person,
    /// The event that tells of it.
    pub event_id: Uuid,
    /// When.
    pub at: OffsetDateTime,
}

/// The same as [`certify`] for many; says of which events it was the first word. Whose
/// row another has locked is left out, and so is whoever is proven no longer: nobody waits
/// here for anybody else's removal.
///
/// # Errors
/// What the database says.
pub async fn certify_all(
    tx: &mut PgConnection,
    new: &[NewCertification<'_>],
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH asked AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::uuid[], $6::text[],
                                  $7::bigint[], $8::text[], $9::timestamptz[], $10::uuid[], $11::text[], $12::text[])
                 WITH ORDINALITY AS asked(loan_request_id, customer_id, credential_version, request_id, loan_id,
                     request_name, amount_of_money, currency, decided_at, event_id, account_no, user_mobile, place)
         ), holder AS (
             SELECT customer_id, credential_version FROM person
             WHERE customer_id = ANY ($2) AND removed_at IS NULL
             FOR KEY SHARE SKIP LOCKED
         ), decided AS (
             INSERT INTO certification (loan_request_id, outcome, customer_id, request_id, loan_id,
                                        request_name, amount_of_money, currency, decided_at,
                                        event_id, account_no, user_mobile)
             SELECT loan_request_id, 'certified', customer_id, request_id, loan_id, request_name,
                    amount_of_money, currency, decided_at, event_id, account_no, user_mobile
               FROM asked JOIN holder USING (customer_id, credential_version) ORDER BY loan_request_id, place
             ON CONFLICT (loan_request_id) DO NOTHING
             RETURNING loan_request_id, customer_id, request_id, decided_at, event_id
         ), opened AS (
             INSERT INTO open_loan (loan_id, customer_id, is_open, changed_at)
             SELECT loan_request_id, customer_id, true, decided_at FROM decided
              WHERE request_id = $13 ORDER BY loan_request_id
             ON CONFLICT (loan_id) DO NOTHING
         )
         SELECT event_id FROM decided",
    )
    .bind(column(new, |one| one.asked.loan_request_id))
    .bind(column(new, |one| one.person.id))
    .bind(column(new, |one| one.person.credential_version))
    .bind(column(new, |one| one.asked.request_id))
    .bind(column(new, |one| one.asked.loan_id()))
    .bind(column(new, |one| one.asked.request_name.as_str()))
    .bind(column(new, |one| one.asked.amount_of_money))
    .bind(column(new, |one| one.asked.currency.code()))
    .bind(column(new, |one| one.at))
    .bind(column(new, |one| one.event_id))
    .bind(column(new, |one| one.asked.account_no.as_deref()))
    .bind(column(new, |one| one.asked.user_mobile.as_deref()))
    .bind(RequestKind::Apply)
    .fetch_all(tx)
    .await
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
        "DELETE FROM certification WHERE loan_request_id = ANY (ARRAY(
             SELECT loan_request_id FROM certification
             WHERE customer_id IS NULL AND decided_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
