#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rdkafka::mocking::MockCluster;
use rdkafka::producer::PurgeConfig;
use tokio::time::timeout;

use super::*;

fn record(key: &str) -> FutureRecord<'_, str, str> {
    FutureRecord::to("test.notes").key(key).payload("x")
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_waited_for_and_loses_nothing() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("test.notes", 1, 1).unwrap();
    cluster.broker_down(1).unwrap();
    let broker = Broker::from(cluster.bootstrap_servers().as_str());
    let mut config = producer_config(&broker, "test");
    config.set("queue.buffering.max.messages", "2");
    let producer: Producer = config.create_with_context(Log::new("test")).unwrap();
    let mut sent = Vec::new();
    for key in ["1", "2"] {
        sent.push(enqueue(&producer, record(key)).await.unwrap());
    }
    // The outage lasts, and the third waits in front of the queue.
    let third = enqueue(&producer, record("3"));
    tokio::pin!(third);
    assert!(timeout(Duration::from_millis(500), &mut third).await.is_err());
    cluster.broker_up(1).unwrap();
    sent.push(timeout(Duration::from_secs(20), third).await.unwrap().unwrap());
    for sent in sent {
        timeout(Duration::from_secs(20), acknowledged(&producer, sent)).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_is_not_taken_for_sent() {
    let producer = producer(&Broker::from("127.0.0.1:1"), "test").unwrap();
    let sent = enqueue(&producer, record("1")).await.unwrap();
    producer.purge(PurgeConfig::default().queue().inflight());
    let purged = timeout(Duration::from_secs(20), acknowledged(&producer, sent)).await.unwrap();
    assert!(matches!(purged, Err(SendError::Rejected(_))), "{purged:?}");
}
