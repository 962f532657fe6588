//! The consumer's figures.

use std::time::Duration;

use crate::config::ServiceSettings;

/// How the consumer reads and waits. The defaults are those of the settings.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// The most messages that are worked on in one transaction.
    pub batch_max: usize,
    /// How long a batch that is not full waits for more.
    pub linger: Duration,
    /// The longest pause between two attempts while something is away.
    pub backoff_max: Duration,
    /// Kafka's group protocol: `classic` (cooperative-sticky) or `consumer` (KIP-848).
    pub group_protocol: String,
    /// After how long without a sign of life the group gives this instance's
    /// partitions to another.
    pub session_timeout: Duration,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            batch_max: 200,
            linger: Duration::ZERO,
            backoff_max: Duration::from_secs(5),
            group_protocol: "classic".to_owned(),
            session_timeout: Duration::from_secs(10),
        }
    }
}

impl From<&ServiceSettings> for ConsumerSettings {
    fn from(settings: &ServiceSettings) -> Self {
        Self {
            batch_max: usize::try_from(settings.consumer_batch_max).unwrap_or(usize::MAX),
            linger: Duration::from_millis(settings.consumer_linger_ms),
            backoff_max: Duration::from_millis(settings.consumer_backoff_max_ms),
            group_protocol: settings.consumer_group_protocol.clone(),
            session_timeout: Duration::from_millis(settings.consumer_session_timeout_ms),
        }
    }
}
