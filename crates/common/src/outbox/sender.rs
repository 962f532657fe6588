//! From a row of the outbox to an acknowledged message.

use std::collections::HashSet;

use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureRecord, Producer as _, PurgeConfig};

use super::rows::Row;
use crate::kafka::{self, SendError};

/// One producer, made anew whenever the relay starts anew, so that nothing of an
/// earlier time is still on its way.
pub(super) struct Sender {
    producer: Option<kafka::Producer>,
}

/// What came of sending one row.
pub(super) enum Outcome {
    /// The broker has it.
    Acknowledged,
    /// It was not sent, because one before it under its key was not taken.
    HeldBack,
    Failed(SendError),
}

impl From<Result<(), SendError>> for Outcome {
    fn from(sent: Result<(), SendError>) -> Self {
        sent.map_or_else(Self::Failed, |()| Self::Acknowledged)
    }
}

impl Sender {
    pub(super) fn new(broker: &kafka::Broker, client_id: &str) -> Result<Self, KafkaError> {
        Ok(Self { producer: Some(kafka::producer(broker, client_id)?) })
    }

    /// Sends `rows` in their order and waits until the broker has them, as long
    /// as that takes. What comes back is in the same order.
    pub(super) async fn send(&self, rows: &[Row]) -> Vec<Outcome> {
        let Some(producer) = &self.producer else { return Vec::new() };
        // First all are handed over and then all are waited for: the broker
        // gets them in few requests.
        let mut deliveries = Vec::with_capacity(rows.len());
        let mut stuck = HashSet::new();
        for row in rows {
            let key = (row.topic.as_str(), row.key.as_str());
            if stuck.contains(&key) {
                deliveries.push(None);
                continue;
            }
            let mut record =
                FutureRecord::to(&row.topic).key(&row.key).headers(row.attributes().headers());
            record.payload = row.payload.as_ref();
            let delivery = kafka::enqueue(producer, record).await;
            if delivery.is_err() {
                stuck.insert(key);
            }
            deliveries.push(Some(delivery));
        }
        let mut outcomes = Vec::with_capacity(rows.len());
        for delivery in deliveries {
            outcomes.push(match delivery {
                None => Outcome::HeldBack,
                Some(Ok(delivery)) => kafka::acknowledged(producer, delivery).await.into(),
                Some(Err(error)) => Outcome::Failed(error),
            });
        }
        outcomes
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
