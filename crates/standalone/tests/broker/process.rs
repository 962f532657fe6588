//! The process: how it starts and ends, and what it survives.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use standalone::Broker;

use crate::support::{TestBroker, receive, send, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_soon_and_in_order_though_clients_are_connected() {
    let mut broker = TestBroker::start(&["loan.auth:3"]).await;
    let consumer = broker.consumer("group", &["loan.auth"]);
    send(&broker.producer(), "loan.auth", "k", Some("v"), &[]).await;
    receive(&consumer, 1).await;
    let start = Instant::now();
    let status = broker.broker.stop().await.unwrap();
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_taken_address_is_one_clear_line() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let refused = Broker::start(&settings(folder.path(), address.port(), &[])).await.unwrap_err();
    let message = refused.to_string();
    assert!(message.contains(&format!("the broker cannot listen on {address}")), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_declared_again_without_harm_and_none_is_made_by_use() {
    let mut broker =
        TestBroker::start(&["loan.auth:3", "loan.customer:2:cleanup.policy=compact"]).await;
    send(&broker.producer(), "loan.auth", "k", Some("v"), &[]).await;
    broker.broker.stop().await.unwrap();
    broker.broker.start_again().await.unwrap();
    let client: BaseConsumer = broker.client().create().unwrap();
    let patience = Duration::from_secs(10);
    client.fetch_metadata(Some("never.declared"), patience).unwrap();
    let metadata = client.fetch_metadata(None, patience).unwrap();
    let mut topics: Vec<_> =
        metadata.topics().iter().map(|topic| (topic.name(), topic.partitions().len())).collect();
    topics.sort_unstable();
    assert_eq!(topics, [("loan.auth", 3), ("loan.customer", 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_what_is_not_there_harms_nobody_else() {
    let broker = TestBroker::start(&["loan.auth:1"]).await;
    let lost: BaseConsumer = broker.client().set("group.id", "lost").create().unwrap();
    let mut nowhere = TopicPartitionList::new();
    nowhere.add_partition_offset("loan.auth", 7, Offset::Offset(0)).unwrap();
    nowhere.add_partition_offset("loan.auth", 0, Offset::Offset(99)).unwrap();
    nowhere.add_partition_offset("never.declared", 0, Offset::Beginning).unwrap();
    lost.assign(&nowhere).unwrap();
    for _ in 0..20 {
        lost.poll(Duration::from_millis(50));
    }
    let consumer = broker.consumer("group", &["loan.auth"]);
    send(&broker.producer(), "loan.auth", "k", Some("v"), &[]).await;
    assert_eq!(receive(&consumer, 1).await[0].value.as_deref(), Some("v"));
}
