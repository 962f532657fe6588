//! From rows of the outbox to messages that nobody undoes.
//!
//! The producer is transactional, and its id is the service's: the broker takes
//! messages of the one that came last and of no other. So what a relay had queued
//! when it was stopped, cut off or replaced never gets behind what its successor
//! has sent, however late it arrives. Several batches may share a transaction. Our
//! consumers don't wait for its end: what is in the outbox has happened, and if the
//! end does not come it is sent again.

use std::collections::HashSet;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{FutureRecord, Producer as _, PurgeConfig};

use super::rows::Row;
use crate::kafka::{self, SendError};

/// How long one call into the client waits for the broker before it is repeated.
const STEP_WAIT: Duration = Duration::from_secs(1);

/// One producer, made anew whenever the relay starts anew.
pub(super) struct Sender {
    producer: Option<kafka::Producer>,
    is_open: bool,
}

/// What the broker has, and what can't be sent, by their places in the batch. The
/// others wait behind one of those under their key.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) acknowledged: Vec<usize>,
    pub(super) refused: Vec<(usize, KafkaError)>,
}

/// Why a batch does not count as sent.
#[derive(Debug)]
pub(super) enum Interruption {
    /// Another relay has taken over.
    Fenced,
    /// The broker does not take these, by their places in the batch.
    Refused(Vec<(usize, KafkaError)>),
    /// The broker is away for long, or asks for a new beginning.
    Broker(KafkaError),
    /// The producer has failed for good.
    Failed(SendError),
}

impl Sender {
    /// Takes over: from here on the broker takes nothing of an earlier producer of
    /// this service. Waits for the broker as long as that takes.
    pub(super) async fn take_over(
        broker: &kafka::Broker,
        client_id: &str,
    ) -> Result<Self, Interruption> {
        let producer =
            kafka::transactional_producer(broker, client_id).map_err(Interruption::Broker)?;
        let sender = Self { producer: Some(producer), is_open: false };
        sender.step(|producer| producer.init_transactions(STEP_WAIT)).await?;
        Ok(sender)
    }

    /// Sends `rows` in their order, in the transaction that is open or in a new one,
    /// and waits until the broker has them, as long as that takes.
    pub(super) async fn send(&mut self, rows: &[Row]) -> Result<Sent, Interruption> {
        let Some(producer) = &self.producer else { return Ok(Sent::default()) };
        if !self.is_open {
            producer.begin_transaction().map_err(|error| self.interrupted(error))?;
            self.is_open = true;
        }
        let mut sent = Sent::default();
        // First all are handed over and then all are waited for: the broker
        // gets them in few requests.
        let mut deliveries = Vec::with_capacity(rows.len());
        let mut stuck = HashSet::new();
        for (place, row) in rows.iter().enumerate() {
            let key = (row.topic.as_str(), row.key.as_str());
            if stuck.contains(&key) {
                continue;
            }
            let mut record =
                FutureRecord::to(&row.topic).key(&row.key).headers(row.attributes().headers());
            record.payload = row.payload.as_ref();
            match kafka::enqueue(producer, record).await {
                Ok(delivery) => deliveries.push((place, delivery, span(row))),
                Err(SendError::Rejected(error)) if fault(&error).is_some() => {
                    stuck.insert(key);
                    sent.refused.push((place, error));
                }
                Err(SendError::Rejected(error)) => return Err(self.interrupted(error)),
                Err(error @ SendError::Fatal(_)) => return Err(self.failed(error)),
            }
        }
        let mut failures = Vec::new();
        // Each span ends with its acknowledgement.
        for (place, delivery, _span) in deliveries {
            match kafka::acknowledged(producer, delivery).await {
                Ok(()) => sent.acknowledged.push(place),
                Err(SendError::Rejected(error)) => failures.push((place, error)),
                Err(error @ SendError::Fatal(_)) => return Err(self.failed(error)),
            }
        }
        if failures.iter().any(|(_, error)| fault(error).is_some()) {
            // The others have failed with it.
            failures.retain(|(_, error)| fault(error).is_some());
            return Err(Interruption::Refused(failures));
        }
        if let Some((_, error)) = failures.into_iter().next() {
            return Err(self.interrupted(error));
        }
        Ok(sent)
    }

    /// Ends the transaction: from here on nobody undoes what was sent.
    pub(super) async fn commit(&mut self) -> Result<(), Interruption> {
        self.step(|producer| producer.commit_transaction(STEP_WAIT)).await?;
        self.is_open = false;
        Ok(())
    }

    /// A step of the transaction, which waits for the broker and is repeated until
    /// it has been taken.
    async fn step(
        &self,
        step: impl Fn(&kafka::Producer) -> Result<(), KafkaError> + Copy + Send + 'static,
    ) -> Result<(), Interruption> {
        loop {
            let Some(producer) = self.producer.clone() else { return Ok(()) };
            let done = tokio::task::spawn_blocking(move || step(&producer)).await;
            match done.unwrap_or(Err(KafkaError::Canceled)) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(KafkaError::Flush(Code::OperationTimedOut)) => {}
                Err(error) => return Err(self.interrupted(error)),
            }
        }
    }

    /// What an error means that is not about one message.
    fn interrupted(&self, error: KafkaError) -> Interruption {
        let fatal = self.producer.as_ref().and_then(|producer| producer.client().fatal_error());
        match (fatal, error.rdkafka_error_code()) {
            (Some((code, _)), _) | (None, Some(code)) if is_fence(code) => Interruption::Fenced,
            (Some((code, text)), _) => {
                Interruption::Failed(SendError::Fatal(format!("{code}: {text}")))
            }
            (None, _) => Interruption::Broker(error),
        }
    }

    fn failed(&self, error: SendError) -> Interruption {
        match self.interrupted(KafkaError::Canceled) {
            Interruption::Fenced => Interruption::Fenced,
            _ => Interruption::Failed(error),
        }
    }
}

/// From handing an event over to its acknowledgement, in the trace that it was written in.
/// Not the parent of who works on the event: what is sent stays the same however often.
fn span(row: &Row) -> tracing::Span {
    let traceparent = row.traceparent.as_deref();
    if traceparent.is_none() {
        return tracing::Span::none();
    }
    let span = tracing::info_span!(
        parent: None,
        "send",
        otel.kind = "producer",
        otel.name = %format_args!("send {}", row.topic),
        event_id = %row.event_id,
    );
    crate::trace::attach(&span, traceparent);
    span
}

/// Whether the broker says that another has taken over.
fn is_fence(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::TransactionCoordinatorFenced
    )
}

/// In what it lies that the broker, or the client before it, does not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// In the message: it would not be taken tomorrow.
    Message,
    /// In its topic, which is not there or not ours to write to; for the topic's
    /// events that is an outage, and for the others nothing.
    Topic,
}

/// In what it lies, if the producer can go on without this message.
pub(super) fn fault(error: &KafkaError) -> Option<Fault> {
    match error.rdkafka_error_code()? {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessage
        | Code::InvalidRecord
        | Code::PolicyViolation => Some(Fault::Message),
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed => Some(Fault::Topic),
        _ => None,
    }
}

impl Drop for Sender {
    /// Forgets what is not acknowledged: it is still unsent in the table, and
    /// another relay may be about to send it. Ending a producer waits for its
    /// thread, which an async task must not do.
    fn drop(&mut self) {
        let Some(producer) = self.producer.take() else { return };
        producer.purge(PurgeConfig::default().queue().inflight());
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(producer))),
            Err(_) => drop(producer),
        }
    }
}
