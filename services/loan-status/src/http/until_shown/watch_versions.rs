//! The one who looks for all who wait on this instance: however many they are,
//! it is one statement at a time.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::waiting_room::WaitingRoom;
use crate::store::entry::{Wanted, shown};

/// What looking needs.
pub struct WatchVersions {
    /// The database.
    pub pool: PgPool,
    /// Who waits.
    pub room: Arc<WaitingRoom>,
    /// Rings when this instance has committed something.
    pub commits: watch::Receiver<u64>,
    /// How long what another instance committed may go unseen.
    pub poll: Duration,
}

/// Calls those who wait as soon as what they want is shown, until the shutdown.
/// While nobody waits, nothing is looked for.
pub async fn watch_versions(mut watch: WatchVersions, shutdown: CancellationToken) {
    loop {
        // What is committed while we look makes us look again.
        watch.commits.borrow_and_update();
        let (numbers, wanted): (Vec<u64>, Vec<Wanted>) = watch.room.wanted().into_iter().unzip();
        if numbers.is_empty() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = watch.room.came() => continue,
            }
        }
        let answers = match shown(&watch.pool, &wanted).await {
            Ok(places) => {
                watch.room.call(places.iter().filter_map(|place| numbers.get(*place).copied()));
                true
            }
            Err(error) => {
                // Each who waits looks once more at the end, and then says it.
                tracing::debug!(error = common::db::described(&error), "nobody could be called");
                false
            }
        };
        let pause = tokio::time::sleep(watch.poll);
        tokio::select! {
            () = shutdown.cancelled() => return,
            // While the database is away there is nothing to be had sooner.
            rung = watch.commits.changed(), if answers => if rung.is_err() { return },
            () = watch.room.came(), if answers => {}
            () = pause => {}
        }
    }
}
