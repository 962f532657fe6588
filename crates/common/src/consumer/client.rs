//! How the consumer's Kafka client is set up.

use rdkafka::consumer::StreamConsumer;
use rdkafka::error::KafkaError;

use super::context::Context;
use super::settings::ConsumerSettings;
use crate::kafka::{self, Log};

/// The client of one member of `group`.
pub(super) fn make(
    broker: &kafka::Broker,
    group: &str,
    settings: &ConsumerSettings,
) -> Result<StreamConsumer<Context>, KafkaError> {
    let mut config = broker.client(group);
    config
        .set("group.id", group)
        // A new group begins at the beginning.
        .set("auto.offset.reset", "earliest")
        // Whether the relay's transaction ends does not matter: what was in an outbox
        // has happened, and what is sent again is found in the inbox.
        .set("isolation.level", "read_uncommitted")
        // An offset counts after the work and not before; what counts is
        // committed every second and at the end.
        .set("enable.auto.offset.store", "false")
        .set("auto.commit.interval.ms", "1000")
        .set("group.protocol", &settings.group_protocol)
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("queued.max.messages.kbytes", "16384")
        // Without it there is no lag to be seen.
        .set("statistics.interval.ms", "5000");
    if settings.group_protocol == "classic" {
        let session_timeout_ms = settings.session_timeout.as_millis();
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (session_timeout_ms / 4).to_string());
    }
    config.create_with_context(Context::new(Log::new(group)))
}
