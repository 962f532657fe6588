//! Working on a batch of messages: all in one transaction, or, if one of them
//! fails that, each in its own. Knows the database and no broker.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::{Connection as _, PgConnection};
use tracing::{Instrument, Span};

use super::failure::{HandlerError, is_outage};
use super::inbox;
use super::said::{batch_span, count, note_age, span};
use super::subscriptions::{Claimed, Subscriptions};
use super::suspicion::{Suspicion, Verdict};
use crate::clock::Clock;
use crate::db::{Db, is_cut_off};
use crate::event::{Malformed, ReceivedEvent};

/// How often a message is tried by itself before it is set aside, where the
/// database objects to it: it may have met another transaction by chance.
const ATTEMPTS_MAX: u32 = 3;

/// How long lies between two of these attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);

/// A message as it was read, and the event that it holds, if any.
pub(super) struct Incoming {
    pub(super) message: OwnedMessage,
    pub(super) event: Result<ReceivedEvent, Malformed>,
    /// The one group for which an operator had this delivered again, if so.
    pub(super) redriven_for: Option<String>,
}

impl Incoming {
    pub(super) fn new(message: OwnedMessage) -> Self {
        let event = ReceivedEvent::from_message(&message);
        let redriven_for = super::dead_letter::redriven_for(&message);
        Self { message, event, redriven_for }
    }

    /// Whether it is delivered to all groups, or once more to this one.
    fn is_for(&self, subscriptions: &Subscriptions) -> bool {
        self.redriven_for.as_deref().is_none_or(|group| group == subscriptions.group())
    }
}

/// A message that is to be set aside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its place in the batch.
    pub(super) index: usize,
    pub(super) reason: String,
    pub(super) attempts: u32,
}

/// The database is away; the batch is to be worked on again.
#[derive(Debug, thiserror::Error)]
#[error("the database is away")]
pub(super) struct Outage {
    #[source]
    pub(super) error: sqlx::Error,
    /// Whether more events are wanted, to compare one that was cut off with.
    pub(super) wants_more: bool,
}

impl From<sqlx::Error> for Outage {
    fn from(error: sqlx::Error) -> Self {
        Self { error, wants_more: false }
    }
}

/// Why a transaction did not come about.
enum Failure {
    Outage(Outage),
    /// A handler's statement took too long.
    CutOff(sqlx::Error),
    /// A handler's, and so perhaps its event's.
    Handler(HandlerError),
}

impl Failure {
    /// What goes wrong outside of the handlers can't be an event's fault.
    fn outside(error: sqlx::Error) -> Self {
        Self::Outage(error.into())
    }
}

impl From<HandlerError> for Failure {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::Database(error) if is_cut_off(&error) => Self::CutOff(error),
            HandlerError::Database(error) if is_outage(&error) => Self::Outage(error.into()),
            error => Self::Handler(error),
        }
    }
}

/// Works on `batch`. When it returns, everything but the rejected is committed;
/// they are the caller's to put among the dead letters. After an outage any part
/// of the batch may be committed: working on it again finds that out by itself.
pub(super) async fn work(
    db: &Db,
    subscriptions: &Subscriptions,
    batch: &[Incoming],
    suspicion: &mut Suspicion,
    clock: &Clock,
) -> Result<Vec<Rejected>, Outage> {
    let mut rejected = Vec::new();
    let mut handled = Vec::with_capacity(batch.len());
    for (index, incoming) in batch.iter().enumerate() {
        let is_handled = |event| incoming.is_for(subscriptions) && subscriptions.handles(event);
        match &incoming.event {
            Ok(event) if is_handled(event) => {
                handled.push((index, event, incoming.redriven_for.is_some()));
            }
            Ok(event) => count(event, "ignored"),
            Err(malformed) if incoming.is_for(subscriptions) => {
                rejected.push(Rejected { index, reason: malformed.to_string(), attempts: 1 });
            }
            // Another group's letter: set aside by each of them it would multiply.
            Err(_) => {}
        }
    }
    let is_done = !suspicion.is_any()
        && match together(db, subscriptions, &handled, clock).await {
            Ok(_) => true,
            Err(Failure::Outage(outage)) => return Err(outage),
            Err(Failure::Handler(_) | Failure::CutOff(_)) => false,
        };
    if !is_done {
        for one in &handled {
            if let Some((attempts, reason)) = suspicion.found_against(one.1.id) {
                rejected.push(Rejected { index: one.0, reason, attempts });
                continue;
            }
            match alone(db, subscriptions, one, clock).await? {
                Alone::Done => {}
                Alone::Rejected(reason, attempts) => {
                    rejected.push(Rejected { index: one.0, reason, attempts });
                }
                Alone::CutOff(error) => {
                    let others: Vec<_> = handled
                        .iter()
                        .map(|other| other.1)
                        .filter(|other| other.id != one.1.id)
                        .collect();
                    match suspicion.judge(db, subscriptions, one.1, &others).await {
                        Verdict::Event(attempts) => {
                            let reason = HandlerError::Database(error).reason();
                            suspicion.find(one.1.id, attempts, &reason);
                            rejected.push(Rejected { index: one.0, reason, attempts });
                        }
                        Verdict::Waits => return Err(error.into()),
                        Verdict::WantsWitness => return Err(Outage { error, wants_more: true }),
                    }
                }
            }
        }
    }
    rejected.sort_unstable_by_key(|rejected| rejected.index);
    Ok(rejected)
}

