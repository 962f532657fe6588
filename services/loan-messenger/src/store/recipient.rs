//! `recipient`: whom we write to.

use ::events::codes::{Channel, MessageKind};
use ::events::{CustomerId, Language};
use common::db::column;
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

/// What is to be known of a customer when a message is written to them.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Reader {
    /// There is word of this customer.
    pub is_known: bool,
    /// The customer was removed.
    pub is_removed: bool,
    /// The language to write in.
    pub language: Option<Language>,
    /// There is a mail address.
    pub has_mail: bool,
    /// The channel that was chosen.
    pub chosen: Option<Channel>,
    /// The customer does not want this kind of message to be sent.
    pub is_unwanted: bool,
}

/// What is known of the customers who are to read messages of these kinds, in the order
/// in which they are asked for.
///
/// # Errors
/// What the database says.
pub async fn readers(
    tx: &mut PgConnection,
    wanted: &[(CustomerId, MessageKind)],
) -> Result<Vec<Reader>, sqlx::Error> {
    sqlx::query_as(
        "SELECT r.customer_id IS NOT NULL AS is_known, r.removed_at IS NOT NULL AS is_removed,
                r.language, r.user_email IS NOT NULL AS has_mail, p.channel AS chosen,
                COALESCE(c.kind = ANY (p.opted_out), false) AS is_unwanted
           FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS c(customer_id, kind, place)
           LEFT JOIN recipient r ON r.customer_id = c.customer_id
           LEFT JOIN preference p ON p.customer_id = c.customer_id
          ORDER BY c.place",
    )
    .bind(column(wanted, |(customer_id, _)| *customer_id))
    .bind(column(wanted, |(_, kind)| *kind))
    .fetch_all(tx)
    .await
}

/// Whether a customer was removed; that does not change before the end of the
/// transaction.
///
/// # Errors
/// What the database says.
pub async fn is_removed(
    tx: &mut PgConnection,
    customer_id: CustomerId,
) -> Result<bool, sqlx::Error> {
    let removed: Option<bool> = sqlx::query_scalar(
        "SELECT removed_at IS NOT NULL FROM recipient WHERE customer_id = $1 FOR SHARE",
    )
    .bind(customer_id)
    .fetch_optional(tx)
    .await?;
    Ok(removed == Some(true))
}

/// Where mail and short messages to a customer go so far; the row is locked.
///
/// # Errors
/// What the database says.
pub async fn addresses(
    tx: &mut PgConnection,
    customer_id: CustomerId,
) -> Result<(Option<String>, Option<String>), sqlx::Error> {
    let addresses = sqlx::query_as(
        "SELECT user_email, user_mobile FROM recipient WHERE customer_id = $1 FOR UPDATE",
    );
    Ok(addresses.bind(customer_id).fetch_optional(tx).await?.unwrap_or_default())
}
