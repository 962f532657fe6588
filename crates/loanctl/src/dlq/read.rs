//! Reading a dead-letter topic from its beginning to its end of now.

use std::collections::{BTreeMap, HashSet};
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use common::consumer::dead_letter::topic_of;
use common::kafka::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Message as _, OwnedMessage};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::letter::{Letter, Place, closes};
use crate::kafka::client;

/// The broker answers a question within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Reading goes on for as long as something comes within this time.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// One wait for a message.
const POLL: Duration = Duration::from_millis(200);

/// What is kept of each letter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// All but the content.
    Heads,
    /// All of it.
    Whole,
}

impl Keep {
    /// Letters of one topic at most: they are in memory together.
    fn letters_max(self) -> usize {
        match self {
            Self::Heads => 100_000,
            Self::Whole => 10_000,
        }
    }
}

/// Open letters of one topic, oldest first in each partition.
pub(super) struct Letters {
    pub(super) open: Vec<Letter>,
    /// Whether there are more than are looked at together.
    pub(super) are_more: bool,
}

/// The letters of a topic that nobody has dealt with and that `takes` wants. However
/// many others lie there: it is read twice, first for what is closed.
pub(super) async fn open_letters(
    kafka: &Broker,
    topic: &str,
    keep: Keep,
    takes: impl Fn(&Letter) -> bool + Send + 'static,
) -> anyhow::Result<Letters> {
    let (kafka, topic) = (kafka.clone(), topic.to_owned());
    // The client blocks.
    tokio::task::spawn_blocking(move || read(&kafka, &topic, keep, takes)).await?
}

fn read(
    kafka: &Broker,
    topic: &str,
    keep: Keep,
    takes: impl Fn(&Letter) -> bool,
) -> anyhow::Result<Letters> {
    let twin = topic_of(topic);
    let ranges = ranges(&consumer(kafka)?, &twin)?;
    let mut closed = HashSet::new();
    scan(&consumer(kafka)?, &twin, &ranges, |message| {
        if let Some(offset) = closes(message) {
            closed.insert((message.partition(), offset));
        }
        ControlFlow::Continue(())
    })?;
    let mut open = BTreeMap::new();
    let mut are_more = false;
    scan(&consumer(kafka)?, &twin, &ranges, |message| {
        let (partition, offset) = (message.partition(), message.offset());
        if closes(message).is_some() || closed.contains(&(partition, offset)) {
            return ControlFlow::Continue(());
        }
        let place = Place { topic: topic.to_owned(), partition, offset };
        let letter = Letter { place, message: kept(message, keep) };
        if !takes(&letter) {
            return ControlFlow::Continue(());
        }
        if open.len() == keep.letters_max() {
            are_more = true;
            return ControlFlow::Break(());
        }
        open.insert((partition, offset), letter);
        ControlFlow::Continue(())
    })?;
    Ok(Letters { open: open.into_values().collect(), are_more })
}

fn kept(message: &BorrowedMessage<'_>, keep: Keep) -> OwnedMessage {
    OwnedMessage::new(
        message.payload().filter(|_| keep == Keep::Whole).map(<[u8]>::to_vec),
        message.key().map(<[u8]>::to_vec),
        message.topic().to_owned(),
        message.timestamp(),
        message.partition(),
        message.offset(),
        message.headers().map(BorrowedHeaders::detach),
    )
}

fn consumer(kafka: &Broker) -> anyhow::Result<BaseConsumer> {
    let mut config = client(kafka);
    // Nothing is committed: the group is a name that the client asks for. The oldest
    // letters may go while they are read; what is behind them is read even so.
    config
        .set("group.id", "loanctl")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true");
    Ok(config.create()?)
}

/// Shows what lies in these ranges, until it is told to stop.
fn scan(
    consumer: &BaseConsumer,
    topic: &str,
    ranges: &BTreeMap<i32, Range<i64>>,
    mut show: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
) -> anyhow::Result<()> {
    let mut all = TopicPartitionList::new();
    for (partition, range) in ranges {
        all.add_partition_offset(topic, *partition, Offset::Offset(range.start))?;
    }
    consumer.assign(&all)?;
    let mut unread: BTreeMap<i32, i64> =
        ranges.iter().map(|(partition, range)| (*partition, range.end)).collect();
    let mut heard = Instant::now();
    while !unread.is_empty() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let (partition, offset) = (message.partition(), message.offset());
                // What has come since is not looked at: its marker would not be either.
                let Some(end) = unread.get(&partition).copied() else { continue };
                if offset < end && show(&message).is_break() {
                    return Ok(());
                }
                if offset + 1 >= end {
                    unread.remove(&partition);
                }
            }
            // The end is there already: what was before it is gone, or no message.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
            Some(Err(error)) if heard.elapsed() > SILENCE_MAX => {
                return Err(error).with_context(|| format!("reading {topic}"));
            }
            None if heard.elapsed() > SILENCE_MAX => {
                bail!("{topic} is not answered by the broker");
            }
            // The client gets over it by itself.
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}

/// Where each partition that holds something begins and ends.
fn ranges(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<BTreeMap<i32, Range<i64>>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), ANSWER_TIMEOUT)
        .context("Kafka is not to be reached")?;
    let described = metadata.topics().iter().find(|one| one.name() == topic);
    let partitions = described.filter(|one| one.error().is_none());
    let partitions = partitions.with_context(|| format!("there is no topic {topic}"))?.partitions();
    let mut ranges = BTreeMap::new();
    for partition in partitions {
        let id = partition.id();
        let (low, high) = consumer.fetch_watermarks(topic, id, ANSWER_TIMEOUT)?;
        if high > low {
            ranges.insert(id, low..high);
        }
    }
    Ok(ranges)
}
