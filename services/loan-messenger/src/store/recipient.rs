//! `recipient`: whom we write to.

use ::events::{CustomerId, Language};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// A customer as loan-auth told of them. Not `Debug`: it is personal data.
pub struct Recipient {
    /// Who.
    pub customer_id: CustomerId,
    /// The language to write in.
    pub language: Language,
    /// The name.
    pub user_name: String,
    /// Where short messages go.
    pub user_mobile: String,
    /// Where mail goes.
    pub user_email: Option<String>,
    /// Since when this holds.
    pub changed_at: OffsetDateTime,
}

/// Keeps a recipient; `false` if what is known is as new, or the customer was
/// removed.
///
/// # Errors
/// What the database says.
pub async fn keep(tx: &mut PgConnection, recipient: &Recipient) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO recipient (customer_id, language, user_name, user_mobile, user_email, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (customer_id) DO UPDATE
            SET language = excluded.language,
                user_name = excluded.user_name,
                user_mobile = excluded.user_mobile,
                user_email = excluded.user_email,
                changed_at = excluded.changed_at
          WHERE recipient.removed_at IS NULL
            AND recipient.changed_at < excluded.changed_at",
    )
    .bind(recipient.customer_id)
    .bind(recipient.language)
    .bind(&recipient.user_name)
    .bind(&recipient.user_mobile)
    .bind(&recipient.user_email)
    .bind(recipient.changed_at)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets all that is personal about a customer, for good; `false` if that
/// was done before.
///
/// # Errors
/// What the database says.
pub async fn forget(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    removed_at: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO recipient (customer_id, changed_at, removed_at)
         VALUES ($1, $2, $2)
         ON CONFLICT (customer_id) DO UPDATE
            SET language = NULL,
                user_name = NULL,
                user_mobile = NULL,
                user_email = NULL,
                changed_at = excluded.changed_at,
                removed_at = excluded.removed_at
          WHERE recipient.removed_at IS NULL",
    )
    .bind(customer_id)
    .bind(removed_at)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The language of a customer, if it is known.
///
/// # Errors
/// What the database says.
pub async fn language_of(
    tx: &mut PgConnection,
    customer_id: CustomerId,
) -> Result<Option<Language>, sqlx::Error> {
    let language: Option<Option<Language>> =
        sqlx::query_scalar("SELECT language FROM recipient WHERE customer_id = $1")
            .bind(customer_id)
            .fetch_optional(tx)
            .await?;
    Ok(language.flatten())
}
