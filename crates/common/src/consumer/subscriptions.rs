//! Which events a service handles, and with what.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;

#[cfg(any(test, feature = "test-support"))]
use super::batch;
use super::failure::HandlerError;
#[cfg(any(test, feature = "test-support"))]
use crate::db::Db;
use crate::event::{Event, ReceivedEvent, TOMBSTONE};

type Handler = Arc<
    dyn for<'a> Fn(
            &'a mut PgConnection,
            &'a ReceivedEvent,
        ) -> BoxFuture<'a, Result<(), HandlerError>>
        + Send
        + Sync,
>;

/// What a delivery came to.
#[cfg(any(test, feature = "test-support"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The handler ran and its effect is committed.
    Applied,
    /// The event was worked on before; nothing happened.
    Duplicate,
    /// Nobody here handles this type; nothing happened.
    Ignored,
}

/// The events that a service handles, each with its one handler.
#[derive(Clone)]
pub struct Subscriptions {
    group: &'static str,
    /// By topic, then by type: a type is only believed on its own topic.
    handlers: HashMap<&'static str, HashMap<&'static str, Handler>>,
}

impl Subscriptions {
    /// None yet. The consumer group is the service's name, so the instances of
    /// one service share the work and no other service does.
    #[must_use]
    pub fn new(group: &'static str) -> Self {
        Self { group, handlers: HashMap::new() }
    }

    /// Handles `E` with `handler`, which works in the transaction that it is
    /// given and leaves beginning and committing alone. It may run again for the
    /// same event if that transaction does not commit.
    ///
    /// # Panics
    ///
    /// If `E` already has a handler: two would not be one effect.
    #[must_use]
    pub fn on<E: Event>(
        mut self,
        handler: impl for<'a> Fn(
            &'a mut PgConnection,
            &'a ReceivedEvent,
            E,
        ) -> BoxFuture<'a, Result<(), HandlerError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let decoding: Handler = Arc::new(move |tx, event| match decode::<E>(event) {
            Ok(body) => handler(tx, event, body),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        });
        let earlier = self.handlers.entry(E::TOPIC).or_default().insert(E::TYPE, decoding);
        assert!(earlier.is_none(), "{} has two handlers", E::TYPE);
        self
    }

    /// Handles the tombstones on the topic of `E`: the key that a compacted topic
    /// forgets is [`ReceivedEvent::key`]. Whoever was away for long may find a
    /// tombstone where the last event of its key has been compacted away.
    ///
    /// # Panics
    ///
    /// If the topic's tombstones already have a handler.
    #[must_use]
    pub fn on_tombstone<E: Event>(
        mut self,
        handler: impl for<'a> Fn(
            &'a mut PgConnection,
            &'a ReceivedEvent,
        ) -> BoxFuture<'a, Result<(), HandlerError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let earlier =
            self.handlers.entry(E::TOPIC).or_default().insert(TOMBSTONE, Arc::new(handler));
        assert!(earlier.is_none(), "the tombstones of {} have two handlers", E::TOPIC);
        self
    }

    /// The topics to read, in alphabetical order.
    #[must_use]
    pub fn topics(&self) -> Vec<&'static str> {
        let mut topics: Vec<_> = self.handlers.keys().copied().collect();
        topics.sort_unstable();
        topics
    }

    /// The consumer group.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Works on one event as the consumer does, without Kafka: claims its id and
    /// runs the handler in one transaction.
    ///
    /// # Errors
    ///
    /// The handler's; then nothing is committed.
    #[cfg(any(test, feature = "test-support"))]
    pub async fn deliver(&self, db: &Db, event: &ReceivedEvent) -> Result<Delivered, HandlerError> {
        if !self.handles(event) {
            return Ok(Delivered::Ignored);
        }
        match batch::one(db, self, event).await? {
            true => Ok(Delivered::Applied),
            false => Ok(Delivered::Duplicate),
        }
    }

    /// Whether anybody here handles this event.
    pub(super) fn handles(&self, event: &ReceivedEvent) -> bool {
        self.handler(event).is_some()
    }

    /// Runs the event's handler, if there is one. A handler that panics has met
    /// an event that it can't work on; the process goes on without it.
    pub(super) async fn run(
        &self,
        tx: &mut PgConnection,
        event: &ReceivedEvent,
    ) -> Result<(), HandlerError> {
        let Some(handler) = self.handler(event) else { return Ok(()) };
        let work = AssertUnwindSafe(async { handler(tx, event).await });
        work.catch_unwind().await.unwrap_or_else(|_| {
            Err(HandlerError::Impossible(format!("the handler of {} panicked", event.event_type)))
        })
    }

    fn handler(&self, event: &ReceivedEvent) -> Option<&Handler> {
        self.handlers.get(event.topic.as_str())?.get(event.event_type.as_str())
    }
}

/// The payload as `E`. The reason names the place and not the value, because a
/// payload may hold personal data.
fn decode<E: Event>(event: &ReceivedEvent) -> Result<E, HandlerError> {
    let payload = event
        .payload
        .as_deref()
        .ok_or_else(|| HandlerError::Impossible(format!("a {} without a payload", E::TYPE)))?;
    serde_json::from_slice(payload).map_err(|error| {
        HandlerError::Impossible(format!(
            "the payload is no {}: {:?} error at line {} column {}",
            E::TYPE,
            error.classify(),
            error.line(),
            error.column()
        ))
    })
}
