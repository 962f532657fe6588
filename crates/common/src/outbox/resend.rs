//! Sending again what was sent before.

use sqlx::PgConnection;

use super::append;
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
    // A row that was not sent yet stays as it is: it is on its way.
    sqlx::query(
        "UPDATE outbox SET sent_at = NULL, created_at = now() WHERE event_id = ANY($1) AND sent_at IS NOT NULL",
    )
    .bind(&ids)
    .execute(&mut *tx)
    .await?;
    let kept: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT event_id FROM outbox WHERE event_id = ANY($1)")
            .bind(&ids)
            .fetch_all(&mut *tx)
            .await?;
    let gone: Vec<NewEvent> =
        events.iter().filter(|event| !kept.contains(&event.id)).cloned().collect();
    append(tx, &gone).await
}
