//! Dead letters: messages that could not be worked on, kept on `<topic>.dlq` as
//! they came, with the reason beside them.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::FutureRecord;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::OnceCell;

use super::batch::Rejected;
use crate::clock::Clock;
use crate::kafka;

/// The headers that a letter has besides those of its message.
pub mod header {
    /// Why it is here.
    pub const REASON: &str = "dlq_reason";
    /// The consumer group that could not work on it.
    pub const GROUP: &str = "dlq_group";
    /// Where it was read.
    pub const TOPIC: &str = "dlq_topic";
    /// Its partition there.
    pub const PARTITION: &str = "dlq_partition";
    /// Its place there.
    pub const OFFSET: &str = "dlq_offset";
    /// How often it was tried by itself.
    pub const ATTEMPTS: &str = "dlq_attempts";
    /// When it was set aside, RFC 3339.
    pub const AT: &str = "dlq_at";
    /// On a letter that is none but a slip: the bytes of the payload that lies only
    /// where it was read, because with it the letter is larger than the broker takes.
    pub const LEFT_OUT: &str = "dlq_left_out";
    /// On a message that was put back on its topic: the one group that had set
    /// it aside and takes it again. All others leave it alone.
    pub const REDRIVEN: &str = "dlq_redriven";
    /// On a marker, which is no letter: the offset, in the same partition, of the
    /// letter that an operator has dealt with.
    pub const HANDLED: &str = "dlq_handled";
    /// On a marker: `redriven` or `discarded`.
    pub const OUTCOME: &str = "dlq_outcome";
    /// On a marker: who did it.
    pub const HANDLED_BY: &str = "dlq_handled_by";
    /// On a marker: when, RFC 3339.
    pub const HANDLED_AT: &str = "dlq_handled_at";
    /// What all of them begin with.
    pub(super) const PREFIX: &str = "dlq_";
}

/// What of a message's key, and of each of its headers, goes onto a slip at most.
const SLIP_BYTES_MAX: usize = 256;

/// How many of a message's headers go onto a slip at most; an event has fewer.
const SLIP_HEADERS_MAX: usize = 32;

/// Where the dead letters of `topic` are.
#[must_use]
pub fn topic_of(topic: &str) -> String {
    format!("{topic}.dlq")
}

/// The headers for putting a letter back on its topic: its message's own, and
/// the group that had set it aside and is to take it again. `None` if the letter
/// does not say which group that was.
#[must_use]
pub fn redrive_headers(letter: &OwnedHeaders) -> Option<OwnedHeaders> {
    let group = letter.iter().find(|found| found.key == header::GROUP)?.value?;
    Some(own_headers(Some(letter)).insert(Header { key: header::REDRIVEN, value: Some(group) }))
}

pub(super) fn redriven_for(message: &impl Message) -> Option<String> {
    let found = message.headers()?.iter().find(|found| found.key == header::REDRIVEN)?;
    Some(String::from_utf8_lossy(found.value.unwrap_or_default()).into_owned())
}

/// Sends rejected messages to where dead letters are kept. Its producer, with its
/// connections and threads, is made with the first of them: most instances never
/// have one.
pub(super) struct Office {
    broker: kafka::Broker,
    producer: OnceCell<kafka::Producer>,
    group: &'static str,
    clock: Clock,
}

impl Office {
    pub(super) fn new(broker: kafka::Broker, group: &'static str, clock: Clock) -> Self {
        Self { broker, producer: OnceCell::new(), group, clock }
    }

    /// Sends one letter and waits for the broker's acknowledgement, as long as
    /// that takes. What is too large for a letter, which holds more than its message,
    /// stays where it was read, and a slip says so: nothing behind it is to wait.
    pub(super) async fn send(
        &self,
        message: &OwnedMessage,
        rejected: &Rejected,
    ) -> Result<(), kafka::SendError> {
        let client_id = format!("{}-dead-letters", self.group);
        let make = async || kafka::producer(&self.broker, &client_id);
        let producer =
            self.producer.get_or_try_init(make).await.map_err(kafka::SendError::Rejected)?;
        let topic = topic_of(message.topic());
        let headers = letter_headers(self.group, message, rejected, self.clock.now());
        let mut record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&topic).headers(headers.clone());
        record.key = message.key();
        record.payload = message.payload();
        match kafka::send(producer, record).await {
            Err(kafka::SendError::Rejected(error)) if is_too_large(&error) => {
                let mut slip: FutureRecord<'_, [u8], [u8]> =
                    FutureRecord::to(&topic).headers(slip_headers(&headers, message));
                slip.key = message.key().filter(|key| key.len() <= SLIP_BYTES_MAX);
                kafka::send(producer, slip).await?;
            }
            sent => sent?,
        }
        metrics::counter!("dead_letters_total", "topic" => message.topic().to_owned()).increment(1);
        Ok(())
    }
}

/// The headers of a letter: its message's own, and why it is here.
pub(super) fn letter_headers(
    group: &str,
    message: &OwnedMessage,
    rejected: &Rejected,
    at: OffsetDateTime,
) -> OwnedHeaders {
    let at = at.format(&Rfc3339).expect("now has four digits for its year");
    let mut headers = own_headers(message.headers());
    for (key, value) in [
        (header::REASON, rejected.reason.as_str()),
        (header::GROUP, group),
        (header::TOPIC, message.topic()),
        (header::PARTITION, &message.partition().to_string()),
        (header::OFFSET, &message.offset().to_string()),
        (header::ATTEMPTS, &rejected.attempts.to_string()),
        (header::AT, &at),
    ] {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers
}

/// The headers of a slip: those of the letter as far as they are short, and what is
/// left out.
pub(super) fn slip_headers(letter: &OwnedHeaders, message: &OwnedMessage) -> OwnedHeaders {
    let is_own = |key: &str| !key.starts_with(header::PREFIX);
    let is_short = |found: &Header<'_, &[u8]>| {
        found.key.len() + found.value.unwrap_or_default().len() <= SLIP_BYTES_MAX
    };
    let own = letter.iter().filter(|found| is_own(found.key)).filter(is_short);
    let why = letter.iter().filter(|found| !is_own(found.key));
    let mut slip = OwnedHeaders::new();
    for found in own.take(SLIP_HEADERS_MAX).chain(why) {
        slip = slip.insert(found);
    }
    let bytes = message.payload().unwrap_or_default().len().to_string();
    slip.insert(Header { key: header::LEFT_OUT, value: Some(&bytes) })
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

/// The headers that a message had before anything was said about dead letters.
fn own_headers(headers: Option<&OwnedHeaders>) -> OwnedHeaders {
    let mut own = OwnedHeaders::new();
    for found in headers.into_iter().flat_map(|headers| headers.iter()) {
        if !found.key.starts_with(header::PREFIX) {
            own = own.insert(found);
        }
    }
    own
}
