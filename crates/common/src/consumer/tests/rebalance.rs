//! Partitions that come and go while the database is away, on the mock broker
//! that librdkafka brings along.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{
    BaseConsumer, Consumer as _, ConsumerContext as _, Rebalance, StreamConsumer,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio_util::sync::CancellationToken;

use super::super::context::Context;
use super::*;
use crate::kafka::Log;

const PARTITIONS: i32 = 4;
const MESSAGES: usize = 2_000;

/// Whether the database is as good as away.
static IS_AWAY: AtomicBool = AtomicBool::new(true);

async fn on_noted_if_there(
    tx: &mut PgConnection,
    event: &ReceivedEvent,
    body: Noted,
) -> Result<(), HandlerError> {
    if IS_AWAY.load(Ordering::Relaxed) {
        return Err(HandlerError::Database(sqlx::Error::PoolTimedOut));
    }
    on_noted(tx, event, body).await
}

/// Another member of the group, which has got its share.
async fn join(bootstrap: &str) -> StreamConsumer {
    let other: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", GROUP)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("session.timeout.ms", "6000")
        .create()
        .unwrap();
    other.subscribe(&["test.notes"]).unwrap();
    let started = Instant::now();
    while other.assignment().unwrap().count() == 0 {
        let _ = tokio::time::timeout(Duration::from_millis(100), other.recv()).await;
        assert!(started.elapsed() < Duration::from_secs(30), "it gets no partition");
    }
    other
}

async fn leave(other: StreamConsumer) {
    tokio::task::spawn_blocking(move || drop(other)).await.unwrap();
    // The mock broker is slow to give its partitions to the others.
    tokio::time::sleep(Duration::from_secs(10)).await;
}

pub(super) async fn sent(bootstrap: &str, messages: usize) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let sent = (0..messages).map(async |number| {
        let event = noted(&number.to_string());
        let payload = event.payload.clone().unwrap();
        let record = FutureRecord::to("test.notes").key(&event.subject).payload(&payload);
        producer.send(record.headers(headers(&event)), Duration::from_secs(20)).await.unwrap();
    });
    futures::future::join_all(sent).await;
}

/// Waits until so many notes are there and no more come.
async fn settled(db: &Db, at_least: usize) -> usize {
    let (started, mut before) = (Instant::now(), 0);
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = notes(db).await.len();
        if now >= at_least && now == before {
            return now;
        }
        before = now;
        assert!(started.elapsed() < Duration::from_secs(60), "{now} of {at_least}");
    }
}

#[sqlx::test(migrations = false)]
async fn partitions_that_come_during_an_outage_rest_and_go_on_after_it(pool: PgPool) {
    let db = db(pool).await;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("test.notes", PARTITIONS, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    sent(&bootstrap, MESSAGES).await;
    let settings = ConsumerSettings {
        batch_max: 50,
        session_timeout: Duration::from_secs(6),
        ..ConsumerSettings::default()
    };
    let subscriptions = Subscriptions::new(GROUP)
        .on::<Noted>(|tx, event, body| Box::pin(on_noted_if_there(tx, event, body)));
    let consumer =
        Consumer::new(db.clone(), bootstrap.as_str(), subscriptions, settings, Clock::system());
    let waiting = Arc::clone(&consumer.waiting);
    let most = tokio::spawn({
        async move {
            let mut most = 0;
            while IS_AWAY.load(Ordering::Relaxed) {
                most = most.max(waiting.load(Ordering::Relaxed));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            most
        }
    });
    // The other has all, then a share, then nothing: what comes to us last has never
    // rested here.
    let other = join(&bootstrap).await;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(consumer.run(shutdown.clone()));
    while other.assignment().unwrap().count() == usize::try_from(PARTITIONS).unwrap() {
        let _ = tokio::time::timeout(Duration::from_millis(100), other.recv()).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(8), other.stream().count()).await;
    leave(other).await;
    let other = join(&bootstrap).await;

    // The outage ends while the other has a share that rested when it went.
    IS_AWAY.store(false, Ordering::Relaxed);
    // The first message of each partition, before it is known that it came.
    let most = most.await.unwrap();
    assert!(most <= usize::try_from(PARTITIONS).unwrap(), "{most} wait");
    let own_share = settled(&db, 1).await;
    assert!(own_share < MESSAGES, "else the other has none, and this proves nothing");
    leave(other).await;
    assert_eq!(settled(&db, MESSAGES).await, MESSAGES);
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
