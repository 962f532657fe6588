//! What the Kafka clients here have in common.

use common::kafka::Broker;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// What every client is told. It says nothing of its own: what matters comes back as
/// an error.
pub(crate) fn client(kafka: &Broker) -> ClientConfig {
    let mut config = kafka.client("loanctl");
    config.set("log_level", "0").set_log_level(RDKafkaLogLevel::Emerg);
    config
}
