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
    /// The database did not do it.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Says how the two differ, and brings the served one to the other unless it is
/// only to be verified. Works in the session of the model that was made anew,
/// which holds the served one's lock. What is behind the entry `on_time` the
/// consumer need not have come to, and it is no difference. Where not all events are
/// in the topics any more, what only the served model knows stays: it may be older
/// than what its owner has kept.
///
/// # Errors
/// [`SwapError`].
pub async fn swap_read_model(
    tx: &mut PgConnection,
    on_time: i64,
    plan: Plan,
) -> Result<Difference, SwapError> {
    let difference = store::shadow::compare(tx, Some(on_time)).await?;
    let of_weight = |difference: Difference| {
        if plan.from_owner { difference.without_surplus() } else { difference }
    };
    let to_mend = of_weight(difference);
    if plan.verify_only || to_mend.total() == 0 {
        return Ok(difference);
    }
    store::shadow::apply(tx, &to_mend).await?;
    let left = of_weight(store::shadow::compare(tx, None).await?);
    if left.total() > 0 {
        return Err(SwapError::StillDiffer(left.total()));
    }
    Ok(difference)
}
