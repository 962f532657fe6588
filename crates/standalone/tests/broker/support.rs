//! A broker of one's own, and clients that are set as the services' are.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use standalone::Broker;
use standalone::broker_process::BrokerProcessSettings;
use standalone::net::PortBlock;
use tempfile::TempDir;

/// A broker that is gone after the test.
pub(crate) struct TestBroker {
    pub(crate) broker: Broker,
    _ports: PortBlock,
    _folder: TempDir,
}

pub(crate) fn settings(folder: &Path, port: u16, topics: &[&str]) -> BrokerProcessSettings {
    BrokerProcessSettings {
        program: env!("CARGO_BIN_EXE_standalone").into(),
        data: folder.join("a folder with spaces"),
        log: folder.join("broker.log"),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        topics: topics.iter().map(|topic| topic.parse().unwrap()).collect(),
        advertised: None,
        compaction_seconds: None,
    }
}

impl TestBroker {
    pub(crate) async fn start(topics: &[&str]) -> Self {
        Self::start_compacting(topics, None).await
    }

    pub(crate) async fn start_compacting(topics: &[&str], seconds: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ports = PortBlock::take().unwrap();
        let mut settings = settings(folder.path(), ports.port().unwrap(), topics);
        settings.compaction_seconds = seconds;
        let broker = Broker::start(&settings).await.unwrap();
        Self { broker, _ports: ports, _folder: folder }
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.bootstrap());
        config
    }

    pub(crate) fn producer(&self) -> FutureProducer {
        self.client()
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "0")
            .create()
            .unwrap()
    }

    pub(crate) fn consumer(&self, group: &str, topics: &[&str]) -> StreamConsumer {
        consumer(&self.client(), group, topics)
    }
}

pub(crate) fn consumer(client: &ClientConfig, group: &str, topics: &[&str]) -> StreamConsumer {
    let consumer: StreamConsumer = client
        .clone()
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .create()
        .unwrap();
    consumer.subscribe(topics).unwrap();
    consumer
}

/// What matters of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, Option<String>)>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn seen(message: &BorrowedMessage<'_>) -> Seen {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(text))).collect()
    });
    Seen {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text),
        value: message.payload().map(text),
        headers,
    }
}

/// Whether it is about a broker that is away, which the client waits for.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure)
    )
}

/// The next messages of a consumer.
pub(crate) async fn receive(consumer: &StreamConsumer, count: usize) -> Vec<Seen> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(30), consumer.recv()).await;
        match next {
            Ok(Ok(message)) => messages.push(seen(&message)),
            // The client says so and tries again by itself.
            Ok(Err(error)) if passes(&error) => {}
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => panic!("{} of {count} messages came: {messages:?}", messages.len()),
        }
    }
    messages
}

/// As [`send`], where the broker may not take it.
pub(crate) async fn try_send(
    producer: &FutureProducer,
    topic: &str,
    key: &str,
    value: &str,
) -> Result<(), KafkaError> {
    let record = FutureRecord::<str, str>::to(topic).key(key).payload(value);
    producer.send(record, Duration::from_secs(30)).await.map(|_| ()).map_err(|(error, _)| error)
}

pub(crate) async fn send(
    producer: &FutureProducer,
    topic: &str,
    key: &str,
    value: Option<&str>,
    headers: &[(&str, &str)],
) -> (i32, i64) {
    let mut all = OwnedHeaders::new();
    for (key, value) in headers {
        all = all.insert(Header { key, value: Some(*value) });
    }
    let mut record = FutureRecord::<str, str>::to(topic).key(key).headers(all);
    record.payload = value;
    let delivery = producer.send(record, Duration::from_secs(30)).await.unwrap();
    (delivery.partition, delivery.offset)
}
