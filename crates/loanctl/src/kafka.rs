//! What the Kafka clients here have in common.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// What every client is told. It says nothing of its own: what matters comes back as
/// an error.
pub(crate) fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "loanctl")
        .set("reconnect.backoff.max.ms", "1000")
        .set("log_level", "0")
        .set_log_level(RDKafkaLogLevel::Emerg);
    config
}
