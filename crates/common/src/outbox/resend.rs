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
    let kept: Vec<(Uuid, bool)> = sqlx::query_as(
        "SELECT event_id, sent_at IS NOT NULL FROM outbox WHERE event_id = ANY($1) ORDER BY event_id FOR UPDATE",
    )
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    // A row that was not sent yet stays as it is: it is on its way.
    let sent: Vec<Uuid> = kept.iter().filter(|(_, is_sent)| *is_sent).map(|(id, _)| *id).collect();
    sqlx::query("UPDATE outbox SET sent_at = NULL, created_at = now() WHERE event_id = ANY($1)")
        .bind(&sent)
        .execute(&mut *tx)
        .await?
        .expect_rows(sent.len() as u64)?;
    let is_kept = |event: &&NewEvent| kept.iter().any(|(id, _)| *id == event.id);
    let gone: Vec<NewEvent> = events.iter().filter(|event| !is_kept(event)).cloned().collect();
    // As many rows as that, less those that another repair has added meanwhile: they
    // are unsent too.
    insert(tx, &gone).await?;
    Ok(())
}
