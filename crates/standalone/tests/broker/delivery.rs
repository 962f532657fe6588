//! Messages arrive whole, once, in order, soon, and outlive a kill.

use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use crate::support::{TestBroker, receive, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_with_key_headers_and_without_a_value() {
    let broker = TestBroker::start(&["loan.customer:3:cleanup.policy=compact"]).await;
    let producer = broker.producer();
    let headers = [("ce_id", "0199"), ("ce_type", "CustomerRegistered"), ("ce_id", "again")];
    send(&producer, "loan.customer", "유은상", Some("{\"이름\":1}"), &headers).await;
    send(&producer, "loan.customer", "유은상", None, &[("ce_type", "Tombstone")]).await;

    let consumer = broker.consumer("reader", &["loan.customer"]);
    let messages = receive(&consumer, 2).await;
    assert_eq!(messages[0].key.as_deref(), Some("유은상"));
    assert_eq!(messages[0].value.as_deref(), Some("{\"이름\":1}"));
    let expected: Vec<_> =
        headers.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    assert_eq!(messages[0].headers, expected);
    assert_eq!(messages[1].value, None);
    assert_eq!(messages[1].headers, vec![("ce_type".to_owned(), Some("Tombstone".to_owned()))]);
    assert_eq!(messages[0].partition, messages[1].partition);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_consumer_gets_a_message_at_once() {
    let broker = TestBroker::start(&["loan.auth:3"]).await;
    let producer = broker.producer();
    let consumer = broker.consumer("reader", &["loan.auth"]);
    send(&producer, "loan.auth", "first", Some("0"), &[]).await;
    receive(&consumer, 1).await;
    let mut latencies = Vec::new();
    for number in 0..20 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let start = Instant::now();
        send(&producer, "loan.auth", &number.to_string(), Some("1"), &[]).await;
        receive(&consumer, 1).await;
        latencies.push(start.elapsed());
    }
    latencies.sort();
    // Here it is some 3 ms. Tansu's own fetch would take 125 ms and more.
    assert!(latencies[10] < Duration::from_millis(60), "{latencies:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order_when_the_broker_is_killed() {
    const COUNT: usize = 600;
    let mut broker = TestBroker::start(&["loan.auth:3"]).await;
    let producer = broker.producer();
    let sending = tokio::spawn(send_in_turn(producer.clone(), COUNT));
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        broker.broker.kill().unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        broker.broker.start_again().await.unwrap();
    }
    sending.await.unwrap();

    let consumer = broker.consumer("reader", &["loan.auth"]);
    let messages = receive(&consumer, COUNT).await;
    for key in 0..5 {
        let key = key.to_string();
        let values: Vec<usize> = messages
            .iter()
            .filter(|message| message.key.as_deref() == Some(&key))
            .map(|message| message.value.as_deref().unwrap().parse().unwrap())
            .collect();
        assert_eq!(values, (0..COUNT / 5).collect::<Vec<_>>(), "key {key}");
    }
    // There is not one more than was sent.
    let more = tokio::time::timeout(Duration::from_millis(500), consumer.recv()).await;
    assert!(more.is_err());
}

/// Sends numbers in order for five keys, all of them in flight at once.
async fn send_in_turn(producer: FutureProducer, count: usize) {
    let mut deliveries = Vec::new();
    for number in 0..count {
        let (key, value) = ((number % 5).to_string(), (number / 5).to_string());
        let record = FutureRecord::to("loan.auth").key(&key).payload(&value);
        deliveries.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for delivery in deliveries {
        delivery.await.unwrap().unwrap();
    }
    producer.flush(Timeout::After(Duration::from_secs(5))).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_producer_goes_on_after_a_restart_of_the_broker() {
    let mut broker = TestBroker::start(&["loan.auth:1"]).await;
    let producer = broker.producer();
    let first = send(&producer, "loan.auth", "k", Some("1"), &[]).await;
    broker.broker.stop().await.unwrap();
    broker.broker.start_again().await.unwrap();
    let second = send(&producer, "loan.auth", "k", Some("2"), &[]).await;
    assert_eq!((first, second), ((0, 0), (0, 1)));
    // A new producer is another one.
    let third = send(&broker.producer(), "loan.auth", "k", Some("3"), &[]).await;
    assert_eq!(third, (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_read_again_is_refused_and_stops_nobody() {
    let broker = TestBroker::start(&["loan.auth:1"]).await;
    for codec in ["none", "gzip"] {
        let producer: FutureProducer = broker
            .client()
            .set("message.max.bytes", "4000000")
            .set("compression.type", codec)
            .create()
            .unwrap();
        let large = "x".repeat(3_000_000);
        let record = FutureRecord::to("loan.auth").key("large").payload(&large);
        let (error, _) = producer.send(record, Duration::from_secs(20)).await.unwrap_err();
        let code = error.rdkafka_error_code();
        assert_eq!(code, Some(RDKafkaErrorCode::MessageSizeTooLarge), "{codec}: {error}");
    }
    send(&broker.producer(), "loan.auth", "small", Some("1"), &[]).await;
    let consumer = broker.consumer("reader", &["loan.auth"]);
    assert_eq!(receive(&consumer, 1).await[0].key.as_deref(), Some("small"));
}
