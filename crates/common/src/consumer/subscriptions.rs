//! Which events a service handles, and with what.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use tracing::{Instrument as _, Span};

#[cfg(any(test, feature = "test-support"))]
use super::batch;
use super::failure::HandlerError;
#[cfg(any(test, feature = "test-support"))]
use crate::db::Db;
use crate::event::{Event, ReceivedEvent, TOMBSTONE};

/// Works on events of one type that came one after the other.
type Handler = Arc<
    dyn for<'a> Fn(
            &'a mut PgConnection,
            &'a [Claimed<'a>],
        ) -> BoxFuture<'a, Result<(), HandlerError>>
        + Send
        + Sync,
>;

/// An event whose turn it is.
pub(super) struct Claimed<'a> {
    pub(super) event: &'a ReceivedEvent,
    /// The event's own span.
    pub(super) span: Span,
}

/// An event that is worked on together with others of its type.
#[derive(Debug)]
pub struct Decoded<'a, E> {
    /// As it came.
    pub event: &'a ReceivedEvent,
    /// What it says.
    pub body: E,
    /// Its own span: what is made of this event alone is made in it, above all the events that
    /// follow from it.
    pub span: Span,
}

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
        let handler = Arc::new(handler);
        self.insert::<E>(Arc::new(move |tx, run| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                for Claimed { event, span } in run {
                    let body = decode::<E>(event)?;
                    handler(&mut *tx, event, body).instrument(span.clone()).await?;
                }
                Ok(())
            })
        }));
        self
    }

    /// The same with a handler that works on all the events at once that came one after the
    /// other: with a statement for all instead of one for each. Those of one key are in their
    /// order. If it fails, it is called again with each of them alone.
    ///
    /// # Panics
    ///
    /// As [`Subscriptions::on`].
    #[must_use]
    pub fn on_run<E: Event>(
        mut self,
        handler: impl for<'a> Fn(
            &'a mut PgConnection,
            Vec<Decoded<'a, E>>,
        ) -> BoxFuture<'a, Result<(), HandlerError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.insert::<E>(Arc::new(move |tx, run| {
            let decoded = run.iter().map(|Claimed { event, span }| {
                let (event, span) = (*event, span.clone());
                decode(event).map(|body| Decoded { event, body, span })
            });
            match decoded.collect() {
                Ok(decoded) => handler(tx, decoded),
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }
        }));
        self
    }

    fn insert<E: Event>(&mut self, handler: Handler) {
        let earlier = self.handlers.entry(E::TOPIC).or_default().insert(E::TYPE, handler);
        assert!(earlier.is_none(), "{} has two handlers", E::TYPE);
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
        let handler = Arc::new(handler);
        let each: Handler = Arc::new(move |tx, run| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                for Claimed { event, span } in run {
                    handler(&mut *tx, event).instrument(span.clone()).await?;
                }
                Ok(())
            })
        });
        let earlier = self.handlers.entry(E::TOPIC).or_default().insert(TOMBSTONE, each);
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
        match batch::all(db, self, std::slice::from_ref(event)).await? {
            0 => Ok(Delivered::Duplicate),
            _ => Ok(Delivered::Applied),
        }
    }

    /// The same with events that are all handled here, in one transaction; says of how many
    /// it was the first time.
    ///
    /// # Errors
    ///
    /// The handlers'; then nothing is committed.
    #[cfg(any(test, feature = "test-support"))]
    pub async fn deliver_together(
        &self,
        db: &Db,
        events: &[ReceivedEvent],
    ) -> Result<usize, HandlerError> {
        batch::all(db, self, events).await
    }

    /// Whether anybody here handles this event.
    pub(super) fn handles(&self, event: &ReceivedEvent) -> bool {
        self.handler(event).is_some()
    }

    /// Has each run of `events` worked on by its handler, in their order. A handler that
    /// panics has met an event that it can't work on; the process goes on without it.
    pub(super) async fn work(
        &self,
        tx: &mut PgConnection,
        events: &[Claimed<'_>],
    ) -> Result<(), HandlerError> {
        for run in events.chunk_by(|one, next| is_same_kind(one.event, next.event)) {
            let Some(handler) = run.first().and_then(|first| self.handler(first.event)) else {
                continue;
            };
            let work = AssertUnwindSafe(async { handler(&mut *tx, run).await });
            work.catch_unwind().await.unwrap_or_else(|_| {
                let what = run.first().map_or("", |first| &first.event.event_type);
                Err(HandlerError::Impossible(format!("the handler of {what} panicked")))
            })?;
        }
        Ok(())
    }

    fn handler(&self, event: &ReceivedEvent) -> Option<&Handler> {
        self.handlers.get(event.topic.as_str())?.get(event.event_type.as_str())
    }
}

/// Whether both have the same handler.
fn is_same_kind(one: &ReceivedEvent, other: &ReceivedEvent) -> bool {
    one.topic == other.topic && one.event_type == other.event_type
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
