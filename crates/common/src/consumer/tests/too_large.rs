//! A message that is too large to be kept beside why it could not be worked on.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::rebalance::sent;
use super::*;

/// More than a producer's usual 1,000,000 bytes, and less than what a broker takes.
const GARBAGE_BYTES: usize = 1_020_000;

/// What came to the dead letters.
fn letter(bootstrap: &str) -> OwnedMessage {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset("test.notes.dlq", 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    consumer.poll(Duration::from_secs(20)).expect("a letter in time").unwrap().detach()
}

//
#[sqlx::test(migrations = false)]
async fn it_stays_where_it_was_read_and_nothing_behind_it_waits(pool: PgPool) {
    let db = db(pool).await;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("test.notes", 1, 1).unwrap();
    cluster.create_topic("test.notes.dlq", 1, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    let large: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("message.max.bytes", "2000000")
        .create()
        .unwrap();
    let garbage = "x".repeat(GARBAGE_BYTES);
    let event = noted("large");
    let record = FutureRecord::to("test.notes").key("key").payload(&garbage);
    large.send(record.headers(headers(&event)), Duration::from_secs(20)).await.unwrap();
    sent(&bootstrap, 1).await;

    let subscriptions = subscriptions();
    let settings = ConsumerSettings::default();
    let consumer =
        Consumer::new(db.clone(), bootstrap.as_str(), subscriptions, settings, Clock::fixed(AT));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(consumer.run(shutdown.clone()));
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while notes(&db).await.is_empty() {
        assert!(std::time::Instant::now() < until, "what is behind it waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let slip = tokio::task::spawn_blocking(move || letter(&bootstrap)).await.unwrap();
    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(notes(&db).await, ["0"]);
    assert_eq!((slip.payload(), slip.key()), (None, Some(&b"key"[..])));
    let value = |name: &str| {
        let found = slip.headers().unwrap().iter().find(|found| found.key == name);
        String::from_utf8_lossy(found.unwrap().value.unwrap()).into_owned()
    };
    assert_eq!(value("dlq_left_out"), GARBAGE_BYTES.to_string());
    assert_eq!((value("dlq_topic"), value("dlq_offset")), ("test.notes".into(), "0".into()));
    assert_eq!(
        (value("ce_id"), value("dlq_at")),
        (event.id.to_string(), "2026-11-21T08:00:00Z".into())
    );
}
