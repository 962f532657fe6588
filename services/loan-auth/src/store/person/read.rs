//! Looking for people.

use ::events::CustomerId;
use common::admin::Selection;
use common::db::column;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, PgPool, QueryBuilder, Row as _};
use time::OffsetDateTime;

use super::person;
use crate::domain::brute_force::{Bounds, Counters, Tally};
use crate::domain::person::Person;

/// All that is to be known before a password is looked at.
pub struct Candidate {
    /// Who has this login name, with the hash of the password.
    pub person: Option<(Person, String)>,
    /// The failures so far.
    pub counters: Counters,
}

/// Who tries to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Under which login name, as it is compared.
    pub user_key: String,
    /// What failures for that are counted under.
    pub account: Vec<u8>,
    /// From where.
    pub address: String,
}

/// Whoever has these login names, and the failures around the attempts, in their order and
/// in one statement: this is asked at every certification.
///
/// # Errors
/// What the database says.
pub async fn candidates(
    executor: impl PgExecutor<'_>,
    attempts: &[Attempted],
    bounds: &Bounds,
    now: OffsetDateTime,
) -> Result<Vec<Candidate>, sqlx::Error> {
    // `OFFSET 0`: the table is mostly empty, and statistics of an empty one may lead by any
    // of its indexes; so each part is asked for what one index answers.
    let rows = sqlx::query(
        "SELECT tried.place, p.*, k.last_success_at,
                a.pair_failures, a.pair_oldest_at, a.account_failures, a.account_oldest_at,
                f.failures AS address_failures, f.oldest_at AS address_oldest_at
         FROM unnest($1::text[], $2::bytea[], $3::text[]) WITH ORDINALITY AS tried(user_key, account, address, place)
         LEFT JOIN person p ON p.user_key = tried.user_key
         LEFT JOIN known_address k ON k.customer_id = p.customer_id AND k.address = tried.address
         CROSS JOIN LATERAL (
             SELECT count(*) FILTER (WHERE address = tried.address AND failed_at > $4) AS pair_failures,
                    min(failed_at) FILTER (WHERE address = tried.address AND failed_at > $4) AS pair_oldest_at,
                    count(*) FILTER (WHERE failed_at > $5) AS account_failures,
                    min(failed_at) FILTER (WHERE failed_at > $5) AS account_oldest_at
             FROM (SELECT * FROM login_failure WHERE account = tried.account OFFSET 0) AS of_account
             WHERE failed_at > least($4, $5)
         ) a
         CROSS JOIN LATERAL (
             SELECT count(*) AS failures, min(failed_at) AS oldest_at
             FROM (SELECT * FROM login_failure WHERE address = tried.address OFFSET 0) AS from_address
             WHERE failed_at > $6
         ) f
         ORDER BY tried.place",
    )
    .bind(column(attempts, |one| one.user_key.as_str()))
    .bind(column(attempts, |one| one.account.as_slice()))
    .bind(column(attempts, |one| one.address.as_str()))
    .bind(now - bounds.account_address.window)
    .bind(now - bounds.account.window)
    .bind(now - bounds.address.window)
    .fetch_all(executor)
    .await?;
    // Each is told what was found for its own attempt, or nobody is told anything.
    let places: Vec<i64> = rows.iter().map(|row| row.try_get("place")).collect::<Result<_, _>>()?;
    if !places.into_iter().eq((1..).take(attempts.len())) {
        return Err(sqlx::Error::Decode("the answers are not those to the attempts".into()));
    }
    rows.iter().map(candidate).collect()
}

fn candidate(row: &PgRow) -> Result<Candidate, sqlx::Error> {
    let tally = |failures: &str, oldest_at: &str| -> Result<Tally, sqlx::Error> {
        Ok(Tally { failures: row.try_get(failures)?, oldest_at: row.try_get(oldest_at)? })
    };
    let counters = Counters {
        account_address: tally("pair_failures", "pair_oldest_at")?,
        account: tally("account_failures", "account_oldest_at")?,
        address: tally("address_failures", "address_oldest_at")?,
        known_since: row.try_get("last_success_at")?,
    };
    let hash: Option<String> = row.try_get("password_hash")?;
    let person = hash.map(|hash| Ok::<_, sqlx::Error>((person(row)?, hash))).transpose()?;
    Ok(Candidate { person, counters })
}

/// An active person.
///
/// # Errors
/// What the database says.
pub async fn by_id(
    executor: impl PgExecutor<'_>,
    id: CustomerId,
) -> Result<Option<Person>, sqlx::Error> {
    sqlx::query("SELECT * FROM person WHERE customer_id = $1 AND removed_at IS NULL")
        .bind(id)
        .fetch_optional(executor)
        .await?
        .as_ref()
        .map(person)
        .transpose()
}

/// An active person, locked until the end of the transaction: no change and no
/// certification of theirs commits meanwhile.
///
/// # Errors
/// What the database says.
pub async fn lock(tx: &mut PgConnection, id: CustomerId) -> Result<Option<Person>, sqlx::Error> {
    sqlx::query("SELECT * FROM person WHERE customer_id = $1 AND removed_at IS NULL FOR UPDATE")
        .bind(id)
        .fetch_optional(tx)
        .await?
        .as_ref()
        .map(person)
        .transpose()
}

/// Whether somebody active has a login name.
///
/// # Errors
/// What the database says.
pub async fn has(executor: impl PgExecutor<'_>, user_key: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM person WHERE user_key = $1)")
        .bind(user_key)
        .fetch_one(executor)
        .await
}

/// The hash of the password of whoever has this login name.
///
/// # Errors
/// Only the database's.
pub async fn password_hash(
    executor: impl PgExecutor<'_>,
    user_key: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT password_hash FROM person WHERE user_key = $1")
        .bind(user_key)
        .fetch_optional(executor)
        .await
}

/// Active officers, by their ids.
///
/// # Errors
/// What the database says.
pub async fn officers(pool: &PgPool, selection: &Selection) -> Result<Vec<Person>, sqlx::Error> {
    let mut query = QueryBuilder::new("SELECT * FROM person");
    selection.push_where(&mut query, "customer_id");
    query.push(" AND role = 'officer' AND removed_at IS NULL");
    selection.push_order(&mut query, "customer_id");
    query.build().fetch_all(pool).await?.iter().map(person).collect()
}
