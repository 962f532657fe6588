//! The envelope of every event: CloudEvents 1.0 in Kafka's binary mode, where
//! the attributes are headers (`ce_…`) and the value is the payload's JSON.

use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::clock::Clock;
use crate::trace::current_traceparent;

/// `ce_type` of a tombstone, the message without a value that lets a compacted
/// topic forget a key.
pub const TOMBSTONE: &str = "Tombstone";

/// The version of CloudEvents that is spoken.
const SPEC_VERSION: &str = "1.0";

/// The names of the headers.
pub mod header {
    /// The event's id; consumers recognise a duplicate by it.
    pub const ID: &str = "ce_id";
    /// What happened.
    pub const TYPE: &str = "ce_type";
    /// Who says so.
    pub const SOURCE: &str = "ce_source";
    /// What it happened to.
    pub const SUBJECT: &str = "ce_subject";
    /// When it happened, RFC 3339.
    pub const TIME: &str = "ce_time";
    /// The version of CloudEvents.
    pub const SPEC_VERSION: &str = "ce_specversion";
    /// What the value is.
    pub const CONTENT_TYPE: &str = "content-type";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
}

/// A fact that a service publishes. The payload is self-contained: whoever
/// reads it need not ask back.
pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    /// `ce_type`: the name of the fact, in the past tense.
    const TYPE: &'static str;
    /// Where it is published.
    const TOPIC: &'static str;
    /// `ce_source`: who publishes it.
    const SOURCE: &'static str;
    /// The Kafka key: what has the same key stays in order.
    fn key(&self) -> String;
    /// `ce_subject`: the id of what it happened to.
    fn subject(&self) -> String;
}

/// An event that is on its way out: what a row of the outbox holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// `ce_id`, UUIDv7.
    pub id: Uuid,
    /// Where it goes.
    pub topic: &'static str,
    /// Its Kafka key.
    pub key: String,
    /// `ce_type`.
    pub event_type: &'static str,
    /// `ce_source`.
    pub source: &'static str,
    /// `ce_subject`.
    pub subject: String,
    /// `ce_time`.
    pub time: OffsetDateTime,
    /// The payload's JSON text; `None` is a tombstone.
    pub payload: Option<String>,
    /// The trace in which it was made.
    pub traceparent: Option<String>,
}

impl NewEvent {
    /// The envelope of `event`, with a fresh id, the time of now and the trace of the span
    /// that this runs in.
    ///
    /// # Panics
    ///
    /// If the payload has no JSON form (a map whose keys are no strings), which
    /// is a mistake in the event's type that its first use shows.
    #[must_use]
    pub fn of<E: Event>(event: &E, clock: &Clock) -> Self {
        Self {
            id: clock.new_id(),
            topic: E::TOPIC,
            key: event.key(),
            event_type: E::TYPE,
            source: E::SOURCE,
            subject: event.subject(),
            time: clock.now(),
            payload: Some(
                serde_json::to_string(event).expect("an event's payload has a JSON form"),
            ),
            traceparent: current_traceparent(),
        }
    }

    /// A tombstone on the topic of `E`: the compacted topic forgets `key`.
    #[must_use]
    pub fn tombstone<E: Event>(key: String, clock: &Clock) -> Self {
        Self {
            id: clock.new_id(),
            topic: E::TOPIC,
            subject: key.clone(),
            key,
            event_type: TOMBSTONE,
            source: E::SOURCE,
            time: clock.now(),
            payload: None,
            traceparent: current_traceparent(),
        }
    }
}

/// An event as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// `ce_id`.
    pub id: Uuid,
    /// `ce_type`.
    pub event_type: String,
    /// `ce_source`.
    pub source: String,
    /// `ce_subject`; empty if the sender gave none.
    pub subject: String,
    /// `ce_time`.
    pub time: OffsetDateTime,
    /// Where it was read.
    pub topic: String,
    /// Its partition there.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Its Kafka key.
    pub key: Option<String>,
    /// Its value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
}

