//! Adding, changing and forgetting people.

use ::events::CustomerId;
use common::db::ExpectRows as _;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::role_name;
use crate::domain::person::Person;

/// Adds a person; `false` if somebody active has the login name.
///
/// # Errors
/// What the database says.
pub async fn add(
    tx: &mut PgConnection,
    person: &Person,
    user_key: &str,
    password_hash: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO person (customer_id, role, user_id, user_key, user_name, user_mobile, user_email,
                             language, password_hash, credential_version, version, registered_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (user_key) DO NOTHING",
    )
    .bind(person.id)
    .bind(role_name(person.role))
    .bind(&person.user_id)
    .bind(user_key)
    .bind(&person.user_name)
    .bind(&person.user_mobile)
    .bind(&person.user_email)
    .bind(person.language)
    .bind(password_hash)
    .bind(person.credential_version)
    .bind(person.version)
    .bind(person.registered_at)
    .bind(person.changed_at)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what may change about a person whose row is locked.
///
/// # Errors
/// What the database says.
pub async fn update(tx: &mut PgConnection, person: &Person) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE person
         SET user_name = $2, user_mobile = $3, user_email = $4, language = $5,
             credential_version = $6, version = $7, changed_at = $8
         WHERE customer_id = $1 AND removed_at IS NULL",
    )
    .bind(person.id)
    .bind(&person.user_name)
    .bind(&person.user_mobile)
    .bind(&person.user_email)
    .bind(person.language)
    .bind(person.credential_version)
    .bind(person.version)
    .bind(person.changed_at)
    .execute(tx)
    .await?
    .expect_rows(1)
}

/// Sets the password of a person whose row is locked.
///
/// # Errors
/// What the database says.
pub async fn set_password(
    tx: &mut PgConnection,
    id: CustomerId,
    password_hash: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE person SET password_hash = $2 WHERE customer_id = $1 AND removed_at IS NULL",
    )
    .bind(id)
    .bind(password_hash)
    .execute(tx)
    .await?
    .expect_rows(1)
}

/// Removes a person whose row is locked, and forgets all that is personal; says
/// which login name is free now.
///
/// # Errors
/// What the database says.
pub async fn remove(
    tx: &mut PgConnection,
    id: CustomerId,
    now: OffsetDateTime,
) -> Result<String, sqlx::Error> {
    // The old row is joined to itself, because RETURNING shows the new one.
    sqlx::query_scalar(
        "UPDATE person
         SET user_id = NULL, user_key = NULL, user_name = NULL, user_mobile = NULL, user_email = NULL,
             password_hash = NULL, credential_version = person.credential_version + 1,
             version = person.version + 1, changed_at = $2, removed_at = $2
         FROM person AS before
         WHERE person.customer_id = $1 AND before.customer_id = $1 AND person.removed_at IS NULL
         RETURNING before.user_key",
    )
    .bind(id)
    .bind(now)
    .fetch_one(tx)
    .await
}
