//! Kafka by hand: what anyone who knows Kafka and nothing of us reads and sends.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use common::event::NewEvent;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use time::format_description::well_known::Rfc3339;

/// How long the broker may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message, as anyone who knows Kafka and nothing of us reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Its payload as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        self.value.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// A note as `account/number`.
    pub(crate) fn note(&self) -> String {
        let json = self.json();
        format!("{}/{}", json["account"].as_str().unwrap_or_default(), json["number"])
    }
}

impl From<&BorrowedMessage<'_>> for Seen {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(text),
            value: message.payload().map(text),
            headers: headers
                .map(|header| (header.key.to_owned(), text(header.value.unwrap_or_default())))
                .collect(),
        }
    }
}

/// Everything on a topic now, each partition from its first message to its last.
pub(crate) async fn read(bootstrap: &str, topic: &'static str) -> Result<Vec<Seen>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "reader");
    config.set("enable.auto.commit", "false");
    // The last thing on a partition may be the end of a transaction, which is no
    // message; and what no transaction has ended is read as well.
    config.set("enable.partition.eof", "true").set("isolation.level", "read_uncommitted");
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let (mut ends, mut partitions) = (BTreeMap::new(), TopicPartitionList::new());
        for partition in 0..events::topics::PARTITIONS {
            let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
            if first < end {
                ends.insert(partition, end);
                partitions.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&partitions)?;
        let (mut seen, started) = (Vec::new(), Instant::now());
        while !ends.is_empty() {
            ensure!(started.elapsed() < PATIENCE, "{topic} can't be read to its end: {ends:?}");
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ends.remove(&partition);
                }
                Some(message) => {
                    let message = Seen::from(&message?);
                    if ends.get(&message.partition).is_some_and(|end| message.offset + 1 >= *end) {
                        ends.remove(&message.partition);
                    }
                    seen.push(message);
                }
            }
        }
        Ok(seen)
    })
    .await?
}

/// Takes from a topic all that is on it now, as its retention does one day.
pub(crate) async fn forget(bootstrap: &str, topic: &'static str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let partitions = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let mut partitions = TopicPartitionList::new();
        for partition in 0..events::topics::PARTITIONS {
            let (_, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
            partitions.add_partition_offset(topic, partition, Offset::Offset(end))?;
        }
        anyhow::Ok(partitions)
    })
    .await??;
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let forgotten = admin.delete_records(&partitions, &options).await?;
    for one in forgotten.elements() {
        one.error()?;
    }
    Ok(())
}

/// How many messages of a topic a group has done with, as the broker knows it.
pub(crate) async fn committed(
    bootstrap: &str,
    group: &'static str,
    topic: &'static str,
) -> Result<i64> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", group);
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(topic, 0, events::topics::PARTITIONS - 1);
        let committed = consumer.committed_offsets(partitions, PATIENCE)?;
        // Below zero: none yet.
        let next = |offset: Offset| offset.to_raw().unwrap_or(0).max(0);
        Ok(committed.elements().iter().map(|one| next(one.offset())).sum())
    })
    .await?
}

/// Fails at the first difference, and does not print hundreds of others.
pub(crate) fn assert_same<T: PartialEq + Debug>(got: &[T], expected: &[T], what: &str) {
    let differs = got.iter().zip(expected).position(|(got, expected)| got != expected);
    let place = differs.unwrap_or(got.len().min(expected.len()));
    let around =
        |all: &[T]| format!("{:?}", &all[place.saturating_sub(3)..all.len().min(place + 3)]);
    assert!(
        got.len() == expected.len() && differs.is_none(),
        "{what}: {} of {}; at {place} {} instead of {}",
        got.len(),
        expected.len(),
        around(got),
        around(expected)
    );
}

/// Sends by hand what no relay would send.
pub(crate) struct Hand(FutureProducer);

impl Hand {
    pub(crate) fn new(bootstrap: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true");
        config.set("partitioner", "murmur2_random").set("linger.ms", "0");
        Ok(Self(config.create()?))
    }

    /// Sends one message and says where it is.
    pub(crate) async fn send(
        &self,
        topic: &str,
        key: &str,
        value: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<(i32, i64)> {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header { key, value: Some(*value) });
        }
        let mut record = FutureRecord::<str, str>::to(topic).key(key).headers(all);
        record.payload = value;
        let sent = self.0.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
        Ok((sent.partition, sent.offset))
    }

    /// Sends an event as the relay would.
    pub(crate) async fn event(&self, event: &NewEvent) -> Result<(i32, i64)> {
        let headers = headers_of(event);
        let headers: Vec<_> = headers.iter().map(|(key, value)| (*key, value.as_str())).collect();
        self.send(event.topic, &event.key, event.payload.as_deref(), &headers).await
    }
}

/// The CloudEvents headers of an event.
pub(crate) fn headers_of(event: &NewEvent) -> Vec<(&'static str, String)> {
    vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", event.id.to_string()),
        ("ce_type", event.event_type.to_owned()),
        ("ce_source", event.source.to_owned()),
        ("ce_subject", event.subject.clone()),
        ("ce_time", event.time.format(&Rfc3339).unwrap()),
    ]
}
