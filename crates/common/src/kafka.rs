//! What the Kafka clients of a service have in common.

mod broker;
mod log;

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};

pub use self::broker::{Broker, WrongSecurity};
pub(crate) use self::log::Log;
use self::log::Silence;

/// A producer that logs as [`Log`] does.
pub(crate) type Producer = FutureProducer<Log>;

/// How long a transaction may stay open: how long a batch waits for a broker that is
/// away before it begins anew, and for how long one that was left open by a crash
/// holds up whoever reads only what is committed, at most.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a full queue is left alone before it is tried again.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(20);

/// A producer that keeps the order of each key and loses nothing: idempotent,
/// acknowledged by all replicas, and patient without end, so that a message
/// never gives up while a later one gets through.
pub(crate) fn producer(broker: &Broker, client_id: &str) -> Result<Producer, KafkaError> {
    producer_config(broker, client_id).create_with_context(Log::new(client_id))
}

/// A producer of which the broker takes messages only until the next one of the same
/// name comes: its messages are in transactions under that name.
pub(crate) fn transactional_producer(
    broker: &Broker,
    client_id: &str,
) -> Result<Producer, KafkaError> {
    let mut config = producer_config(broker, client_id);
    let timeout_ms = TRANSACTION_TIMEOUT.as_millis().to_string();
    config
        .set("transactional.id", client_id)
        .set("transaction.timeout.ms", &timeout_ms)
        // A message can't outlive its transaction; then all of it is sent anew.
        .set("message.timeout.ms", &timeout_ms)
        .create_with_context(Log::new(client_id))
}

fn producer_config(broker: &Broker, client_id: &str) -> ClientConfig {
    let mut config = broker.client(client_id);
    config
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "0")
        // The relay hands over a batch as a whole; waiting for more helps nobody.
        .set("linger.ms", "0")
        // Java's partitioner: other tools send a key to the same partition.
        .set("partitioner", "murmur2_random");
    config
}

/// Why a message is not with the broker.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The producer can't go on; only a new process can.
    #[error("the Kafka producer has failed for good: {0}")]
    Fatal(String),
    /// The broker, or the client before it, does not take this message.
    #[error("the broker does not take the message")]
    Rejected(#[source] KafkaError),
}

impl SendError {
    fn of(producer: &Producer, error: KafkaError) -> Self {
        match producer.client().fatal_error() {
            Some((code, text)) => Self::Fatal(format!("{code}: {text}")),
            None => Self::Rejected(error),
        }
    }
}

/// Hands a message to the producer, waiting while its queue is full. What comes
/// back waits for the acknowledgement.
pub(crate) async fn enqueue<K: ToBytes + ?Sized, P: ToBytes + ?Sized>(
    producer: &Producer,
    mut record: FutureRecord<'_, K, P>,
) -> Result<DeliveryFuture, SendError> {
    loop {
        match producer.send_result(record) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                tokio::time::sleep(QUEUE_FULL_PAUSE).await;
            }
            Err((error, _)) => return Err(SendError::of(producer, error)),
        }
    }
}

/// Waits until the broker has the message, as long as that takes.
pub(crate) async fn acknowledged(
    producer: &Producer,
    delivery: DeliveryFuture,
) -> Result<(), SendError> {
    match delivery.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(SendError::of(producer, error)),
        Err(_) => Err(SendError::of(producer, KafkaError::Canceled)),
    }
}

/// Sends one message and waits for its acknowledgement.
pub(crate) async fn send<K: ToBytes + ?Sized, P: ToBytes + ?Sized>(
    producer: &Producer,
    record: FutureRecord<'_, K, P>,
) -> Result<(), SendError> {
    let delivery = enqueue(producer, record).await?;
    acknowledged(producer, delivery).await
}

/// Which of `topics` the broker does not have. Topics are declared and never
/// made on first use, so a service that lacks one says so.
///
/// # Errors
///
/// If no broker answers within `timeout`.
pub async fn missing_topics(
    broker: &Broker,
    topics: Vec<String>,
    timeout: Duration,
) -> Result<Vec<String>, KafkaError> {
    let config = broker.client("topic-check");
    let asked = tokio::task::spawn_blocking(move || {
        // A consumer without a group: asking as one never makes a topic.
        let consumer: BaseConsumer<Silence> =
            config.clone().set("allow.auto.create.topics", "false").create_with_context(Silence)?;
        let metadata = consumer.fetch_metadata(None, timeout)?;
        let has = |name: &str| {
            metadata.topics().iter().any(|topic| topic.name() == name && topic.error().is_none())
        };
        Ok(topics.into_iter().filter(|topic| !has(topic)).collect())
    });
    asked.await.unwrap_or(Err(KafkaError::Canceled))
}

#[cfg(test)]
mod tests;
