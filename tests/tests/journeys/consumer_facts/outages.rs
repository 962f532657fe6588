//! What is away is waited for, and costs no event.

use std::time::{Duration, Instant};

use anyhow::Result;
use common::consumer::Subscriptions;
use journeys::harness::on_apache_kafka;
use standalone::Stack;

use crate::by_hand::{Hand, assert_same, committed};
use crate::plumbing::{DEAD_LETTERS, Noted, Plumbing, TOPIC, note, noted, noting, until};

/// Starts the stack's database server after it was killed; it refuses for as
/// long as its orphans are about.
pub(super) async fn start_database(stack: &mut Stack) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = stack.postgres_mut().start_again().await {
        assert!(Instant::now() < until, "{error:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_killed_and_events_wait_for_it() -> Result<()> {
    let mut plumbing = Plumbing::start_with(|stack| stack.own_postgres()).await?;
    plumbing.grow_impatient().await?;
    let hand = Hand::new(plumbing.bootstrap())?;
    let consumer = plumbing.consumer(noting("facts", "one"));
    let relay = plumbing.relay(100);
    for number in 1..=10 {
        hand.event(&noted("a", number)).await?;
    }
    plumbing.effects(10).await?;
    let all = async || Ok(committed(plumbing.bootstrap(), "facts", TOPIC).await? == 10);
    until("the offsets are stored", all).await?;

    plumbing.journey.stack.postgres_mut().process_mut().kill()?;
    for number in 11..=30 {
        hand.event(&noted("a", number)).await?;
    }
    // Long enough for many attempts.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(consumer.is_running() && relay.is_running());
    assert_eq!(committed(plumbing.bootstrap(), "facts", TOPIC).await?, 10);
    assert!(plumbing.read(DEAD_LETTERS).await?.is_empty());

    start_database(&mut plumbing.journey.stack).await?;
    plumbing.effects(30).await?;
    // The relay has its lock again as well.
    plumbing.write_one("b").await?;
    plumbing.all_sent().await?;
    plumbing.effects(31).await?;
    consumer.stop().await?;
    relay.stop().await?;
    let mut expected: Vec<_> = (1..=30).map(|number| format!("a/{number}")).collect();
    expected.push("b/1".to_owned());
    assert_same(&plumbing.effects_in_order().await?, &expected, "once each, in order");
    assert!(plumbing.read(DEAD_LETTERS).await?.is_empty());
    Ok(())
}

// killed in the middle of a batch, it has done all of it or nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_killed_in_the_middle_of_a_batch() -> Result<()> {
    let mut plumbing = Plumbing::start_with(|stack| stack.own_postgres()).await?;
    plumbing.grow_impatient().await?;
    let hand = Hand::new(plumbing.bootstrap())?;
    let sent: Vec<_> = (1..=300).map(|number| noted("a", number)).collect();
    futures::future::try_join_all(sent.iter().map(|event| hand.event(event))).await?;
    let slowly = Subscriptions::new("facts").on::<Noted>(|tx, event, body| {
        Box::pin(async move {
            note(tx, event, &body, "one").await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        })
    });
    let consumer = plumbing.consumer_of(slowly, 50);
    for done in [50, 150] {
        plumbing.effects(done).await?;
        // Half a batch later.
        tokio::time::sleep(Duration::from_millis(250)).await;
        plumbing.journey.stack.postgres_mut().process_mut().kill()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        start_database(&mut plumbing.journey.stack).await?;
    }
    plumbing.effects(300).await?;
    consumer.stop().await?;
    let events = "SELECT count(DISTINCT event_id) FROM effect";
    assert_eq!(
        (plumbing.count(events).await?, plumbing.effects_in_order().await?.len()),
        (300, 300)
    );
    assert!(plumbing.read(DEAD_LETTERS).await?.is_empty());
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed_and_the_consumer_goes_on_where_it_was() -> Result<()> {
    if on_apache_kafka() {
        return Ok(()); // It is the stack's own broker that is killed here.
    }
    let mut plumbing = Plumbing::start().await?;
    let consumer = plumbing.consumer(noting("facts", "one"));
    let relay = plumbing.relay(10);
    for round in 1..=3 {
        for _ in 0..50 {
            plumbing.write_one("a").await?;
        }
        plumbing.effects(50 * round - 30).await?;
        plumbing.journey.stack.broker_mut().kill()?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(consumer.is_running() && relay.is_running());
        plumbing.journey.stack.broker_mut().start_again().await?;
    }
    plumbing.effects(150).await?;
    consumer.stop().await?;
    relay.stop().await?;
    let expected: Vec<_> = (1..=150).map(|number| format!("a/{number}")).collect();
    assert_same(&plumbing.effects_in_order().await?, &expected, "once each, in order");
    assert!(plumbing.read(DEAD_LETTERS).await?.is_empty());
    Ok(())
}
