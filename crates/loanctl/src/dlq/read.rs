//! Reading a dead-letter topic from its beginning to its end of now.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use common::consumer::dead_letter::topic_of;
use common::kafka::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::letter::{Letter, Place, closes};
use crate::kafka::client;

/// The broker answers a question within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Reading goes on for as long as something comes within this time.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// One wait for a message.
const POLL: Duration = Duration::from_millis(200);

/// Open letters of one topic at most: they are in memory together.
const LETTERS_MAX: usize = 100_000;

/// The letters of a topic that nobody has dealt with, oldest first in each partition.
pub(super) async fn open_letters(kafka: &Broker, topic: &str) -> anyhow::Result<Vec<Letter>> {
    let (kafka, topic) = (kafka.clone(), topic.to_owned());
    // The client blocks.
    tokio::task::spawn_blocking(move || read(&kafka, &topic)).await?
}

fn read(kafka: &Broker, topic: &str) -> anyhow::Result<Vec<Letter>> {
    let twin = topic_of(topic);
    let mut config = client(kafka);
    // Nothing is committed: the group is a name that the client asks for.
    config
        .set("group.id", "loanctl")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create()?;
    let mut unread = assign(&consumer, &twin)?;
    let mut open = BTreeMap::new();
    let mut heard = Instant::now();
    while !unread.is_empty() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let (partition, offset) = (message.partition(), message.offset());
                let message = message.detach();
                match closes(&message) {
                    Some(closed) => drop(open.remove(&(partition, closed))),
                    None => drop(open.insert((partition, offset), message)),
                }
                ensure!(
                    open.len() <= LETTERS_MAX,
                    "more than {LETTERS_MAX} letters are open in {twin}"
                );
                if unread.get(&partition).is_some_and(|end| offset + 1 >= *end) {
                    unread.remove(&partition);
                }
            }
            // The end is there already: what was before it is gone, or no message.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
            Some(Err(error)) if heard.elapsed() > SILENCE_MAX => {
                return Err(error).with_context(|| format!("reading {twin}"));
            }
            None if heard.elapsed() > SILENCE_MAX => bail!("{twin} is not answered by the broker"),
            // The client gets over it by itself.
            Some(Err(_)) | None => {}
        }
    }
    Ok(open
        .into_iter()
        .map(|((partition, offset), message)| {
            let place = Place { topic: topic.to_owned(), partition, offset };
            Letter { place, message }
        })
        .collect())
}

/// Takes every partition that holds something from its beginning; says where each ends.
fn assign(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<BTreeMap<i32, i64>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), ANSWER_TIMEOUT)
        .context("Kafka is not to be reached")?;
    let described = metadata.topics().iter().find(|one| one.name() == topic);
    let partitions = described.filter(|one| one.error().is_none());
    let partitions = partitions.with_context(|| format!("there is no topic {topic}"))?.partitions();
    let mut ends = BTreeMap::new();
    let mut all = TopicPartitionList::new();
    for partition in partitions {
        let id = partition.id();
        let (low, high) = consumer.fetch_watermarks(topic, id, ANSWER_TIMEOUT)?;
        if high > low {
            ends.insert(id, high);
            all.add_partition_offset(topic, id, Offset::Offset(low))?;
        }
    }
    consumer.assign(&all)?;
    Ok(ends)
}