impl ReceivedEvent {
    /// The event as a consumer would get it, with a fresh id: for tests of
    /// handlers. A clone of it is a second delivery of the same event.
    ///
    /// # Panics
    ///
    /// As [`NewEvent::of`].
    #[must_use]
    pub fn for_test<E: Event>(event: &E) -> Self {
        Self::from(NewEvent::of(event, &Clock::system()))
    }

    /// Reads the envelope of a Kafka message.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if a required header is missing or unreadable. Such a
    /// message is nobody's event and belongs to the dead letters.
    pub fn from_message(message: &impl Message) -> Result<Self, Malformed> {
        let headers = message.headers();
        let required = |name: &'static str| match text(headers, name) {
            Some(Ok(value)) if !value.is_empty() => Ok(value),
            Some(_) => Err(Malformed::Unreadable(name)),
            None => Err(Malformed::Missing(name)),
        };
        let optional =
            |name: &'static str| text(headers, name).and_then(Result::ok).map(str::to_owned);
        if required(header::SPEC_VERSION)? != SPEC_VERSION {
            return Err(Malformed::Unreadable(header::SPEC_VERSION));
        }
        let id = required(header::ID)?.parse().map_err(|_| Malformed::Unreadable(header::ID))?;
        let time = OffsetDateTime::parse(required(header::TIME)?, &Rfc3339)
            .map_err(|_| Malformed::Unreadable(header::TIME))?;
        Ok(Self {
            id,
            event_type: required(header::TYPE)?.to_owned(),
            source: required(header::SOURCE)?.to_owned(),
            subject: optional(header::SUBJECT).unwrap_or_default(),
            time,
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
            payload: message.payload().map(<[u8]>::to_vec),
            traceparent: optional(header::TRACEPARENT),
        })
    }
}

impl From<NewEvent> for ReceivedEvent {
    /// The event as its first reader would get it, at the start of partition 0.
    fn from(event: NewEvent) -> Self {
        Self {
            id: event.id,
            event_type: event.event_type.to_owned(),
            source: event.source.to_owned(),
            subject: event.subject,
            time: event.time,
            topic: event.topic.to_owned(),
            partition: 0,
            offset: 0,
            key: Some(event.key),
            payload: event.payload.map(String::into_bytes),
            traceparent: event.traceparent,
        }
    }
}

/// Why a message is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A required header is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header is not what CloudEvents says.
    #[error("header {0} is unreadable")]
    Unreadable(&'static str),
}

/// The attributes of an outgoing event, borrowed from wherever it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a> {
    pub(crate) id: Uuid,
    pub(crate) event_type: &'a str,
    pub(crate) source: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) time: OffsetDateTime,
    pub(crate) traceparent: Option<&'a str>,
}

impl Attributes<'_> {
    /// The headers of the Kafka message.
    pub(crate) fn headers(&self) -> OwnedHeaders {
        let id = self.id.to_string();
        let time =
            self.time.format(&Rfc3339).expect("a time of our own has four digits for its year");
        let mut headers = OwnedHeaders::new_with_capacity(8);
        for (key, value) in [
            (header::SPEC_VERSION, SPEC_VERSION),
            (header::ID, &id),
            (header::TYPE, self.event_type),
            (header::SOURCE, self.source),
            (header::SUBJECT, self.subject),
            (header::TIME, &time),
            (header::CONTENT_TYPE, "application/json"),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        match self.traceparent {
            Some(value) => headers.insert(Header { key: header::TRACEPARENT, value: Some(value) }),
            None => headers,
        }
    }
}

/// The first header of this name, as text.
fn text<'a, H: Headers>(
    headers: Option<&'a H>,
    name: &str,
) -> Option<Result<&'a str, std::str::Utf8Error>> {
    let found = headers?.iter().find(|header| header.key == name)?;
    Some(std::str::from_utf8(found.value.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
