//! The one reader of the feed for all streams of this instance.

use std::sync::Arc;
use std::time::Duration;

use common::clock::Clock;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use crate::domain::viewer::{Scope, Viewer};
use crate::store;

/// How many entries are read at once.
const PAGE_ENTRIES_MAX: i64 = 500;

/// What the reader needs.
pub struct FollowFeed {
    /// The database.
    pub pool: PgPool,
    /// Where what is read is handed out.
    pub hub: Arc<Hub>,
    /// Tells when tokens have expired.
    pub clock: Clock,
    /// Rings when this instance has committed something.
    pub commits: watch::Receiver<u64>,
    /// How long what another instance committed may go unseen.
    pub poll: Duration,
}

/// Reads what is new in the feed, when this instance has committed or when the
/// time for a look has come, until the shutdown. A database that is away is
/// waited for: the streams stay, and get what they missed.
pub async fn follow_feed(mut feed: FollowFeed, shutdown: CancellationToken) {
    let mut failing = false;
    loop {
        match read_on(&feed).await {
            Ok(()) if failing => {
                tracing::info!("the feed can be read again");
                failing = false;
            }
            Ok(()) => {}
            Err(error) if !failing => {
                tracing::warn!(
                    error = common::db::described(&error),
                    "the feed cannot be read; the streams wait"
                );
                failing = true;
            }
            Err(_) => {}
        }
        feed.hub.sweep(feed.clock.now());
        let pause = tokio::time::sleep(feed.poll);
        tokio::select! {
            () = shutdown.cancelled() => return,
            // While the database is away there is nothing to be had sooner.
            rung = feed.commits.changed(), if !failing => if rung.is_err() { return },
            () = pause => {}
        }
    }
}

/// Hands out everything that is new.
async fn read_on(feed: &FollowFeed) -> Result<(), sqlx::Error> {
    let FollowFeed { pool, hub, clock, .. } = feed;
    let last = store::feed_counter::position(pool).await?;
    let mut position = hub.position();
    // Another epoch, or fewer entries than were handed out (a restored backup):
    // either way it is not the feed that the streams were reading.
    if last.epoch != position.epoch || last.number < position.number {
        hub.restart(last);
        return Ok(());
    }
    if hub.skip_if_empty(last.number) {
        return Ok(());
    }
    while position.number < last.number {
        let all: Scope = Viewer::Officer.scope(None, None);
        let entries =
            store::entry::between(pool, all, position.number, last.number, PAGE_ENTRIES_MAX)
                .await?;
        match entries.last() {
            Some(entry) => position.number = entry.id,
            // Numbers that no entry has: the counter was ahead of a rollback.
            None => {
                hub.reach(last.number);
                return Ok(());
            }
        }
        hub.hand_out(entries, clock.now());
    }
    Ok(())
}
