//! Partitions that come and go while the database is away, on the mock broker
//! that librdkafka brings along.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{
    BaseConsumer, Consumer as _, ConsumerContext as _, Rebalance, StreamConsumer,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::TopicPartitionList;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

use super::super::context::Context;
use super::*;
use crate::kafka::Log;

const PARTITIONS: i32 = 4;
const MESSAGES: usize = 2_000;

/// Another member of the group: takes its share and gives it back.
async fn come_and_go(bootstrap: &str) {
    let other: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", GROUP)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    other.subscribe(&["test.notes"]).unwrap();
    let started = Instant::now();
    while other.assignment().unwrap().count() == 0 {
        let _ = tokio::time::timeout(Duration::from_millis(100), other.recv()).await;
        assert!(started.elapsed() < Duration::from_secs(30), "it gets no partition");
    }
    tokio::task::spawn_blocking(move || drop(other)).await.unwrap();
}

/// The most that was ever seen: from the first until it has stood still for a while.
async fn most(waiting: &Arc<AtomicUsize>) -> usize {
    let (mut most, mut since) = (0, Instant::now());
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        let now = waiting.load(Ordering::Relaxed);
        if now > most {
            (most, since) = (now, Instant::now());
        }
        if most > 0 && since.elapsed() > Duration::from_secs(3) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_come_during_an_outage_rest() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("test.notes", PARTITIONS, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
    let sent = (0..MESSAGES).map(async |number| {
        let event = noted(&number.to_string());
        let payload = event.payload.clone().unwrap();
        let record = FutureRecord::to("test.notes").key(&event.subject).payload(&payload);
        producer.send(record.headers(headers(&event)), Duration::from_secs(20)).await.unwrap();
    });
    futures::future::join_all(sent).await;

    // Nobody listens there.
    let away = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(50))
        .connect_lazy("postgres://nobody@127.0.0.1:1/none")
        .unwrap();
    let settings = ConsumerSettings {
        batch_max: 50,
        backoff_max: Duration::from_millis(200),
        session_timeout: Duration::from_secs(6),
        ..ConsumerSettings::default()
    };
    let consumer =
        Consumer::new(Db::from_pool(away), bootstrap.as_str(), subscriptions(), settings);
    let waiting = Arc::clone(&consumer.waiting);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(consumer.run(shutdown.clone()));
    for _ in 0..2 {
        come_and_go(&bootstrap).await;
        let most = most(&waiting).await;
        assert!(most >= 1, "else nothing came back, and this proves nothing");
        // The first message of each, before it is known that it came.
        assert!(most <= usize::try_from(PARTITIONS).unwrap(), "{most} wait");
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_read_of_a_partition_that_has_gone_is_dropped() {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", "127.0.0.1:1").set("group.id", GROUP);
    let consumer: BaseConsumer<Context> =
        config.create_with_context(Context::new(Log::new("test"))).unwrap();
    let (context, mut partitions) = (consumer.context(), TopicPartitionList::new());
    partitions.add_partition("test.notes", 1);
    let of = |partition| message(&ReceivedEvent { partition, ..noted("a") });
    context.pre_rebalance(&consumer, &Rebalance::Revoke(&partitions));
    let changes = context.changes();
    assert!(changes.takes(&of(1)) && !changes.takes(&of(0)) && !changes.has_new);
    context.pre_rebalance(&consumer, &Rebalance::Assign(&partitions));
    let changes = context.changes();
    assert!(changes.has_new && !changes.takes(&of(1)), "said once");
    // It came again before anybody looked: what was read before is read again.
    context.pre_rebalance(&consumer, &Rebalance::Revoke(&partitions));
    context.pre_rebalance(&consumer, &Rebalance::Assign(&partitions));
    assert!(context.changes().takes(&of(1)));
}
