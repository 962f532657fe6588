//! `delivery` and `turn`, as they begin: what is to be sent, written down with the message.

use ::events::codes::Channel;
use ::events::{CustomerId, MessageId};
use common::db::column;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Intent {
    /// The message.
    pub message_id: MessageId,
    /// To whom.
    pub customer_id: CustomerId,
    /// Its number among the customer's.
    pub seq: i64,
    /// The channel, as far as one can tell now.
    pub lane: Channel,
    /// When it was written.
    pub created_at: OffsetDateTime,
    /// When it is not tried any more.
    pub give_up_at: OffsetDateTime,
}

/// Writes down that messages are to be sent, and gives their customers a turn each.
///
/// # Errors
/// What the database says.
pub async fn intend(tx: &mut PgConnection, intents: &[Intent]) -> Result<(), sqlx::Error> {
    if intents.is_empty() {
        return Ok(());
    }
    // A turn that is there already is locked until the commit: whoever wants to end it
    // waits, and then sees this message.
    sqlx::query(
        "WITH intent AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[])
                AS intent(message_id, customer_id, seq, lane, created_at, give_up_at)
         ), waiting AS (
            INSERT INTO delivery (message_id, customer_id, seq, created_at, give_up_at)
            SELECT message_id, customer_id, seq, created_at, give_up_at FROM intent
         )
         INSERT INTO turn (customer_id, lane, due_at, since)
         SELECT DISTINCT ON (customer_id) customer_id, lane, created_at, created_at FROM intent
          ORDER BY customer_id, seq
         ON CONFLICT (customer_id) DO UPDATE SET due_at = turn.due_at",
    )
    .bind(column(intents, |one| one.message_id))
    .bind(column(intents, |one| one.customer_id))
    .bind(column(intents, |one| one.seq))
    .bind(column(intents, |one| one.lane))
    .bind(column(intents, |one| one.created_at))
    .bind(column(intents, |one| one.give_up_at))
    .execute(tx)
    .await?;
    Ok(())
}
