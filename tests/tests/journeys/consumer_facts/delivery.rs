//! One effect for each event.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Result;
use common::clock::Clock;
use common::consumer::Subscriptions;
use common::event::NewEvent;

use crate::by_hand::{Hand, Seen, assert_same, committed};
use crate::plumbing::{DEAD_LETTERS, Noted, Plumbing, TOPIC, note, noted, noting, until};

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_delivered_twice_has_one_effect() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let hand = Hand::new(plumbing.bootstrap())?;
    let (first, second, last) = (noted("a", 1), noted("a", 2), noted("a", 3));
    // Twice in one batch: all are there before the consumer is.
    for event in [&first, &first, &second, &first] {
        hand.event(event).await?;
    }
    let consumer = plumbing.consumer(noting("facts", "one"));
    plumbing.effects(2).await?;
    // Again in a later batch.
    hand.event(&second).await?;
    hand.event(&last).await?;
    plumbing.effects(3).await?;
    consumer.stop().await?;
    // Again after a restart; with a group that has yet to read everything, also
    // all of it from the start.
    hand.event(&first).await?;
    let end = noted("a", 4);
    hand.event(&end).await?;
    for (group, worker) in [("facts", "two"), ("facts-once-more", "three")] {
        let consumer = plumbing.consumer(noting(group, worker));
        let all = async || Ok(committed(plumbing.bootstrap(), group, TOPIC).await? == 8);
        until("all is read", all).await?;
        consumer.stop().await?;
    }
    assert_eq!(plumbing.effects_in_order().await?, ["a/1", "a/2", "a/3", "a/4"]);
    assert_eq!(plumbing.count("SELECT count(*) FROM inbox").await?, 4);
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_group_starts_at_the_earliest_offset() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let hand = Hand::new(plumbing.bootstrap())?;
    for number in 1..=20 {
        for account in ["a", "b", "c", "d"] {
            hand.event(&noted(account, number)).await?;
        }
    }
    let consumer = plumbing.consumer(noting("newcomer", "one"));
    plumbing.effects(80).await?;
    consumer.stop().await?;
    for account in ["a", "b", "c", "d"] {
        let all = plumbing.effects_in_order().await?;
        let own: Vec<_> = all.iter().filter(|effect| effect.starts_with(account)).collect();
        let expected: Vec<_> = (1..=20).map(|number| format!("{account}/{number}")).collect();
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
    }
    Ok(())
}

/// Slow enough that there is always a batch under way.
fn slowly(worker: &'static str) -> Subscriptions {
    Subscriptions::new("facts").on::<Noted>(move |tx, event, body| {
        Box::pin(async move {
            note(tx, event, &body, worker).await?;
            tokio::time::sleep(Duration::from_millis(4)).await;
            Ok(())
        })
    })
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_come_and_go_in_the_middle_of_work_and_nothing_doubles() -> Result<()> {
    const ACCOUNTS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let plumbing = Plumbing::start().await?;
    let hand = Hand::new(plumbing.bootstrap())?;
    let sent = Arc::new(AtomicI64::new(0));
    let sending = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            for number in 1.. {
                let round: Vec<NewEvent> =
                    ACCOUNTS.iter().map(|account| noted(account, number)).collect();
                futures::future::try_join_all(round.iter().map(|event| hand.event(event))).await?;
                sent.fetch_add(9, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        }
    });
    let works = async |worker: &str| {
        let own = format!("SELECT count(*) FROM effect WHERE worker = '{worker}'");
        until(worker, async || Ok(plumbing.count(&own).await? >= 40)).await
    };
    let one = plumbing.consumer_of(slowly("one"), 20);
    works("one").await?;
    let two = plumbing.consumer_of(slowly("two"), 20);
    works("two").await?;
    // One leaves in order, and one in the middle of its work.
    one.stop().await?;
    let three = plumbing.consumer_of(slowly("three"), 20);
    works("three").await?;
    two.kill().await;
    let four = plumbing.consumer_of(slowly("four"), 20);
    works("four").await?;
    sending.abort();
    drop(sending.await);

    // The last round may have gone out half.
    let messages = plumbing.read(TOPIC).await?;
    let count = i64::try_from(messages.len())?;
    assert!(count >= sent.load(Ordering::Relaxed));
    plumbing.effects(count).await?;
    three.stop().await?;
    four.stop().await?;
    let effects = plumbing.effects_in_order().await?;
    for account in ACCOUNTS {
        let of_key = messages.iter().filter(|message| message.key.as_deref() == Some(account));
        let sent: Vec<String> = of_key.map(Seen::note).collect();
        let prefix = format!("{account}/");
        let worked: Vec<_> =
            effects.iter().filter(|effect| effect.starts_with(&prefix)).cloned().collect();
        assert_same(&worked, &sent, "once each, in order");
    }
    assert!(plumbing.read(DEAD_LETTERS).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tombstones_pass() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let relay = plumbing.relay(100);
    let gone = |key: &str| NewEvent::tombstone::<Noted>(key.to_owned(), &Clock::system());
    let mut tx = plumbing.db.pool().begin().await?;
    let events = [noted("a", 1), gone("a"), noted("a", 2)];
    common::outbox::append(&mut tx, &events).await?;
    tx.commit().await?;
    // Who has no handler for them reads over them.
    let consumer = plumbing.consumer(noting("deaf", "one"));
    plumbing.effects(2).await?;
    consumer.stop().await?;
    assert_eq!(committed(plumbing.bootstrap(), "deaf", TOPIC).await?, 3);
    assert_eq!(plumbing.count("SELECT count(*) FROM inbox").await?, 2);
    // Who has one is told the key, once.
    let forgetting = noting("facts", "two").on_tombstone::<Noted>(|tx, event| {
        Box::pin(async move {
            let body = Noted { account: event.key.clone().unwrap_or_default(), number: 0 };
            note(tx, event, &body, "two").await
        })
    });
    let consumer = plumbing.consumer(forgetting);
    plumbing.effects(3).await?;
    consumer.stop().await?;
    relay.stop().await?;
    assert_eq!(plumbing.effects_in_order().await?, ["a/1", "a/2", "a/0"]);
    assert!(plumbing.read(DEAD_LETTERS).await?.is_empty());
    Ok(())
}
