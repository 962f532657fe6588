//! A producer that was replaced by one of the same transactional id.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer as _};

use crate::support::{TestBroker, receive, send, try_send};

const PATIENCE: Duration = Duration::from_secs(20);

/// The next producer of one id: it has taken over when it is here.
async fn next(broker: &TestBroker) -> FutureProducer {
    let mut config = broker.client();
    config.set("transactional.id", "relay").set("linger.ms", "0");
    let producer: FutureProducer = config.create().unwrap();
    step(&producer, |producer| producer.init_transactions(PATIENCE)).await.unwrap();
    producer
}

/// These calls wait, which a test must not do with its runtime.
async fn step(
    producer: &FutureProducer,
    step: impl Fn(&FutureProducer) -> Result<(), KafkaError> + Send + 'static,
) -> Result<(), KafkaError> {
    let producer = producer.clone();
    tokio::task::spawn_blocking(move || step(&producer)).await.unwrap()
}

async fn sent_and_ended(producer: &FutureProducer, value: &str) -> (i32, i64) {
    producer.begin_transaction().unwrap();
    let place = send(producer, "loan.auth", "key", Some(value), &[]).await;
    step(producer, |producer| producer.commit_transaction(PATIENCE)).await.unwrap();
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_was_replaced_gets_nothing_in_any_more() {
    let mut broker = TestBroker::start(&["loan.auth:1"]).await;
    let one = next(&broker).await;
    assert_eq!(sent_and_ended(&one, "1").await, (0, 0));
    assert_eq!(sent_and_ended(&one, "2").await, (0, 1));
    // It is replaced in the middle of a transaction.
    one.begin_transaction().unwrap();
    assert_eq!(send(&one, "loan.auth", "key", Some("3"), &[]).await, (0, 2));
    let two = next(&broker).await;
    assert_eq!(sent_and_ended(&two, "4").await, (0, 3));
    assert!(try_send(&one, "loan.auth", "key", "late").await.is_err());

    // The broker remembers.
    broker.broker.kill().unwrap();
    broker.broker.start_again().await.unwrap();
    let three = next(&broker).await;
    assert_eq!(sent_and_ended(&three, "5").await, (0, 4));
    let late = two.begin_transaction();
    assert!(late.is_err() || try_send(&two, "loan.auth", "key", "late").await.is_err());

    // What was sent is there at once for whoever reads, and no end of a transaction.
    let consumer = broker.consumer("reader", &["loan.auth"]);
    let seen = receive(&consumer, 5).await;
    let values: Vec<_> = seen.iter().map(|seen| seen.value.as_deref().unwrap()).collect();
    assert_eq!(values, ["1", "2", "3", "4", "5"]);
    assert!(tokio::time::timeout(Duration::from_secs(1), consumer.recv()).await.is_err());
}
