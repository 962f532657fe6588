//! What goes by itself: all but the last word of a key, and what is old.

use std::time::{Duration, Instant};

use crate::support::{Seen, TestBroker, receive, send};

/// Everything in the topic, read by a new group.
async fn read_all(broker: &TestBroker, group: &str) -> Vec<Seen> {
    let consumer = broker.consumer(group, &["loan.customer"]);
    let mut messages = receive(&consumer, 1).await;
    while let Ok(message) = tokio::time::timeout(Duration::from_millis(700), consumer.recv()).await
    {
        messages.push(crate::support::seen(&message.unwrap()));
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_message_of_each_key_stays_whole_and_comes_once() {
    let broker =
        TestBroker::start_compacting(&["loan.customer:1:cleanup.policy=compact"], Some(1)).await;
    let producer = broker.producer();
    let (one, other) = ("one", "other");
    for (key, value) in
        [(one, Some("1")), (one, Some("2")), (other, Some("3")), (one, Some("4")), (other, None)]
    {
        send(&producer, "loan.customer", key, value, &[("ce_id", value.unwrap_or("none"))]).await;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut round = 0;
    let messages = loop {
        round += 1;
        let messages = read_all(&broker, &format!("round-{round}")).await;
        if messages.len() == 2 {
            break messages;
        }
        assert!(Instant::now() < deadline, "not compacted: {messages:?}");
    };
    let expected = |offset, key: &str, value: Option<&str>, id: &str| Seen {
        partition: 0,
        offset,
        key: Some(key.to_owned()),
        value: value.map(str::to_owned),
        headers: vec![("ce_id".to_owned(), Some(id.to_owned()))],
    };
    assert_eq!(messages, [expected(3, one, Some("4"), "4"), expected(4, other, None, "none")]);
    // And on it goes.
    assert_eq!(send(&producer, "loan.customer", one, Some("5"), &[]).await, (0, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_declared_goes_and_the_rest_stays() {
    let short = "short:1:cleanup.policy=delete:retention.ms=1500";
    let long = "loan.customer:1:cleanup.policy=delete:retention.ms=157766400000";
    let broker = TestBroker::start_compacting(&[short, long], Some(1)).await;
    let producer = broker.producer();
    for topic in ["short", "loan.customer"] {
        send(&producer, topic, "key", Some("old"), &[]).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    send(&producer, "short", "key", Some("new"), &[]).await;
    let consumer = broker.consumer("late", &["short"]);
    let first = &receive(&consumer, 1).await[0];
    assert_eq!((first.offset, first.value.as_deref()), (1, Some("new")));
    let kept = read_all(&broker, "late-as-well").await;
    assert_eq!(kept.iter().map(|seen| seen.value.as_deref()).collect::<Vec<_>>(), [Some("old")]);
}
