//! Whose fault it is that a statement was cut off.
//!
//! PostgreSQL ends a statement that takes too long (SQLSTATE 57014), and that says
//! only that something was slow. Were it always the database's fault, one event
//! that is too much work would block its partition for good; were it the event's,
//! a slow database would make dead letters of good events. So it is held against
//! the event only if all of this is so, [`TIMES_MAX`] times in a row:
//!
//! - it was tried by itself, and a statement of its own handler was cut off; a
//!   wait for a lock ends earlier and with another code (`LOCK_TIMEOUT_MS`);
//! - right afterwards the same pool answers a trivial statement promptly;
//! - and right afterwards another event, one of the same type if any is at hand,
//!   gets through its handler in a quarter of the time that was not enough. It is
//!   tried and rolled back, so the order of the events stays as it is.
//!
//! Anything else is the database's slowness: the event waits, and what was held
//! against it is forgotten. Without another event at hand nothing can be said; then
//! the consumer reads on until it has one.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::Connection as _;
use tokio::time::timeout;
use uuid::Uuid;

use super::failure::{HandlerError, is_outage};
use super::subscriptions::Subscriptions;
use crate::db::Db;
use crate::event::ReceivedEvent;

/// How often in a row it is held against an event before it is set aside.
pub(super) const TIMES_MAX: u32 = 3;

/// How long a trivial statement takes at most where the database is well.
const PROMPT_WITHIN: Duration = Duration::from_secs(1);

/// How many other events are asked at most: the first may be slow as well.
const WITNESSES_MAX: usize = 3;

/// What is held against the events of the batch at hand.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    times: HashMap<Uuid, u32>,
}

/// What came of a look around after an event was cut off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the event, and this was the last of so many times.
    Event(u32),
    /// It may be the event, or is not: it waits.
    Waits,
    /// There is no other event to compare it with: it waits for one.
    WantsWitness,
}

impl Suspicion {
    /// Whether anything is held against anyone. Then it makes no sense to try the
    /// batch as a whole.
    pub(super) fn is_any(&self) -> bool {
        !self.times.is_empty()
    }

    /// Forgets everything: the batch is done.
    pub(super) fn clear(&mut self) {
        self.times.clear();
    }

    /// Looks around after `event` was cut off.
    pub(super) async fn judge(
        &mut self,
        db: &Db,
        subscriptions: &Subscriptions,
        event: &ReceivedEvent,
        others: &[&ReceivedEvent],
    ) -> Verdict {
        let verdict = match witness(db, subscriptions, event, others).await {
            Some(true) => {
                let times = self.times.entry(event.id).or_default();
                *times += 1;
                if *times >= TIMES_MAX { Verdict::Event(*times) } else { Verdict::Waits }
            }
            Some(false) => {
                self.times.remove(&event.id);
                Verdict::Waits
            }
            None => Verdict::WantsWitness,
        };
        tracing::warn!(event_id = %event.id, event_type = event.event_type, ?verdict, "a statement was cut off");
        verdict
    }
}

/// Whether the database is well for other events; `None` if there is none.
async fn witness(
    db: &Db,
    subscriptions: &Subscriptions,
    event: &ReceivedEvent,
    others: &[&ReceivedEvent],
) -> Option<bool> {
    let trivial = sqlx::query("SELECT 1").execute(db.pool());
    if !matches!(timeout(PROMPT_WITHIN, trivial).await, Ok(Ok(_))) {
        return Some(false);
    }
    let is_same = |other: &&&ReceivedEvent| other.event_type == event.event_type;
    let same: Vec<_> = others.iter().filter(is_same).collect();
    let asked = if same.is_empty() { others.iter().collect() } else { same };
    if asked.is_empty() {
        return None;
    }
    for other in asked.into_iter().take(WITNESSES_MAX) {
        if gets_through(db, subscriptions, other).await {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether the handler of `event` comes to an end soon, whatever that is: it may
/// have been worked on already. Nothing of it stays.
async fn gets_through(db: &Db, subscriptions: &Subscriptions, event: &ReceivedEvent) -> bool {
    let tried = async {
        let mut connection = db.pool().acquire().await?;
        let mut tx = connection.begin().await?;
        // With no limit at all there is nothing to take a quarter of, and so no witness.
        sqlx::query(
            "SELECT set_config('statement_timeout', greatest(setting::int / 4, 1)::text, true)
             FROM pg_settings WHERE name = 'statement_timeout'",
        )
        .execute(&mut *tx)
        .await?;
        let ended = subscriptions.run(&mut tx, event).await;
        tx.rollback().await?;
        ended
    };
    match tried.await {
        Ok(()) | Err(HandlerError::Impossible(_)) => true,
        Err(HandlerError::Database(error)) => !is_outage(&error),
    }
}