/// Its place in the batch, the event, and whether it is a redriven one.
type Handled<'a> = (usize, &'a ReceivedEvent, bool);

/// All in one transaction, as [`work`] tries it first; for how many it was the first time.
#[cfg(any(test, feature = "test-support"))]
pub(super) async fn all(
    db: &Db,
    subscriptions: &Subscriptions,
    events: &[ReceivedEvent],
) -> Result<usize, HandlerError> {
    let handled: Vec<_> = events.iter().map(|event| (0, event, false)).collect();
    match together(db, subscriptions, &handled, &Clock::system()).await {
        Ok(applied) => Ok(applied),
        Err(Failure::Handler(error)) => Err(error),
        Err(Failure::CutOff(error) | Failure::Outage(Outage { error, .. })) => {
            Err(HandlerError::Database(error))
        }
    }
}

/// All in one transaction; says for how many of them it was the first time.
async fn together(
    db: &Db,
    subscriptions: &Subscriptions,
    handled: &[Handled<'_>],
    clock: &Clock,
) -> Result<usize, Failure> {
    if handled.is_empty() {
        return Ok(0);
    }
    let batch = batch_span(handled.iter().map(|one| one.1));
    within(db, subscriptions, handled, clock).instrument(batch).await
}

async fn within(
    db: &Db,
    subscriptions: &Subscriptions,
    handled: &[Handled<'_>],
    clock: &Clock,
) -> Result<usize, Failure> {
    let mut tx = db.begin().await.map_err(Failure::outside)?;
    let redriven: Vec<_> = handled.iter().filter(|one| one.2).map(|one| one.1.id).collect();
    inbox::revive(&mut tx, &redriven).await.map_err(Failure::outside)?;
    let events: Vec<_> = handled.iter().map(|one| one.1).collect();
    let claimed = inbox::claim(&mut tx, &events).await.map_err(Failure::outside)?;
    let applied = claimed.len();
    let mut open = claimed.clone();
    // Taken out, because the same event may be in the batch twice.
    let first = events.iter().filter(|event| open.remove(&event.id));
    let first: Vec<_> = first.map(|event| Claimed { event, span: span(event) }).collect();
    subscriptions.work(&mut tx, &first).await?;
    // A deferred constraint speaks up here.
    tx.commit().await.map_err(HandlerError::Database)?;
    db.wake();
    // Said after the commit and within each event's span: so the logs of all
    // services can be followed along one trace.
    for one in first {
        one.span.in_scope(|| tracing::info!("worked on"));
    }
    open = claimed;
    let now = clock.now();
    for event in &events {
        if open.remove(&event.id) {
            count(event, "applied");
            note_age(event, now);
        } else {
            count(event, "duplicate");
        }
    }
    Ok(applied)
}

/// What came of one event by itself.
enum Alone {
    Done,
    /// It has to be set aside: why, and after how many attempts.
    Rejected(String, u32),
    /// It took too long.
    CutOff(sqlx::Error),
}

/// One by itself.
async fn alone(
    db: &Db,
    subscriptions: &Subscriptions,
    one: &Handled<'_>,
    clock: &Clock,
) -> Result<Alone, Outage> {
    let mut attempts = 1;
    loop {
        match together(db, subscriptions, std::slice::from_ref(one), clock).await {
            Ok(_) => return Ok(Alone::Done),
            Err(Failure::Outage(outage)) => return Err(outage),
            Err(Failure::CutOff(error)) => return Ok(Alone::CutOff(error)),
            Err(Failure::Handler(HandlerError::Database(_))) if attempts < ATTEMPTS_MAX => {
                attempts += 1;
                tokio::time::sleep(ATTEMPT_PAUSE).await;
            }
            Err(Failure::Handler(error)) => {
                return Ok(Alone::Rejected(error.reason(), attempts));
            }
        }
    }
}

/// Works on `batch` in a transaction that is somebody else's, and leaves out what
/// can't be worked on; says how many those are.
pub(super) async fn work_within(
    tx: &mut PgConnection,
    subscriptions: &Subscriptions,
    batch: &[Incoming],
) -> Result<usize, Outage> {
    let mut left_out = 0;
    let mut handled = Vec::with_capacity(batch.len());
    for incoming in batch {
        match &incoming.event {
            _ if !incoming.is_for(subscriptions) => {}
            Ok(event) if subscriptions.handles(event) => handled.push(event),
            Ok(_) => {}
            Err(_) => left_out += 1,
        }
    }
    Ok(left_out + apply_within(tx, subscriptions, &handled).await?)
}

/// The same with events that may come from anywhere.
pub(super) async fn apply_within(
    tx: &mut PgConnection,
    subscriptions: &Subscriptions,
    events: &[&ReceivedEvent],
) -> Result<usize, Outage> {
    match in_savepoint(tx, subscriptions, events).await {
        Ok(()) => return Ok(0),
        Err(Failure::Outage(outage)) => return Err(outage),
        Err(Failure::CutOff(error)) => return Err(error.into()),
        Err(Failure::Handler(_)) => {}
    }
    let mut left_out = 0;
    for event in events {
        match in_savepoint(tx, subscriptions, &[*event]).await {
            Ok(()) => {}
            Err(Failure::Outage(outage)) => return Err(outage),
            Err(Failure::CutOff(error)) => return Err(error.into()),
            Err(Failure::Handler(_)) => left_out += 1,
        }
    }
    Ok(left_out)
}

/// All of them, or none.
async fn in_savepoint(
    tx: &mut PgConnection,
    subscriptions: &Subscriptions,
    events: &[&ReceivedEvent],
) -> Result<(), Failure> {
    let mut savepoint = tx.begin().await.map_err(Failure::outside)?;
    let worked = async {
        let mut open = inbox::claim(&mut savepoint, events).await.map_err(Failure::outside)?;
        // Taken out, because the same event may be in the batch twice.
        let first = events.iter().filter(|event| open.remove(&event.id));
        let first: Vec<_> = first.map(|event| Claimed { event, span: Span::none() }).collect();
        Ok(subscriptions.work(&mut savepoint, &first).await?)
    }
    .await;
    match worked {
        Ok(()) => savepoint.commit().await.map_err(Failure::outside),
        Err(failure) => {
            savepoint.rollback().await.map_err(Failure::outside)?;
            Err(failure)
        }
    }
}

/// Marks `rejected` as set aside, once they are among the dead letters.
pub(super) async fn claim_rejected(
    db: &Db,
    batch: &[Incoming],
    rejected: &[Rejected],
) -> Result<(), Outage> {
    for one in rejected {
        // What is no event has no id to claim; its second delivery is a second letter.
        if let Ok(event) = &batch[one.index].event {
            let mut connection = db.pool().acquire().await?;
            inbox::claim_dead(&mut connection, event.id, &event.topic).await?;
            count(event, "dead-lettered");
        }
    }
    Ok(())
}

/// Where to go on, for each partition of which there is something in `batch`.
pub(super) fn next_offsets(batch: &[Incoming]) -> Result<TopicPartitionList, KafkaError> {
    let mut next: HashMap<(&str, i32), i64> = HashMap::new();
    for incoming in batch {
        let message = &incoming.message;
        next.insert((message.topic(), message.partition()), message.offset() + 1);
    }
    let mut offsets = TopicPartitionList::with_capacity(next.len());
    for ((topic, partition), offset) in next {
        offsets.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(offsets)
}
