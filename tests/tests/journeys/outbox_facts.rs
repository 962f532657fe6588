//! The facts of the outbox, each on the real broker and database: what commits
//! is sent, in order, and nothing is called sent before the broker has it.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use common::clock::Clock;
use common::event::NewEvent;
use journeys::harness::on_apache_kafka;
use nix::sys::signal::Signal;
use sqlx::Row as _;

use crate::by_hand::{Seen, assert_same, headers_of};
use crate::plumbing::{Noted, Plumbing, TOPIC, noted, until};

/// Of each key, the notes in the order of the topic; one that is there again
/// counts where it was first, as it does for a consumer.
fn by_key(messages: &[Seen]) -> BTreeMap<String, Vec<i64>> {
    let mut known = HashSet::new();
    let mut order: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for message in messages {
        if known.insert(message.header("ce_id").to_owned()) {
            let number = message.json()["number"].as_i64().unwrap_or_default();
            order.entry(message.key.clone().unwrap_or_default()).or_default().push(number);
        }
    }
    order
}

fn numbers(count: i64) -> Vec<i64> {
    (1..=count).collect()
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_is_not_skipped() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let relay = plumbing.relay(100);
    let mut late = plumbing.db.pool().begin().await?;
    Plumbing::write(&mut late, "late").await?;
    // The next one of the same account waits for it, so the key's order can't turn round.
    let next = plumbing.write_one("late");
    tokio::pin!(next);
    for _ in 0..3 {
        plumbing.write_one("early").await?;
    }
    tokio::select! {
        done = &mut next => panic!("it did not wait for the lock: {done:?}"),
        sent = plumbing.all_sent() => sent?,
    }
    let sent = by_key(&plumbing.read(TOPIC).await?);
    assert_eq!(sent, BTreeMap::from([("early".to_owned(), numbers(3))]));

    // All that was sent is younger, and a cursor would be past it by now.
    let own = "SELECT max(id) FROM outbox WHERE key = 'late'";
    let late_id: i64 = sqlx::query_scalar(own).fetch_one(&mut *late).await?;
    let first_sent = plumbing.count("SELECT min(id) FROM outbox").await?;
    assert!(late_id < first_sent, "{late_id} {first_sent}");
    late.commit().await?;
    next.await?;
    plumbing.all_sent().await?;
    let sent = by_key(&plumbing.read(TOPIC).await?);
    assert_eq!((&sent["late"], &sent["early"]), (&numbers(2), &numbers(3)));
    relay.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rolled_back_is_never_sent() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let relay = plumbing.relay(100);
    let mut undone = plumbing.db.pool().begin().await?;
    Plumbing::write(&mut undone, "undone").await?;
    plumbing.write_one("done").await?;
    plumbing.all_sent().await?;
    undone.rollback().await?;
    plumbing.write_one("done").await?;
    plumbing.all_sent().await?;
    relay.stop().await?;
    let sent = by_key(&plumbing.read(TOPIC).await?);
    assert_eq!(sent, BTreeMap::from([("done".to_owned(), numbers(2))]));
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_order_is_kept_under_many_writers_while_relays_come_and_go() -> Result<()> {
    const ACCOUNTS: [&str; 3] = ["a", "b", "c"];
    const WRITERS_OF_EACH: usize = 6;
    let plumbing = Plumbing::start().await?;
    let enough = AtomicBool::new(false);
    // Small batches, so that one is always under way when a relay goes; but each is a
    // transaction, and the writers must not be faster for long.
    let (first, second) = (plumbing.relay(25), plumbing.relay(25));
    let writing = ACCOUNTS.iter().flat_map(|account| {
        (0..WRITERS_OF_EACH).map(|_| async {
            while !enough.load(Ordering::Relaxed) {
                plumbing.write_one(account).await?;
            }
            anyhow::Ok(())
        })
    });
    let relaying = async {
        let holders = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
            WHERE locktype = 'advisory' AND datname = current_database() AND granted";
        until("a relay works", async || Ok(plumbing.count(holders).await? == 1)).await?;
        sent(&plumbing, 200).await?;
        assert_eq!(plumbing.count(holders).await?, 1, "one of two works");
        // One of the two holds the lock. Whichever it is: the other goes on.
        first.kill().await;
        let killed = Instant::now();
        let before = plumbing.count(SENT).await?;
        sent(&plumbing, before + 100).await?;
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        let third = plumbing.relay(25);
        second.kill().await;
        let before = plumbing.count(SENT).await?;
        sent(&plumbing, before + 100).await?;
        enough.store(true, Ordering::Relaxed);
        anyhow::Ok(third)
    };
    let writing = futures::future::try_join_all(writing);
    let (_, third) = tokio::try_join!(writing, relaying)?;
    plumbing.all_sent().await?;
    third.stop().await?;
    let messages = plumbing.read(TOPIC).await?;
    for account in ACCOUNTS {
        let sent = &by_key(&messages)[account];
        let last =
            plumbing.count(&format!("SELECT last FROM account WHERE id = '{account}'")).await?;
        assert_same(sent, &numbers(last), account);
        let of_key = messages.iter().filter(|message| message.key.as_deref() == Some(account));
        let partitions: HashSet<i32> = of_key.map(|message| message.partition).collect();
        assert_eq!(partitions.len(), 1, "a key stays in its partition");
    }
    Ok(())
}

const SENT: &str = "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL";

async fn sent(plumbing: &Plumbing, count: i64) -> Result<()> {
    until("more is sent", async || Ok(plumbing.count(SENT).await? >= count)).await
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_all_waits_unmarked_and_then_goes() -> Result<()> {
    if on_apache_kafka() {
        return Ok(()); // It is the stack's own broker that is killed here.
    }
    let mut plumbing = Plumbing::start().await?;
    let relay = plumbing.relay(4);
    plumbing.write_one("before").await?;
    plumbing.all_sent().await?;
    plumbing.journey.stack.broker_mut().kill()?;
    for _ in 0..10 {
        plumbing.write_one("during").await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(plumbing.unsent().await?, 10);
    // One that starts without a broker waits as well.
    relay.kill().await;
    let relay = plumbing.relay(4);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(plumbing.unsent().await?, 10);
    assert!(relay.is_running());

    plumbing.journey.stack.broker_mut().start_again().await?;
    plumbing.all_sent().await?;
    let sent = by_key(&plumbing.read(TOPIC).await?);
    assert_eq!((&sent["before"], &sent["during"]), (&numbers(1), &numbers(10)));
    relay.stop().await
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_marked_only_after_the_brokers_acknowledgement() -> Result<()> {
    if on_apache_kafka() {
        return Ok(()); // It is the stack's own broker that is stopped here.
    }
    let mut plumbing = Plumbing::start().await?;
    let relay = plumbing.relay(100);
    plumbing.write_one("a").await?;
    until("it is there", async || Ok(plumbing.read(TOPIC).await?.len() == 1)).await?;
    plumbing.all_sent().await?;
    // From now on it takes what is sent and says nothing.
    plumbing.journey.stack.broker_mut().process_mut().signal(Signal::SIGSTOP)?;
    for _ in 0..5 {
        plumbing.write_one("a").await?;
    }
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(plumbing.unsent().await?, 5);
    }
    plumbing.journey.stack.broker_mut().process_mut().signal(Signal::SIGCONT)?;
    plumbing.all_sent().await?;
    relay.stop().await?;
    assert_eq!(by_key(&plumbing.read(TOPIC).await?)["a"], numbers(6));
    Ok(())
}

// at no moment is something called sent that a crash of the broker takes away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_marked_as_sent_outlives_the_broker() -> Result<()> {
    if on_apache_kafka() {
        return Ok(()); // It is the stack's own broker that is killed here.
    }
    let mut plumbing = Plumbing::start().await?;
    for round in 1..=3 {
        let relay = plumbing.relay(3);
        for _ in 0..100 {
            plumbing.write_one("a").await?;
        }
        // In the middle of the work of this round.
        sent(&plumbing, 100 * (round - 1) + 20).await?;
        plumbing.journey.stack.broker_mut().kill()?;
        relay.kill().await;
        let marked = sqlx::query("SELECT event_id::text FROM outbox WHERE sent_at IS NOT NULL")
            .fetch_all(plumbing.db.pool())
            .await?;
        plumbing.journey.stack.broker_mut().start_again().await?;
        let messages = plumbing.read(TOPIC).await?;
        let there: HashSet<&str> = messages.iter().map(|message| message.header("ce_id")).collect();
        for row in marked {
            let id: String = row.try_get(0)?;
            assert!(there.contains(id.as_str()), "round {round}: {id} is marked and not there");
        }
        let relay = plumbing.relay(100);
        plumbing.all_sent().await?;
        relay.stop().await?;
    }
    assert_same(&by_key(&plumbing.read(TOPIC).await?)["a"], &numbers(300), "a");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_process_sends_what_is_there() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let relay = plumbing.relay(10);
    let mut tx = plumbing.db.pool().begin().await?;
    for _ in 0..50 {
        Plumbing::write(&mut tx, "a").await?;
    }
    tx.commit().await?;
    relay.stop().await?;
    assert_eq!(plumbing.unsent().await?, 0);
    assert_same(&by_key(&plumbing.read(TOPIC).await?)["a"], &numbers(50), "a");
    Ok(())
}

// One that can't be sent must not be overtaken by what happened after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_the_broker_does_not_take_holds_back_those_of_its_key() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let huge = NewEvent { payload: Some("x".repeat(2_000_000)), ..noted("stuck", 1) };
    let mut tx = plumbing.db.pool().begin().await?;
    common::outbox::append(&mut tx, std::slice::from_ref(&huge)).await?;
    common::outbox::append(&mut tx, &[noted("stuck", 2), noted("free", 1)]).await?;
    tx.commit().await?;
    let relay = plumbing.relay(100);
    until("the others go", async || Ok(plumbing.unsent().await? <= 2)).await?;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(plumbing.unsent().await?, 2, "the event and the next of its key wait");
    let sent = by_key(&plumbing.read(TOPIC).await?);
    assert_eq!(sent, BTreeMap::from([("free".to_owned(), numbers(1))]));
    // An operator takes it away.
    let away = "DELETE FROM outbox WHERE event_id = $1";
    sqlx::query(away).bind(huge.id).execute(plumbing.db.pool()).await?;
    plumbing.all_sent().await?;
    relay.stop().await?;
    assert_eq!(by_key(&plumbing.read(TOPIC).await?)["stuck"], [2]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_envelope_arrives_as_it_was_written_and_a_tombstone_is_empty() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let relay = plumbing.relay(100);
    let event = noted("a", 7);
    let gone = NewEvent::tombstone::<Noted>("a".to_owned(), &Clock::system());
    let mut tx = plumbing.db.pool().begin().await?;
    common::outbox::append(&mut tx, &[event.clone(), gone.clone()]).await?;
    tx.commit().await?;
    plumbing.all_sent().await?;
    relay.stop().await?;
    let messages = plumbing.read(TOPIC).await?;
    assert_eq!(messages.len(), 2);
    for (message, event) in messages.iter().zip([&event, &gone]) {
        for (name, value) in headers_of(event) {
            assert_eq!(message.header(name), value, "{name}");
        }
        assert_eq!(message.header("content-type"), "application/json");
        assert_eq!((message.key.as_deref(), &message.value), (Some("a"), &event.payload));
    }
    assert_eq!((messages[1].value.as_ref(), messages[1].header("ce_type")), (None, "Tombstone"));
    Ok(())
}
