//! How a customer can be reached, put together from `recipient`, `preference`,
//! `webhook` and `verified_address`; and what writes the last three.

use ::events::codes::{Channel, MessageKind};
use ::events::{CustomerId, Language};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;

use crate::domain::delivery::{Offered, Reach};

/// How a customer can be reached. Not `Debug`: it is personal data, and secrets.
#[derive(Clone, FromRow)]
pub struct Contact {
    /// There is word of this customer.
    pub is_known: bool,
    /// The customer was removed.
    pub is_removed: bool,
    /// The language to write in.
    #[sqlx(rename = "recipient_language")]
    pub language: Option<Language>,
    /// Where short messages go.
    pub user_mobile: Option<String>,
    /// Where mail goes.
    pub user_email: Option<String>,
    /// The channel that was chosen.
    pub chosen: Option<Channel>,
    /// Kinds that are not to be sent.
    pub opted_out: Vec<MessageKind>,
    /// The web-hook.
    pub webhook_url: Option<String>,
    /// What is sent there is signed with it.
    pub webhook_secret: Option<Vec<u8>>,
    /// The secret before.
    pub previous_secret: Option<Vec<u8>>,
    /// Until when that one signs too.
    pub previous_until: Option<OffsetDateTime>,
    /// Since when the web-hook is gone for good.
    pub gone_at: Option<OffsetDateTime>,
    /// The channels whose present address is verified.
    pub verified: Vec<Channel>,
}

/// The columns of a [`Contact`], of the tables as [`JOINS`] names them.
pub const COLUMNS: &str = "r.customer_id IS NOT NULL AS is_known, r.removed_at IS NOT NULL AS is_removed,
    r.language AS recipient_language, r.user_mobile, r.user_email,
    p.channel AS chosen, COALESCE(p.opted_out, '{}') AS opted_out,
    w.url AS webhook_url, w.secret AS webhook_secret, w.previous_secret, w.previous_until, w.gone_at,
    ARRAY(SELECT v.channel FROM verified_address v
           WHERE v.customer_id = c.customer_id
             AND v.address = CASE v.channel WHEN 'mail' THEN r.user_email
                                            WHEN 'sms' THEN r.user_mobile ELSE w.url END) AS verified";

/// What leads from a customer, `c.customer_id`, to them.
pub const JOINS: &str = "LEFT JOIN recipient r ON r.customer_id = c.customer_id
    LEFT JOIN preference p ON p.customer_id = c.customer_id
    LEFT JOIN webhook w ON w.customer_id = c.customer_id";

impl Contact {
    /// What was chosen, or the default here.
    #[must_use]
    pub fn channel(&self, offered: Offered) -> Channel {
        // Of whom nothing is known yet, there will be word soon.
        let may_have_mail = self.user_email.is_some() || !self.is_known;
        self.chosen.unwrap_or_else(|| offered.default_channel(may_have_mail))
    }

    /// The address of a channel.
    #[must_use]
    pub fn address(&self, channel: Channel) -> Option<&str> {
        match channel {
            Channel::Mailbox => None,
            Channel::Mail => self.user_email.as_deref(),
            Channel::Sms => self.user_mobile.as_deref(),
            Channel::Webhook => self.webhook_url.as_deref(),
        }
    }

    /// What the rules need to know about a message of this kind.
    #[must_use]
    pub fn reach(&self, offered: Offered, kind: Option<MessageKind>) -> Reach {
        // What was to go by mail waits for a mail server, should there be none any more.
        let channel = self.channel(Offered { mail: true, ..offered });
        Reach {
            is_removed: self.is_removed,
            channel,
            has_address: self.address(channel).is_some(),
            is_verified: self.verified.contains(&channel),
            is_gone: channel == Channel::Webhook && self.gone_at.is_some(),
            is_unwanted: kind.is_some_and(|kind| self.opted_out.contains(&kind)),
        }
    }

    /// The secrets that sign for the web-hook now, the newest first.
    #[must_use]
    pub fn secrets(&self, now: OffsetDateTime) -> Vec<Vec<u8>> {
        let previous = self.previous_secret.clone();
        let previous = previous.filter(|_| self.previous_until.is_some_and(|until| now < until));
        self.webhook_secret.clone().into_iter().chain(previous).collect()
    }
}

