//! Events are told of once more, because somebody has lost them.

use common::outbox;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::history;

/// Sends these events again under the ids and in the words of the first time; says
/// which there are. A reader that has worked on one finds it in its inbox; one that
/// has not tells by `loan_version` that newer ones have overtaken it.
///
/// # Errors
/// What the database says.
pub async fn republish_events(
    tx: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, sqlx::Error> {
    let events = history::events(tx, ids).await?;
    outbox::resend(tx, &events).await?;
    Ok(events.iter().map(|event| event.id).collect())
}
