//! `loanctl topics forget`: after a restore of PostgreSQL the topics tell of what nobody has any
//! more. What is on them is taken away, so that no read model is ever made of it.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use events::topics::ALL;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::TIMEOUT;
use crate::kafka::client;
use common::kafka::Broker;

/// Takes all that is there now from each topic that keeps events. The compacted one stays: it
/// says of each customer what is so, and a broker takes nothing from it.
pub(super) async fn forget(
    kafka: &Broker,
    admin: &AdminClient<DefaultClientContext>,
    is_confirmed: bool,
) -> anyhow::Result<()> {
    ensure!(
        is_confirmed,
        "what the topics hold would be gone: say --all-events if that is meant \
         (docs/operations.md, \"Restore\")"
    );
    // To the very end: also what a transaction holds that nobody has ended yet.
    let consumer: BaseConsumer =
        client(kafka).set("isolation.level", "read_uncommitted").create()?;
    let (partitions, messages) = tokio::task::spawn_blocking(move || ends(&consumer)).await??;
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let outcome = admin.delete_records(&partitions, &options).await.context("taking them")?;
    for partition in outcome.elements() {
        partition.error().with_context(|| partition.topic().to_owned())?;
    }
    writeln!(std::io::stdout(), "{messages} events are gone from the topics")?;
    Ok(())
}

/// The end of each partition, and how many messages are before them all.
fn ends(consumer: &BaseConsumer) -> anyhow::Result<(TopicPartitionList, i64)> {
    let (mut partitions, mut messages) = (TopicPartitionList::new(), 0);
    for topic in ALL.iter().filter(|topic| !topic.compacted) {
        let metadata = consumer.fetch_metadata(Some(topic.name), TIMEOUT)?;
        let found = metadata.topics().first().with_context(|| topic.name.to_owned())?;
        for partition in found.partitions() {
            let (low, high) = consumer.fetch_watermarks(topic.name, partition.id(), TIMEOUT)?;
            partitions.add_partition_offset(topic.name, partition.id(), Offset::Offset(high))?;
            messages += high - low;
        }
    }
    Ok((partitions, messages))
}
