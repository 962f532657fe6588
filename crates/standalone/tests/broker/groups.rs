//! Consumer groups: offsets that stay, partitions that move.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::support::{Seen, TestBroker, consumer, receive, send};

fn commit(consumer: &StreamConsumer, message: &Seen) {
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset("loan.auth", message.partition, Offset::Offset(message.offset + 1))
        .unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_groups_offsets_outlive_a_killed_broker_and_a_new_group_starts_at_the_first_message() {
    let mut broker = TestBroker::start(&["loan.auth:1"]).await;
    let producer = broker.producer();
    for number in 0..6 {
        send(&producer, "loan.auth", "k", Some(&number.to_string()), &[]).await;
    }
    let one = broker.consumer("group", &["loan.auth"]);
    let messages = receive(&one, 3).await;
    commit(&one, &messages[2]);
    drop(one);
    broker.broker.kill().unwrap();
    broker.broker.start_again().await.unwrap();

    let same = broker.consumer("group", &["loan.auth"]);
    let values: Vec<_> = receive(&same, 3).await.into_iter().map(|message| message.value).collect();
    assert_eq!(values, ["3", "4", "5"].map(|value| Some(value.to_owned())));
    let new = broker.consumer("another", &["loan.auth"]);
    assert_eq!(receive(&new, 1).await[0].value.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_goes_on_when_the_broker_comes_back() {
    let mut broker = TestBroker::start(&["loan.auth:3"]).await;
    let producer = broker.producer();
    let reader = broker.consumer("group", &["loan.auth"]);
    send(&producer, "loan.auth", "k", Some("before"), &[]).await;
    let before = receive(&reader, 1).await;
    commit(&reader, &before[0]);
    broker.broker.kill().unwrap();
    broker.broker.start_again().await.unwrap();
    send(&producer, "loan.auth", "k", Some("after"), &[]).await;
    let after = receive(&reader, 1).await;
    assert_eq!(after[0].value.as_deref(), Some("after"));
    commit(&reader, &after[0]);
}

fn assigned(consumer: &StreamConsumer) -> usize {
    consumer.assignment().unwrap().count()
}

/// Lets both consumers work until `done`, and fails after 40 s.
async fn until(consumers: &[&StreamConsumer], done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !done() {
        let counts: Vec<_> = consumers.iter().map(|consumer| assigned(consumer)).collect();
        assert!(Instant::now() < deadline, "the assignment is {counts:?}");
        for consumer in consumers {
            // Rebalances happen while polling; there are no messages.
            drop(tokio::time::timeout(Duration::from_millis(50), consumer.recv()).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_consumers_share_the_partitions_and_one_takes_over_all() {
    let broker = TestBroker::start(&["loan.auth:4"]).await;
    let one = broker.consumer("group", &["loan.auth"]);
    until(&[&one], || assigned(&one) == 4).await;
    let two = broker.consumer("group", &["loan.auth"]);
    until(&[&one, &two], || assigned(&one) == 2 && assigned(&two) == 2).await;
    drop(one);
    until(&[&two], || assigned(&two) == 4).await;
}

/// Not a test by itself: the process that the next test kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_that_is_killed() {
    let Ok(bootstrap) = std::env::var("KILLED_MEMBER_BOOTSTRAP") else { return };
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap);
    let member = consumer(&client, "group", &["loan.auth"]);
    loop {
        drop(tokio::time::timeout(Duration::from_millis(20), member.recv()).await);
        if assigned(&member) > 0 {
            println!("assigned");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partitions_of_a_killed_process_are_free_at_once() {
    use std::io::{BufRead as _, BufReader};
    let broker = TestBroker::start(&["loan.auth:3"]).await;
    let mut member = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "groups::member_that_is_killed", "--nocapture"])
        .env("KILLED_MEMBER_BOOTSTRAP", broker.broker.bootstrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(member.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("assigned")));
    member.kill().unwrap();
    member.wait().unwrap();

    let next = broker.consumer("group", &["loan.auth"]);
    let start = Instant::now();
    until(&[&next], || assigned(&next) == 3).await;
    // The session timeout is 45 s.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}
