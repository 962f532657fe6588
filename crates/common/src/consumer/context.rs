//! What the Kafka client tells of itself, as logs and metrics. All of it runs
//! inside the client's polling, so nothing here waits.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::statistics::{self, Statistics};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::Notify;

use crate::kafka::Log;

/// What the client calls.
pub(super) struct Context {
    pub(super) log: Log,
    changes: Mutex<Changes>,
    has_changed: Notify,
}

/// What has come and gone since somebody looked.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Whether partitions have come. They are not paused, whatever the others are,
    /// unless they were when they went: the client remembers that.
    pub(super) has_new: bool,
    /// The partitions that have gone, by topic and number. What was read of them
    /// and not worked on is another's now; should they have come again meanwhile,
    /// it is read again.
    gone: HashSet<(String, i32)>,
}

impl Changes {
    /// Whether a message that was read before has gone with its partition.
    pub(super) fn takes(&self, message: &OwnedMessage) -> bool {
        self.gone.contains(&(message.topic().to_owned(), message.partition()))
    }
}

impl Context {
    pub(super) fn new(log: Log) -> Self {
        Self { log, changes: Mutex::default(), has_changed: Notify::new() }
    }

    /// Waits for changes that nobody has looked at.
    pub(super) async fn changed(&self) {
        self.has_changed.notified().await;
    }

    /// The changes since the last call.
    pub(super) fn changes(&self) -> Changes {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, change: impl FnOnce(&mut Changes)) {
        change(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        self.has_changed.notify_one();
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        for (name, topic) in statistics.topics {
            for (id, partition) in topic.partitions {
                if id >= 0
                    && let Some(lag) = lag(&partition)
                {
                    set_lag(&name, id, lag);
                }
            }
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.log.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                metrics::counter!("consumer_rebalances_total").increment(1);
                metrics::gauge!("consumer_partitions").increment(count(partitions));
                tracing::info!(partitions = %names(partitions), "partitions assigned");
                self.note(|changes| changes.has_new = true);
            }
            Rebalance::Revoke(partitions) => {
                tracing::info!(partitions = %names(partitions), "partitions revoked");
                metrics::gauge!("consumer_partitions").decrement(count(partitions));
                let gone = partitions.elements();
                let gone = gone.iter().map(|one| (one.topic().to_owned(), one.partition()));
                self.note(|changes| changes.gone.extend(gone));
                // Their lag is another's to tell from now on.
                for partition in partitions.elements() {
                    set_lag(partition.topic(), partition.partition(), 0);
                }
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // What is not committed is delivered again and found in the inbox.
            tracing::debug!(%error, "offsets were not committed");
        }
    }
}

/// How far a partition of ours is behind. Nothing is stored before the first message
/// was worked on, and nothing committed where the group is new; what is below zero
/// is not known.
fn lag(partition: &statistics::Partition) -> Option<i64> {
    if partition.fetch_state != "active" {
        return None;
    }
    let from = [partition.stored_offset, partition.committed_offset, partition.lo_offset];
    let from = from.into_iter().find(|offset| *offset >= 0)?;
    (partition.hi_offset >= 0).then(|| (partition.hi_offset - from).max(0))
}

fn count(partitions: &TopicPartitionList) -> f64 {
    u32::try_from(partitions.count()).map_or(f64::from(u32::MAX), f64::from)
}

fn names(partitions: &TopicPartitionList) -> String {
    let names: Vec<_> = partitions
        .elements()
        .iter()
        .map(|one| format!("{}/{}", one.topic(), one.partition()))
        .collect();
    names.join(" ")
}

fn set_lag(topic: &str, partition: i32, lag: i64) {
    let lag = u32::try_from(lag).map_or(f64::from(u32::MAX), f64::from);
    metrics::gauge!("consumer_lag", "topic" => topic.to_owned(), "partition" => partition.to_string()).set(lag);
}
