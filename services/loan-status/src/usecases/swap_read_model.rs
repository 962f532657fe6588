//! The served read model is compared with the one that was made anew, and
//! becomes it.

use sqlx::PgConnection;

use super::order_rebuild::Plan;
use crate::domain::rebuild::Difference;
use crate::store;

/// Why it did not.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// They would still differ, by so many rows; the caller must roll back.
    #[error("{0} rows would still differ")]
    StillDiffer(i64),
    /// Rows would go, and nobody has said that they may.
    #[error("{0} rows would go")]
    WouldGo(i64),
    /// Rows would go, perhaps only because events could not be worked on.
    #[error("{rows} rows would go, and {events} events could not be worked on")]
    LeftOut {
        /// So many.
        rows: i64,
        /// And so many events.
        events: i64,
    },
    /// Rows would go, but events that the consumer has worked on are not in the
    /// topics: these are not the ones that it has read.
    #[error("{rows} rows would go, and the topics lack {events} events that were worked on")]
    NotTheSame {
        /// So many.
        rows: i64,
        /// And so many events.
        events: i64,
    },
    /// The database did not do it.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Says how the two differ, and brings the served one to the other unless it is
/// only to be verified. Works in the session of the model that was made anew,
/// which holds the served one's lock. What is behind the entry `on_time` the
/// consumer need not have come to, and it is no difference. Where not all events are
/// in the topics any more, what only the served model knows stays: it may be older
/// than what its owner has kept. Else it goes, but only if the plan says so, every
/// event could be worked on (`left_out` could not), and all that the consumer has
/// worked on was found again.
///
/// # Errors
/// [`SwapError`].
pub async fn swap_read_model(
    tx: &mut PgConnection,
    on_time: i64,
    plan: Plan,
    left_out: i64,
) -> Result<Difference, SwapError> {
    let difference = store::shadow::compare(tx, Some(on_time)).await?;
    let of_weight = |difference: Difference| {
        if plan.from_owner { difference.without_surplus() } else { difference }
    };
    let to_mend = of_weight(difference);
    if plan.verify_only || to_mend.total() == 0 {
        return Ok(difference);
    }
    may_go(tx, to_mend.surplus(), plan, left_out).await?;
    store::shadow::apply(tx, &to_mend).await?;
    let left = of_weight(store::shadow::compare(tx, None).await?);
    if left.total() > 0 {
        return Err(SwapError::StillDiffer(left.total()));
    }
    Ok(difference)
}

/// Whether so many rows may go.
async fn may_go(
    tx: &mut PgConnection,
    rows: i64,
    plan: Plan,
    left_out: i64,
) -> Result<(), SwapError> {
    if rows == 0 {
        return Ok(());
    }
    if left_out > 0 {
        return Err(SwapError::LeftOut { rows, events: left_out });
    }
    let events = store::shadow::not_found_again(tx).await?;
    if events > 0 {
        return Err(SwapError::NotTheSame { rows, events });
    }
    if plan.drop_surplus { Ok(()) } else { Err(SwapError::WouldGo(rows)) }
}
