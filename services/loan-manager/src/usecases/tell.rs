//! What has happened is told: to the history, for ever, and to the outbox.

use common::event::NewEvent;
use common::outbox;
use sqlx::PgConnection;

use crate::store::history;

/// Tells of events, in their order, in the transaction that makes them true. The
/// caller holds the lock on the loan's row.
///
/// # Errors
/// What the database says.
pub(super) async fn tell(tx: &mut PgConnection, events: &[NewEvent]) -> Result<(), sqlx::Error> {
    history::append(tx, events).await?;
    outbox::append(tx, events).await
}
