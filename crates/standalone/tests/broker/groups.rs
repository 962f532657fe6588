//! Consumer groups: offsets that stay, partitions that move.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

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

/// Not a test by itself: the process that the next tests kill.
#[expect(clippy::disallowed_methods, reason = "its parent tells it so")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_that_is_killed() {
    let Ok(bootstrap) = std::env::var("KILLED_MEMBER_BOOTSTRAP") else { return };
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap);
    let member = consumer(&client, "group", &["loan.auth"]);
    // Once: nobody reads on, and a failed print would end this in order.
    let mut said = false;
    loop {
        drop(tokio::time::timeout(Duration::from_millis(20), member.recv()).await);
        if !said && assigned(&member) > 0 {
            println!("assigned");
            said = true;
        }
    }
}

/// Starts that process and waits until it has partitions.
fn member_with_partitions(broker: &TestBroker) -> Child {
    use std::io::{BufRead as _, BufReader};
    let mut member = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "groups::member_that_is_killed", "--nocapture"])
        .env("KILLED_MEMBER_BOOTSTRAP", broker.broker.bootstrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(member.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("assigned")));
    member
}

/// A new member gets all partitions long before the 45 s of the session timeout.
async fn all_are_free(broker: &TestBroker) {
    let next = broker.consumer("group", &["loan.auth"]);
    let start = Instant::now();
    until(&[&next], || assigned(&next) == 3).await;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partitions_of_a_killed_process_are_free_at_once() {
    let broker = TestBroker::start(&["loan.auth:3"]).await;
    let mut member = member_with_partitions(&broker);
    member.kill().unwrap();
    member.wait().unwrap();
    all_are_free(&broker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partitions_of_a_process_that_was_killed_with_the_broker_are_free_at_once() {
    let mut broker = TestBroker::start(&["loan.auth:3"]).await;
    let mut member = member_with_partitions(&broker);
    broker.broker.kill().unwrap();
    member.kill().unwrap();
    member.wait().unwrap();
    broker.broker.start_again().await.unwrap();
    all_are_free(&broker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_after_the_broker_slept_longer_than_its_session() {
    let mut broker = TestBroker::start(&["loan.auth:3"]).await;
    let producer = broker.producer();
    let mut client = broker.client();
    // As the services' sessions, only shorter.
    client.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "1500");
    let reader = consumer(&client, "group", &["loan.auth"]);
    send(&producer, "loan.auth", "k", Some("before"), &[]).await;
    let before = receive(&reader, 1).await;
    commit(&reader, &before[0]);
    let process = broker.broker.process_mut();
    process.signal(Signal::SIGSTOP).unwrap();
    // Polled on: the client notices the end of its session by itself.
    let awake = Instant::now() + Duration::from_secs(8);
    while Instant::now() < awake {
        drop(tokio::time::timeout(Duration::from_millis(50), reader.recv()).await);
    }
    broker.broker.process_mut().signal(Signal::SIGCONT).unwrap();
    send(&producer, "loan.auth", "k", Some("after"), &[]).await;
    let after = receive(&reader, 1).await;
    assert_eq!(after[0].value.as_deref(), Some("after"));
    commit(&reader, &after[0]);
}