/// How this customer can be reached.
///
/// # Errors
/// What the database says.
pub async fn find(
    db: impl PgExecutor<'_>,
    customer_id: CustomerId,
) -> Result<Contact, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM (SELECT $1::uuid AS customer_id) AS c {JOINS}");
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(customer_id).fetch_one(db).await
}

/// Keeps what a customer has chosen.
///
/// # Errors
/// What the database says.
pub async fn choose(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    channel: Option<Channel>,
    opted_out: Option<&[MessageKind]>,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO preference (customer_id, channel, opted_out, changed_at)
         VALUES ($1, $2, COALESCE($3, '{}'), $4)
         ON CONFLICT (customer_id) DO UPDATE
            SET channel = COALESCE($2, preference.channel),
                opted_out = COALESCE($3, preference.opted_out),
                changed_at = $4",
    )
    .bind(customer_id)
    .bind(channel)
    .bind(opted_out)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps a web-hook with its first secret; what was there before is gone.
///
/// # Errors
/// What the database says.
pub async fn set_webhook(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    url: &str,
    secret: &[u8],
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO webhook (customer_id, url, secret, changed_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (customer_id) DO UPDATE
            SET url = $2, secret = $3, previous_secret = NULL, previous_until = NULL,
                gone_at = NULL, changed_at = $4",
    )
    .bind(customer_id)
    .bind(url)
    .bind(secret)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    // Whoever can set an address can name one that was verified once and is somebody
    // else's now.
    unverify(tx, customer_id, Channel::Webhook).await
}

/// Gives the web-hook another secret; the one so far signs too until `until`. `false`
/// if there is no web-hook.
///
/// # Errors
/// What the database says.
pub async fn rotate_secret(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    secret: &[u8],
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE webhook SET previous_secret = secret, previous_until = $3, secret = $2, changed_at = $4
          WHERE customer_id = $1",
    )
    .bind(customer_id)
    .bind(secret)
    .bind(until)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes the web-hook; `false` if there is none.
///
/// # Errors
/// What the database says.
pub async fn remove_webhook(
    tx: &mut PgConnection,
    customer_id: CustomerId,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM webhook WHERE customer_id = $1")
        .bind(customer_id)
        .execute(&mut *tx)
        .await?;
    unverify(tx, customer_id, Channel::Webhook).await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that the web-hook says it is gone for good, if it is still this one.
///
/// # Errors
/// What the database says.
pub async fn webhook_is_gone(
    db: impl PgExecutor<'_>,
    customer_id: CustomerId,
    url: &str,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE webhook SET gone_at = $3 WHERE customer_id = $1 AND url = $2")
        .bind(customer_id)
        .bind(url)
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that an address was proven to be the customer's.
///
/// # Errors
/// What the database says.
pub async fn verify(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    channel: Channel,
    address: &str,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    if channel == Channel::Webhook {
        // It is there again, whatever it has said before.
        sqlx::query("UPDATE webhook SET gone_at = NULL WHERE customer_id = $1")
            .bind(customer_id)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO verified_address (customer_id, channel, address, verified_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (customer_id, channel) DO UPDATE SET address = $3, verified_at = $4",
    )
    .bind(customer_id)
    .bind(channel)
    .bind(address)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets that an address was proven.
///
/// # Errors
/// What the database says.
pub async fn unverify(
    tx: &mut PgConnection,
    customer_id: CustomerId,
    channel: Channel,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM verified_address WHERE customer_id = $1 AND channel = $2")
        .bind(customer_id)
        .bind(channel)
        .execute(tx)
        .await?;
    Ok(())
}

/// Deletes all of it, for good.
///
/// # Errors
/// What the database says.
pub async fn forget(tx: &mut PgConnection, customer_id: CustomerId) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM preference WHERE customer_id = $1",
        "DELETE FROM webhook WHERE customer_id = $1",
        "DELETE FROM verified_address WHERE customer_id = $1",
        // Not the rows: who comes and goes gets no more codes than who stays.
        "UPDATE verification SET address = '', code = '', due_at = NULL WHERE customer_id = $1",
    ] {
        sqlx::query(sql).bind(customer_id).execute(&mut *tx).await?;
    }
    Ok(())
}
