//! `feed_counter`: the one row that numbers the entries.

use common::db::ExpectRows as _;
use sqlx::{PgConnection, PgPool};

use crate::domain::feed_id::{Epoch, FeedId};

/// How far the feed has come.
///
/// # Errors
/// What the database says.
pub async fn position(pool: &PgPool) -> Result<FeedId, sqlx::Error> {
    let (epoch, last_id): (String, i64) =
        sqlx::query_as("SELECT epoch, last_id FROM feed_counter").fetch_one(pool).await?;
    let epoch: Epoch = epoch.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(epoch.at(last_id))
}

/// Which rebuild of the read model this is. Takes the feed's lock.
///
/// # Errors
/// What the database says.
pub async fn generation(tx: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT generation FROM feed_counter FOR UPDATE").fetch_one(tx).await
}

/// Empties the read model and begins another feed. The inbox is emptied too:
/// every event is to be worked again.
///
/// # Errors
/// What the database says.
pub async fn start_anew(tx: &mut PgConnection, generation: i32) -> Result<(), sqlx::Error> {
    sqlx::query("TRUNCATE entry, loan, cancellation, inbox").execute(&mut *tx).await?;
    let done = sqlx::query("UPDATE feed_counter SET epoch = DEFAULT, last_id = 0, generation = $1")
        .bind(generation)
        .execute(tx)
        .await?;
    done.expect_rows(1)
}
