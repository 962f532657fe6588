//! An event becomes visible: its entry, and where its loan stands now.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::change::Change;
use crate::store;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is shown now.
    Applied,
    /// It was shown before.
    AlreadyApplied,
    /// The loan is known to be another customer's. The caller must roll back.
    AnothersLoan,
}

/// Adds the entry of an event to the feed, and brings its loan into the state
/// that it tells of unless a newer event did so before.
///
/// # Errors
/// What the database says.
pub async fn record_change(
    tx: &mut PgConnection,
    event_id: Uuid,
    change: &Change,
) -> Result<Recorded, sqlx::Error> {
    if store::entry::append(tx, event_id, change).await?.is_none() {
        return Ok(Recorded::AlreadyApplied);
    }
    if let Some(state) = change.new_state()
        && !store::loan::keep(tx, &state).await?
    {
        return Ok(Recorded::AnothersLoan);
    }
    Ok(Recorded::Applied)
}
