//! What can't be an event, or can't be true, is set aside, and the next has its
//! turn.

use anyhow::Result;
use common::clock::Clock;
use common::consumer::{HandlerError, Subscriptions};
use common::event::NewEvent;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::by_hand::{Hand, Seen, committed, headers_of};
use crate::plumbing::{DEAD_LETTERS, Noted, Plumbing, TOPIC, note, noted, noting, until};

/// The letter of the message that was at this place.
fn letter(letters: &[Seen], (partition, offset): (i32, i64)) -> &Seen {
    let mut found = letters.iter().filter(|letter| {
        letter.header("dlq_partition") == partition.to_string()
            && letter.header("dlq_offset") == offset.to_string()
    });
    let letter = found.next().unwrap();
    assert!(found.next().is_none(), "two letters of one message");
    letter
}

/// It says where it is from, and is what it was.
fn check(letter: &Seen, reason: &str, attempts: &str, key: &str, value: Option<&str>) {
    assert!(letter.header("dlq_reason").contains(reason), "{reason}: {letter:?}");
    assert_eq!(letter.header("dlq_attempts"), attempts, "{reason}");
    assert_eq!((letter.header("dlq_topic"), letter.header("dlq_group")), (TOPIC, "facts"));
    let at = OffsetDateTime::parse(letter.header("dlq_at"), &Rfc3339).unwrap();
    assert!((Clock::system().now() - at).whole_seconds() < 60, "{at}");
    assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(key), value));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_set_aside_and_the_next_has_its_turn() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let hand = Hand::new(plumbing.bootstrap())?;
    let consumer = plumbing.consumer(noting("facts", "one"));
    hand.event(&noted("a", 1)).await?;

    let whole = r#"{"account":"a","number":2}"#;
    let with = |name: &'static str, value: &'static str| {
        let mut headers = headers_of(&noted("a", 2));
        headers.retain(|(header, _)| *header != name);
        if !value.is_empty() {
            headers.push((name, value.to_owned()));
        }
        headers
    };
    let good = || headers_of(&noted("a", 2));
    let wrong = [
        (vec![], Some(whole), "header ce_specversion is missing"),
        (with("ce_specversion", "0.3"), Some(whole), "header ce_specversion is unreadable"),
        (with("ce_id", "7"), Some(whole), "header ce_id is unreadable"),
        (with("ce_id", ""), Some(whole), "header ce_id is missing"),
        (with("ce_time", "yesterday"), Some(whole), "header ce_time is unreadable"),
        (with("ce_type", ""), Some(whole), "header ce_type is missing"),
        (good(), Some("{\"account\":\"a\","), "the payload is no Noted: Eof error"),
        (good(), Some("not json"), "the payload is no Noted: Syntax error"),
        (good(), Some(r#"{"account":"a"}"#), "the payload is no Noted: Data error"),
        (good(), Some(r#"{"account":"a","number":"2"}"#), "the payload is no Noted: Data error"),
        (good(), Some(r#"{"account":"a","number":2.5}"#), "the payload is no Noted: Data error"),
        (good(), None, "a Noted without a payload"),
    ];
    let mut places = Vec::new();
    for (headers, value, _) in &wrong {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        places.push(hand.send(TOPIC, "a", *value, &headers).await?);
    }
    // What nobody here knows is no mistake.
    let unknown = NewEvent { event_type: "NeverHeardOf", ..noted("a", 2) };
    hand.event(&unknown).await?;
    hand.event(&noted("a", 3)).await?;
    plumbing.effects(2).await?;
    assert_eq!(plumbing.effects_in_order().await?, ["a/1", "a/3"]);

    let all = async || Ok(committed(plumbing.bootstrap(), "facts", TOPIC).await? == 15);
    until("all is done with", all).await?;
    let letters = plumbing.read(DEAD_LETTERS).await?;
    assert_eq!(letters.len(), wrong.len(), "one letter each, none of the unknown type");
    for ((headers, value, reason), place) in wrong.iter().zip(places) {
        let letter = letter(&letters, place);
        check(letter, reason, "1", "a", *value);
        for (name, value) in headers {
            assert_eq!(letter.header(name), value, "the message's own headers are kept");
        }
        assert_eq!(letter.headers.len(), headers.len() + 7, "{:?}", letter.headers);
    }
    consumer.stop().await
}

const IMPOSSIBLE: i64 = -1;
const REFUSED: i64 = -2;
const PANICS: i64 = -3;

/// Some notes are trouble, after they had an effect.
fn troubled() -> Subscriptions {
    Subscriptions::new("facts").on::<Noted>(|tx, event, body| {
        Box::pin(async move {
            note(tx, event, &body, "one").await?;
            match body.number {
                IMPOSSIBLE => Err(HandlerError::Impossible("it can't be".to_owned())),
                REFUSED => {
                    sqlx::query("SELECT 1 / 0").execute(tx).await?;
                    Ok(())
                }
                PANICS => panic!("a note too much"),
                _ => Ok(()),
            }
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_true_is_set_aside_alone_and_once() -> Result<()> {
    let plumbing = Plumbing::start().await?;
    let hand = Hand::new(plumbing.bootstrap())?;
    let bad = [noted("a", IMPOSSIBLE), noted("a", REFUSED), noted("a", PANICS)];
    let mut places = Vec::new();
    // All are in one batch: they are there before the consumer is.
    for (number, event) in (1..).zip(&bad) {
        hand.event(&noted("a", number)).await?;
        places.push(hand.event(event).await?);
    }
    hand.event(&noted("a", 4)).await?;
    let consumer = plumbing.consumer(troubled());
    plumbing.effects(4).await?;
    let all = async || Ok(committed(plumbing.bootstrap(), "facts", TOPIC).await? == 7);
    until("all is done with", all).await?;
    let kept = "SELECT count(*) FROM inbox WHERE dead_lettered_at IS NOT NULL";
    assert_eq!(plumbing.count(kept).await?, 3);
    // Delivered again, they are letters already.
    for event in &bad {
        hand.event(event).await?;
    }
    hand.event(&noted("a", 5)).await?;
    plumbing.effects(5).await?;
    consumer.stop().await?;

    assert_eq!(plumbing.effects_in_order().await?, ["a/1", "a/2", "a/3", "a/4", "a/5"]);
    let letters = plumbing.read(DEAD_LETTERS).await?;
    assert_eq!(letters.len(), 3);
    let told = [("it can't be", "1"), ("database error 22012", "3"), ("panicked", "1")];
    for ((event, place), (reason, attempts)) in bad.iter().zip(places).zip(told) {
        let letter = letter(&letters, place);
        check(letter, reason, attempts, "a", event.payload.as_deref());
        assert_eq!(letter.header("ce_id"), event.id.to_string());
    }
    Ok(())
}
