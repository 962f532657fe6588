//! Whose fault it is that a statement was cut off.
//!
//! PostgreSQL ends a statement that takes too long (SQLSTATE 57014), and that says
//! only that something was slow. Were it always the database's fault, one event
//! that is too much work would block its partition for good; were it the event's,
//! a slow database would make dead letters of good events. So it is held against
//! the event only if all of this is so:
//!
//! - it was tried by itself, and a statement of its own handler was cut off; a
//!   wait for a lock ends earlier and with another code (`LOCK_TIMEOUT_MS`);
//! - right afterwards the same pool answers a trivial statement promptly;
//! - and right afterwards another event gets through its handler in a quarter of the
//!   time that was not enough. It is tried and rolled back, so the order of the
//!   events stays as it is.
//!
//! One of the same type that gets through says most, because it needs the same
//! tables: [`TIMES_MAX`] times in a row, and the event is set aside. Where those of
//! its type are too slow themselves, or there is none, one of another type says
//! less: it takes [`TIMES_MAX_BY_OTHERS`] times, minutes in which somebody may mend
//! the table that they share.
//!
//! Anything else is the database's slowness: the event waits, and what was held
//! against it is forgotten. Until one of its type has got through the consumer reads
//! on, so whatever comes behind the event is what it is compared with; an event that
//! waits alone keeps nobody waiting.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::time::timeout;
use uuid::Uuid;

use super::failure::{HandlerError, is_outage};
use super::subscriptions::{Claimed, Subscriptions};
use crate::db::Db;
use crate::event::ReceivedEvent;

/// How often in a row it is held against an event before it is set aside, where
/// others of its type get through.
pub(super) const TIMES_MAX: u32 = 3;

/// The same where only others of other types get through: with a statement's usual
/// time (`STATEMENT_TIMEOUT_MS`) that is more than ten minutes.
pub(super) const TIMES_MAX_BY_OTHERS: u32 = 30;

/// How long a trivial statement takes at most where the database is well.
const PROMPT_WITHIN: Duration = Duration::from_secs(1);

/// How many other events of its type are asked at most, and of other types: the
/// first may be slow as well.
const WITNESSES_MAX: usize = 3;

/// What is held against the events of the batch at hand.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    times: HashMap<Uuid, Times>,
    /// Those that were asked and did not get through. Others are asked first.
    slow: HashSet<Uuid>,
    /// Those that it was held against for the last time, with how often and why. If
    /// the batch is begun anew for another's sake, they need not be tried again.
    found: HashMap<Uuid, (u32, String)>,
}

/// How often in a row it was held against an event.
#[derive(Debug, Default)]
struct Times {
    by_its_type: u32,
    by_others: u32,
}

/// What there is to be seen around an event that was cut off.
enum Around {
    /// The database does not answer promptly.
    SlowDatabase,
    /// Another event of its type gets through.
    ItsTypePasses,
    /// Only events of other types get through.
    OthersPass,
    /// No other event is there, or none gets through.
    NonePasses,
}

/// What came of a look around after an event was cut off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the event, and this was the last of so many times.
    Event(u32),
    /// It may be the event, or is not: it waits.
    Waits,
    /// There is no other event to compare it with, or not yet one of its type: it
    /// waits for one.
    WantsWitness,
}

impl Suspicion {
    /// Whether anything is held against anyone. Then it makes no sense to try the
    /// batch as a whole.
    pub(super) fn is_any(&self) -> bool {
        !self.times.is_empty()
    }

    /// It is the event, for this batch.
    pub(super) fn find(&mut self, event: Uuid, attempts: u32, reason: &str) {
        self.found.insert(event, (attempts, reason.to_owned()));
    }

    /// How often it was tried, and what is wrong with it, if it is the event.
    pub(super) fn found_against(&self, event: Uuid) -> Option<(u32, String)> {
        self.found.get(&event).cloned()
    }

    /// Forgets everything: the batch is done.
    pub(super) fn clear(&mut self) {
        self.times.clear();
        self.slow.clear();
        self.found.clear();
    }

    /// Looks around after `event` was cut off.
    pub(super) async fn judge(
        &mut self,
        db: &Db,
        subscriptions: &Subscriptions,
        event: &ReceivedEvent,
        others: &[&ReceivedEvent],
    ) -> Verdict {
        let verdict = match self.look_around(db, subscriptions, event, others).await {
            Around::ItsTypePasses => {
                let times = self.times.entry(event.id).or_default();
                times.by_its_type += 1;
                if times.by_its_type >= TIMES_MAX {
                    Verdict::Event(times.by_its_type)
                } else {
                    Verdict::Waits
                }
            }
            Around::OthersPass => {
                let times = self.times.entry(event.id).or_default();
                times.by_others += 1;
                if times.by_others >= TIMES_MAX_BY_OTHERS {
                    Verdict::Event(times.by_others)
                } else {
                    Verdict::WantsWitness
                }
            }
            Around::SlowDatabase => {
                self.times.remove(&event.id);
                Verdict::Waits
            }
            Around::NonePasses => {
                self.times.remove(&event.id);
                Verdict::WantsWitness
            }
        };
        tracing::warn!(event_id = %event.id, event_type = event.event_type, ?verdict, "a statement was cut off");
        verdict
    }

    async fn look_around(
        &mut self,
        db: &Db,
        subscriptions: &Subscriptions,
        event: &ReceivedEvent,
        others: &[&ReceivedEvent],
    ) -> Around {
        let trivial = sqlx::query("SELECT 1").execute(db.pool());
        if !matches!(timeout(PROMPT_WITHIN, trivial).await, Ok(Ok(_))) {
            return Around::SlowDatabase;
        }
        let is_same = |other: &&ReceivedEvent| other.event_type == event.event_type;
        let (same, different): (Vec<_>, Vec<_>) = others.iter().copied().partition(is_same);
        if self.one_passes(db, subscriptions, same).await {
            Around::ItsTypePasses
        } else if self.one_passes(db, subscriptions, different).await {
            Around::OthersPass
        } else {
            Around::NonePasses
        }
    }

    /// Asks some of them, those first of which nothing is known.
    async fn one_passes(
        &mut self,
        db: &Db,
        subscriptions: &Subscriptions,
        mut others: Vec<&ReceivedEvent>,
    ) -> bool {
        others.sort_by_key(|other| self.slow.contains(&other.id));
        for other in others.into_iter().take(WITNESSES_MAX) {
            if gets_through(db, subscriptions, other).await {
                self.slow.remove(&other.id);
                return true;
            }
            self.slow.insert(other.id);
        }
        false
    }
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
        let alone = [Claimed { event, span: tracing::Span::none() }];
        let ended = subscriptions.work(&mut tx, &alone).await;
        tx.rollback().await?;
        ended
    };
    match tried.await {
        Ok(()) | Err(HandlerError::Impossible(_)) => true,
        Err(HandlerError::Database(error)) => !is_outage(&error),
    }
}
