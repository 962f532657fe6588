//! Dead letters: messages that could not be worked on, kept on `<topic>.dlq` as
//! they came, with the reason beside them.

use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::FutureRecord;
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
}

impl Office {
    pub(super) fn new(broker: kafka::Broker, group: &'static str) -> Self {
        Self { broker, producer: OnceCell::new(), group }
    }

    /// Sends one letter and waits for the broker's acknowledgement, as long as
    /// that takes.
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
        let mut record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&topic).headers(letter_headers(self.group, message, rejected));
        record.key = message.key();
        record.payload = message.payload();
        kafka::send(producer, record).await?;
        metrics::counter!("dead_letters_total", "topic" => message.topic().to_owned()).increment(1);
        Ok(())
    }
}

/// The headers of a letter: its message's own, and why it is here.
pub(super) fn letter_headers(
    group: &str,
    message: &OwnedMessage,
    rejected: &Rejected,
) -> OwnedHeaders {
    let at = Clock::system().now().format(&Rfc3339).expect("now has four digits for its year");
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
