//! Sending again what was sent before.

use sqlx::PgConnection;
use uuid::Uuid;

use super::append::insert;
use crate::db::ExpectRows as _;
use crate::event::NewEvent;

/// Has `events` sent once more under the ids that they had the first time, so that
/// whoever has worked on one finds it in its inbox. A row that is still here is sent
/// from its place, another is added.
///
/// # Errors
///
/// Only the database's.
pub async fn resend(tx: &mut PgConnection, events: &[NewEvent]) -> Result<(), sqlx::Error> {
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    // Locked in the order of the ids: two repairs at once wait for each other.
    let kept: Vec<Uuid> = sqlx::query_scalar(
        "SELECT event_id FROM outbox WHERE event_id = ANY($1) ORDER BY event_id FOR UPDATE",
    )
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    // Those that do not count as sent yet as well: one may lie in the relay's open
    // transaction, and its consumers have had it. The row's new version tells the relay.
    sqlx::query(
        "UPDATE outbox SET sent_at = NULL, created_at = CASE WHEN sent_at IS NULL THEN created_at ELSE clock_timestamp() END
         WHERE event_id = ANY($1)",
    )
    .bind(&kept)
    .execute(&mut *tx)
    .await?
    .expect_rows(kept.len() as u64)?;
    let is_kept = |event: &&NewEvent| kept.contains(&event.id);
    let gone: Vec<NewEvent> = events.iter().filter(|event| !is_kept(event)).cloned().collect();
    // As many rows as that, less those that another repair has added meanwhile: they
    // are unsent too.
    insert(tx, &gone).await?;
    Ok(())
}
